"""What is watched, as signals.toml declares it."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("signals.toml")
DASHBOARDS = ("business", "platform", "cost")
OPTIONS = ("growth", "provisioned", "worker", "analytics", "identity", "fence")
"""What a system may lack: see the conditions of infra/monitoring.yaml."""
PERIOD_S = 300
_AUTHORIZER = "Authorizer"
_MAINTENANCE = "Maintenance"


@dataclass(frozen=True, slots=True)
class Series:
    """One metric, or with `by` every metric of a name that has these dimensions."""

    namespace: str
    name: str
    stat: str
    """Sum, Average, Minimum, Maximum, or a percentile such as p95."""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    """A value is a text, or "@" and the logical id of the resource whose name it is."""
    by: tuple[str, ...] | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """When a signal raises an alarm."""

    name: str
    threshold: float
    period: int
    """Seconds."""
    periods: int
    points: int
    """Of the last `periods`, so many must be beyond the threshold."""
    missing: str
    combine: str = ""
    """SUM or MAX of all metrics; without it, the first metric counts."""
    below: bool = False
    group: str = ""
    trigger: str = ""
    when: str = ""
    per: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that is watched, or with `each` one thing of every resource of a kind."""

    id: str
    title: str
    unit: str
    dashboard: str
    metrics: tuple[Series, ...]
    runbook: Mapping[str, str]
    rows: tuple[str, ...] = ()
    scale: float = 1
    period: int = PERIOD_S
    each: str = ""
    total: str = ""
    when: str = ""
    alarm: Alarm | None = None

    @property
    def heading(self) -> str:
        """The title of its widget, with the unit."""
        return f"{self.title} ({self.unit})"


@dataclass(frozen=True, slots=True)
class Kinds:
    """The resources for which a signal may be repeated, by logical id."""

    functions: tuple[str, ...]
    queues: tuple[str, ...]
    tables: Mapping[str, str]
    """Names of tables, by logical id."""

    def names(self, kind: str) -> list[str]:
        """The logical ids of a kind, in the order of their alphabet."""
        found: dict[str, Iterable[str]] = {
            "functions": self.functions,
            "relays": (one for one in self.functions if one.endswith("Relay")),
            "dead_letters": (one for one in self.queues if one.endswith("DeadLetters")),
            "consumer_queues": (f"{one}Queue" for one in self.consumers),
            "tables": self.tables,
        }
        return sorted(found[kind])

    @property
    def consumers(self) -> list[str]:
        """The functions with a queue of their own."""
        return [one for one in self.functions if f"{one}Queue" in self.queues]

    def type_of(self, function: str) -> str:
        """The type of a function: Api (with the authorizer), Relay, Consumer or Other."""
        if function.endswith("Api") or function == _AUTHORIZER:
            return "Api"
        if function.endswith("Relay"):
            return "Relay"
        return "Consumer" if function in self.consumers else "Other"


@cache
def signals() -> tuple[Signal, ...]:
    """All signals, in the order of the file."""
    declared = tomllib.loads(FILE.read_text(encoding="utf-8"))["signals"]
    return tuple(_signal(one) for one in declared)


def _signal(given: dict[str, Any]) -> Signal:
    fields = {**given, "rows": tuple(given.get("rows", ()))}
    fields["metrics"] = tuple(map(_series, given["metrics"]))
    if "alarm" in given:
        fields["alarm"] = Alarm(**given["alarm"])
    return Signal(**fields)


def _series(given: dict[str, Any]) -> Series:
    namespace, _, name = str(given.get("metric") or given["search"]).rpartition("/")
    by = tuple(given["by"]) if "search" in given else None
    return Series(namespace, name, given["stat"], given.get("dimensions", {}), by)


def expanded(signal: Signal, kinds: Kinds) -> Iterator[tuple[str, tuple[Series, ...]]]:
    """The metrics of a signal: (logical id, metrics) for each of its resources, else ("", …)."""
    if not signal.each:
        yield "", signal.metrics
        return
    for name in kinds.names(signal.each):
        values = {"{name}": name, "{table}": kinds.tables.get(name, "")}
        yield name, tuple(_filled(one, values, name) for one in signal.metrics)


def _filled(series: Series, values: Mapping[str, str], label: str) -> Series:
    dimensions = {}
    for key, text in series.dimensions.items():
        for name, value in values.items():
            text = text.replace(name, value)
        dimensions[key] = text
    return replace(series, dimensions=dimensions, label=label)


def alarms(signal: Signal, kinds: Kinds) -> Iterator[tuple[Alarm, tuple[Series, ...]]]:
    """The alarms of a signal, each with the metrics that it watches."""
    given = signal.alarm
    if given is None:
        return
    if given.per == "type":
        by_type: dict[str, list[Series]] = {}
        for name, series in expanded(signal, kinds):
            # A command of an operator shows it itself, and an alarm has ten metrics at most.
            if name.endswith(_MAINTENANCE):
                continue
            by_type.setdefault(kinds.type_of(name), []).extend(series)
        for kind, several in sorted(by_type.items()):
            yield replace(given, name=given.name.replace("{type}", kind)), tuple(several)
        return
    for name, series in expanded(signal, kinds):
        named = replace(given, name=given.name.replace("{name}", name))
        yield named, series if given.combine else series[:1]
