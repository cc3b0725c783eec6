"""What the model says about a load, with the measured inputs: a range over many seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from statistics import median

import simpy

from tools.simulation_validation.inputs import RELAYS, STREAM_MS, Inputs
from tools.simulation_validation.traffic import MIX, WRITE_SHARE
from zebros.costs.usage import Rule, Usage
from zebros.simulation.parts import Durations, Steps, percentile
from zebros.simulation.sizes import FunctionSize, Sizes, TableSize, WorkerSize
from zebros.simulation.system import APIS, Result, Simulation
from zebros.simulation.work import load_work
from zebros.simulation.workers import Workers

SEEDS = 60
WHOLE_PROCESSOR = 1769
"""MB with which the model changes no duration: the measured ones are of this machine."""
ENVIRONMENTS = 4
"""The most that a function has on the platform (zebros/emulator/settings.py)."""
_LOW, _HIGH = 0.05, 0.95
_REST = 1e-9
"""Stands for none, where a rate must be above 0."""


@dataclass(frozen=True, slots=True)
class Range:
    """What the model says: the middle of many seeds, and where nine of ten are."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Range":
        """The range of what several seeds gave."""
        several = list(values)
        return cls(median(several), percentile(several, _LOW), percentile(several, _HIGH))


def simulations(inputs: Inputs, rate: float, seconds: float, executions: int) -> list[Result]:
    """The same load with many seeds."""
    usage, work = _usage(inputs), _work(inputs)
    average = float(usage.requests / (usage.busy_hours * 3600))
    sizes = _sizes(inputs, executions)
    every = {**work, "peak": rate / average}
    return [Simulation(sizes, usage, every, seed).run(seconds / 60) for seed in range(SEEDS)]


def waits(arrivals: Sequence[float], mean_s: float, spread: float) -> list[list[float]]:
    """How long reports that arrive at these times wait for one worker, with many seeds."""
    return [_waits(arrivals, mean_s, spread, seed) for seed in range(SEEDS)]


def mean_ms(inputs: Inputs, api: str) -> float:
    """The mean time of an API's function under the load."""
    return (1 - WRITE_SHARE) * inputs.read_ms[api] + WRITE_SHARE * inputs.write_ms[api]


def _waits(arrivals: Sequence[float], mean_s: float, spread: float, seed: int) -> list[float]:
    env, random = simpy.Environment(), Random(seed)  # noqa: S311 - a seed, not secrecy
    durations = Durations(random, spread)
    size = WorkerSize(least=1, most=1, processors=0.5, spot=0)
    workers = Workers(env, size, load_work(), random, lambda: durations.around(mean_s))

    def ask() -> Steps:
        for at in arrivals:
            yield env.timeout(at - env.now)
            workers.send()

    env.process(ask())
    env.run(until=arrivals[-1] + 100 * mean_s * len(arrivals))
    return workers.waits


def over(results: Sequence[Result], value: Callable[[Result], float]) -> Range:
    """The range of a figure."""
    return Range.of([value(one) for one in results])


def _work(inputs: Inputs) -> dict[str, float]:
    return {
        **load_work(),
        "spread": inputs.spread,
        "gateway_ms": inputs.gateway_ms,
        "bus_ms": inputs.bus_ms,
        "stream_ms": STREAM_MS,
        "hot_tenant": 1.0,
        "large_reports": _REST,
    }


def _usage(inputs: Inputs) -> Usage:
    base = Usage.load("mvp")
    values = {
        "write_share": WRITE_SHARE,
        "events_per_write": inputs.events_per_write,
        "reports_per_user": _REST,
    }
    assumptions = {
        name: replace(one, value=Decimal(str(values[name]))) if name in values else one
        for name, one in base.assumptions.items()
    }
    return replace(base, assumptions=assumptions, rules={**base.rules, "functions": _rules(inputs)})


def _rules(inputs: Inputs) -> tuple[Rule, ...]:
    shares = {name: MIX.get(name, 0.0) for name in APIS}
    times = {name: (share, inputs.read_ms.get(name, 1.0)) for name, share in shares.items()}
    times |= {name: (share, inputs.consumer_ms) for name, share in inputs.consumer_shares.items()}
    times |= {"Authorizer": (inputs.authorizer_share, inputs.authorizer_ms)}
    times |= {"*Relay": (1.0, inputs.relay_ms), "*": (1.0, 1.0)}
    return tuple(
        Rule(name, _numbers(factor, ms, inputs.write_ms.get(name, ms)), "measured")
        for name, (factor, ms) in times.items()
    )


def _numbers(factor: float, read_ms: float, write_ms: float) -> dict[str, Decimal]:
    return {
        "factor": _d(factor),
        "cpu_ms": Decimal(0),
        "wait_ms": _d(read_ms),
        "write_wait_ms": _d(write_ms),
    }


def _sizes(inputs: Inputs, executions: int) -> Sizes:
    def size(most: int) -> FunctionSize:
        return FunctionSize(WHOLE_PROCESSOR, most, most)

    functions = {name: size(executions) for name in APIS}
    functions |= {name: size(ENVIRONMENTS) for name in inputs.consumer_shares}
    functions |= {name: size(1) for name in (*RELAYS, "NotificationsRelay")}
    functions |= {name: size(1000) for name in ("Authorizer", "ReportingAnalytics")}
    tables = {f"{name.removesuffix('Api')}Table": TableSize(None, 2) for name in APIS}
    return Sizes(functions, tables, None, 1e6, 1e6)


def _d(number: float) -> Decimal:
    return Decimal(str(number))
