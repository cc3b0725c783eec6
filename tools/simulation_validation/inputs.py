"""What is measured one by one, and is the model's input."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from statistics import fmean, pstdev

from tools.simulation_validation.local_crm import LocalCrm
from tools.simulation_validation.traffic import MIX, Sample, Traffic, every_kind
from zebros.errors import NotReady

CONSUMERS = {
    "OpportunitiesEvents": "board",
    "ActivitiesEvents": "timeline",
    "NotificationsEvents": "inbox",
    "OpportunitiesReferences": "opportunities-references",
}
"""The consumers of the model, by the name under which each measures how late an event is."""
RELAYS = ("CustomersRelay", "OpportunitiesRelay", "ActivitiesRelay")
STREAM_MS = 30.0
"""The platform looks at its streams so often (zebros/emulator/mappings.py)."""
ROUNDS, ONE_BY_ONE = 3, 30
_CAPTIONS = {
    "gateway_ms": "gateway, ms a request",
    "authorizer_share": "authorizer, of the requests",
    "authorizer_ms": "authorizer, ms",
    "spread": "spread of durations (standard deviation of the logarithm)",
    "relay_ms": "relay, ms a batch",
    "consumer_ms": "consumer, ms a batch",
    "bus_ms": "stream, bus and queue, ms an event",
    "events_per_write": "events a write",
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """Times of one request at a time, and how often what is called."""

    read_ms: Mapping[str, float]
    write_ms: Mapping[str, float]
    """Of each API: its function, when a request reads, and when it changes something."""
    gateway_ms: float
    authorizer_share: float
    authorizer_ms: float
    spread: float
    relay_ms: float
    consumer_ms: float
    consumer_shares: Mapping[str, float]
    """Of the events, what a consumer applies."""
    bus_ms: float
    events_per_write: float

    def rows(self) -> list[tuple[str, str]]:
        """What each is called, and its value."""
        apis = [
            (
                f"{name}, ms a request that reads, and that writes",
                f"{ms:.0f}, {self.write_ms[name]:.0f}",
            )
            for name, ms in self.read_ms.items()
        ]
        shares = [
            (f"{name}, of the events", f"{share:.2f}")
            for name, share in self.consumer_shares.items()
        ]
        rest = [(caption, f"{getattr(self, name):.2f}") for name, caption in _CAPTIONS.items()]
        return [*apis, *rest, *shares]


def measured(crm: LocalCrm, traffic: Traffic) -> Inputs:
    """Send requests one by one in several rounds; the one that was least disturbed counts.

    Raises NotReady when the platform answers otherwise than expected.
    """
    rounds = [_round(crm, traffic) for _ in range(ROUNDS)]
    return min(rounds, key=lambda one: sum(one.read_ms.values()) + sum(one.write_ms.values()))


def _round(crm: LocalCrm, traffic: Traffic) -> Inputs:
    """Send requests one by one, and take their times apart."""
    crm.settle()
    since = time.time()
    samples = traffic.one_by_one(every_kind(ONE_BY_ONE))
    check(samples)
    crm.settle()
    authorizers = _count(crm, "Authorizer", since)
    share = authorizers / len(samples)
    authorizer_ms = _mean_duration(crm, "Authorizer", since) if authorizers else 1.0
    functions = fmean(_mean_duration(crm, one.request.api, since) for one in samples)
    every = fmean(one.seconds * 1000 for one in samples)
    gateway = max(0.1, every - functions - share * authorizer_ms)
    times = {
        (one, writes): _mean_latency(samples, one, writes=writes) - gateway
        for one in MIX
        for writes in (False, True)
    }
    residuals = [
        log(max(1.0, one.seconds * 1000 - gateway) / times[one.request.api, one.request.writes])
        for one in samples
    ]
    events = sum(_published(crm, since).values())
    writes = sum(one.request.writes for one in samples)
    applied = {name: _lags(crm, of, "SampleCount", since) for name, of in CONSUMERS.items()}
    lag = sum(_lags(crm, of, "Sum", since) for of in CONSUMERS.values())
    relay, consumer = _mean_of(crm, RELAYS, since), _mean_of(crm, tuple(CONSUMERS), since)
    mean_lag = lag / max(1.0, sum(applied.values()))
    return Inputs(
        read_ms={name: times[name, False] for name in MIX},
        write_ms={name: times[name, True] for name in MIX},
        gateway_ms=gateway,
        authorizer_share=share,
        authorizer_ms=authorizer_ms,
        spread=max(0.02, pstdev(residuals)),
        relay_ms=relay,
        consumer_ms=consumer,
        consumer_shares={name: min(1.0, n / max(1.0, events)) for name, n in applied.items()},
        bus_ms=max(1.0, mean_lag - STREAM_MS / 2 - relay - consumer),
        events_per_write=events / max(1, writes),
    )


def check(samples: Sequence[Sample]) -> None:
    """Raise NotReady when requests failed for another reason than a limit."""
    failed = [one for one in samples if one.failed]
    if len(failed) > 0.01 * len(samples):
        statuses = sorted({one.status for one in failed})
        raise NotReady(f"{len(failed)} of {len(samples)} requests failed with {statuses}.")


def lag_s(crm: LocalCrm, stat: str, since: float) -> float:
    """A percentile of how late events were since a time: of all consumers, by their events."""
    weighed = [
        (_lags(crm, of, stat, since), _lags(crm, of, "SampleCount", since))
        for of in CONSUMERS.values()
    ]
    total = sum(count for _, count in weighed)
    return sum(value * count for value, count in weighed) / max(1.0, total) / 1000


def _lags(crm: LocalCrm, consumer: str, stat: str, since: float) -> float:
    return crm.metric("Zebros", "EventLag", stat, since, Consumer=consumer) or 0.0


def _published(crm: LocalCrm, since: float) -> dict[str, float]:
    """Events by context: each is measured once when it is published."""
    return {
        one: crm.metric("Zebros", "OutboxAge", "SampleCount", since, Context=one) or 0.0
        for one in ("customers", "opportunities", "activities")
    }


def _count(crm: LocalCrm, function: str, since: float) -> float:
    name = crm.functions[function]
    return crm.metric("AWS/Lambda", "Duration", "SampleCount", since, FunctionName=name) or 0.0


def _mean_latency(samples: Sequence[Sample], api: str, *, writes: bool) -> float:
    """Milliseconds of the requests of a kind."""
    return 1000 * fmean(
        one.seconds for one in samples if one.request.api == api and one.request.writes == writes
    )


def _mean_duration(crm: LocalCrm, function: str, since: float) -> float:
    name = crm.functions[function]
    found = crm.metric("AWS/Lambda", "Duration", "Average", since, FunctionName=name)
    if found is None:
        raise NotReady(f"{function} was not called; nothing was measured.")
    return found


def _mean_of(crm: LocalCrm, names: Sequence[str], since: float) -> float:
    counts = {name: _count(crm, name, since) for name in names}
    total = sum(_mean_duration(crm, name, since) * n for name, n in counts.items() if n)
    return total / max(1.0, sum(counts.values()))
