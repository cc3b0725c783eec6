"""The experiments: each sends a known load, and compares what happens with what the model says."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from statistics import fmean, median
from typing import Any

from tools.simulation_validation import prediction
from tools.simulation_validation.inputs import Inputs, check, lag_s, measured
from tools.simulation_validation.local_crm import TENANTS, LocalCrm
from tools.simulation_validation.prediction import Range
from tools.simulation_validation.traffic import MIX, Sample, Traffic, requests
from zebros.errors import NotReady
from zebros.simulation.parts import percentile

EXECUTIONS = 2
"""The share of concurrency of each API: small, so that requests are refused."""
OFFERED = (0.3, 1.0, 2.0)
"""Loads: how many requests to the busiest API are on their way on average, without a limit."""
BUSY = (0.5, 0.8)
"""Loads of the worker: the share of the time in which it makes reports."""
SLOW_DATABASE_S, SLOW_FILES_S = 0.2, 0.3
"""What calls take longer: a machine of two cores then waits, and computes little."""
_ALONE, _BURST, _LONGEST_S = 6, 10, 60.0
_REPORT = {"report": "pipeline_by_stage", "format": "json"}
_FINAL = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one load: what the model says, and what was measured."""

    load: str
    figure: str
    unit: str
    """ms, s, % (of the requests) or a second."""
    predicted: Range
    measured: float

    @property
    def error(self) -> float:
        """In points of a percentage for shares, otherwise as a share of what was measured."""
        if self.unit == "%":
            return (self.predicted.middle - self.measured) / 100
        return (self.predicted.middle - self.measured) / max(self.measured, 1e-9)

    @property
    def within(self) -> bool:
        """Whether it is where nine of ten seeds are."""
        return self.predicted.low <= self.measured <= self.predicted.high


class TimeLimit:
    """Ends a run that takes too long."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._ends = seconds, time.monotonic() + seconds

    def next(self, what: str) -> None:
        """Say what happens next. Raises NotReady when the time is over."""
        if time.monotonic() > self._ends:
            raise NotReady(
                f"{self._seconds:.0f} s are over before: {what}. This machine is too busy.",
                hint="Try again when nothing else runs, or with shorter loads: --seconds 5.",
            )
        print(what, file=sys.stderr, flush=True)


def requests_and_events(
    crm: LocalCrm, seed: int, seconds: float, limit: TimeLimit
) -> tuple[Inputs, list[Row]]:
    """Refused requests, latency and throughput at three loads, and how late events are."""
    traffic = Traffic(crm)
    traffic.at_their_times(requests(8, 4, seed))  # environments start
    with crm.slow({"dynamodb": SLOW_DATABASE_S}, seed):
        crm.settle()
        traffic.at_their_times(requests(5, 4, seed))
        inputs = measured(crm, traffic)
        rows = list[Row]()
        with crm.limited(list(MIX), EXECUTIONS):
            traffic.at_their_times(requests(6, 4, seed))  # environments that the change has ended
            crm.settle()
            for place, offered in enumerate(OFFERED):
                rate = _rate(inputs, offered)
                limit.next(f"{rate:.1f} requests a second for {seconds:.0f} s")
                since = time.time()
                samples = traffic.at_their_times(requests(rate, seconds, seed + place))
                check(samples)
                crm.settle()
                lags = lag_s(crm, "p50", since), lag_s(crm, "p95", since)
                rows += _compared(inputs, rate, seconds, samples, lags)
    return inputs, rows


def _rate(inputs: Inputs, offered: float) -> float:
    """The rate at which the busiest API has so many requests on their way."""
    return min(offered / (MIX[name] * prediction.mean_ms(inputs, name) / 1000) for name in MIX)


def _compared(
    inputs: Inputs,
    rate: float,
    seconds: float,
    samples: Sequence[Sample],
    lags: tuple[float, float],
) -> Iterator[Row]:
    predicted = prediction.simulations(inputs, rate, seconds, EXECUTIONS)
    load = f"{rate:.1f} requests a second"
    served = [one.seconds * 1000 for one in samples if not one.refused and not one.failed]
    refused = 100 * sum(one.refused for one in samples) / max(1, len(samples))
    yield Row(
        load, "refused", "%", prediction.over(predicted, lambda one: 100 * one.failed), refused
    )
    throughput = prediction.over(
        predicted, lambda one: one.requests * (1 - one.failed) / one.seconds
    )
    yield Row(load, "served", "a second", throughput, len(served) / seconds)
    for place, share in enumerate((0.5, 0.95, 0.99)):
        expected = prediction.over(predicted, lambda one, at=place: one.latency_ms[at])  # type: ignore[misc]
        yield Row(load, f"latency p{share * 100:.0f}", "ms", expected, percentile(served, share))
    for place, name in enumerate(("p50", "p95")):
        expected = prediction.over(predicted, lambda one, at=place: one.event_lag_s[at])  # type: ignore[misc]
        yield Row(load, f"event applied after, {name}", "s", expected, lags[place])


def reports(
    crm: LocalCrm, seed: int, seconds: float, limit: TimeLimit
) -> tuple[list[tuple[str, str]], list[Row]]:
    """How long reports wait for one worker: alone (the input), at two loads, and many at once."""
    for tenant in TENANTS:
        crm.zebros("tenants", "plan", tenant, "premium")
    with crm.slow({"s3": SLOW_FILES_S}, seed):
        alone = [_finished(crm, [_ask(crm, place)])[0] for place in range(_ALONE)][1:]
        # Medians: one report of five that another program has slowed down would count too much.
        mean, idle = median(one.took for one in alone), median(one.waited for one in alone)
        spread = max(0.02, median(abs(one.took - mean) for one in alone) / mean)
        inputs = [
            ("report, s", f"{mean:.2f}"),
            ("spread of reports", f"{spread:.2f}"),
            ("report that finds an idle worker waits, s", f"{idle:.2f}"),
        ]
        rows = list[Row]()
        for place, busy in enumerate(BUSY):
            limit.next(f"reports that keep the worker busy {busy:.0%} of {seconds:.0f} s")
            arrivals = _arrivals(busy / mean, seconds, seed + place)
            rows += _waited(crm, arrivals, mean, spread, idle, f"worker busy {busy:.0%}")
        limit.next(f"{_BURST} reports at once")
        together = [0.0] * _BURST
        rows += _waited(crm, together, mean, spread, idle, f"{_BURST} reports at once")
    return inputs, rows


@dataclass(frozen=True, slots=True)
class Made:
    """A report that was made."""

    created: float
    """The time in seconds."""
    waited: float
    took: float


def _arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    random, at, found = Random(seed), 0.0, list[float]()  # noqa: S311 - a seed, not secrecy
    while (at := at + random.expovariate(rate)) < seconds:
        found.append(at)
    return found or [0.0]


def _waited(
    crm: LocalCrm, arrivals: list[float], mean: float, spread: float, idle: float, load: str
) -> Iterator[Row]:
    began, asked = time.perf_counter(), list[tuple[str, str]]()
    for place, at in enumerate(arrivals):
        time.sleep(max(0.0, began + at - time.perf_counter()))
        asked.append(_ask(crm, place))
    made = _finished(crm, asked)
    # When they were stored, which is a little later than when they were to be sent.
    first = min(one.created for one in made)
    found = [one.waited for one in made]
    predicted = prediction.waits(sorted(one.created - first for one in made), mean, spread)
    for figure, of in (("wait, mean", fmean), ("wait, longest", max)):
        expected = Range.of([of(one) + idle for one in predicted])
        yield Row(load, figure, "s", expected, of(found))


def _ask(crm: LocalCrm, place: int) -> tuple[str, str]:
    tenant = TENANTS[place % len(TENANTS)]
    return tenant, str(crm.call("POST", "/reports", _REPORT, tenant)["id"])


def _finished(crm: LocalCrm, asked: Sequence[tuple[str, str]]) -> list[Made]:
    """Wait for reports. Raises NotReady when one fails or takes too long."""
    found, ends = list[Made](), time.monotonic() + _LONGEST_S
    for tenant, identifier in asked:
        run: dict[str, Any] = {"status": ""}
        while run["status"] not in _FINAL:
            if time.monotonic() > ends:
                raise NotReady(f"Report {identifier} is not ready after {_LONGEST_S:.0f} s.")
            time.sleep(0.1)
            run = crm.call("GET", f"/reports/{identifier}", tenant=tenant)
        if run["status"] != "completed":
            raise NotReady(f"Report {identifier} has {run['status']}: {run.get('reason')}")
        created, started, ended = (
            datetime.fromisoformat(run[name]) for name in ("created_at", "started_at", "ended_at")
        )
        waited, took = (started - created).total_seconds(), (ended - started).total_seconds()
        found.append(Made(created.timestamp(), waited, took))
    return found
