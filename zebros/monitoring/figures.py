"""The latest values of all signals, of a deployed system."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean

from zebros.client.stack import Resources
from zebros.monitoring.cloudwatch import CloudWatch, Query
from zebros.monitoring.signals import DASHBOARDS, PERIOD_S, Kinds, Series, Signal, expanded, signals

_STEP_S = 60
_NEEDS = {"fence": "FenceTable"}
"""What exists where a signal's `when` is true, for metrics without the name of a resource."""
_NAMED = re.compile(r"@(\w+)")
_TOGETHER: Mapping[str, Callable[[list[float]], float]] = {
    "Sum": sum,
    "Average": fmean,
    "Minimum": min,
    "Maximum": max,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a widget."""

    label: str
    value: float | None
    """In the signal's unit; None without data."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A widget: a signal and its lines."""

    signal: Signal
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Deployed:
    """Names of the resources of a deployed system."""

    system: str
    resources: Resources

    @property
    def kinds(self) -> Kinds:
        """What signals may be repeated for."""
        found = self.resources
        return Kinds(tuple(found.functions), tuple(found.queues), found.tables)

    def series(self, given: Series) -> Series | None:
        """The metric with names in place of logical ids; None without the resource."""
        dimensions = {}
        for key, value in given.dimensions.items():
            for logical_id in _NAMED.findall(value):
                name = self._name(logical_id)
                if name is None:
                    return None
                value = value.replace(f"@{logical_id}", name)
            dimensions[key] = value.replace("{system}", self.system)
        label = given.label or (given.by is None and _label(given)) or ""
        return Series(given.namespace, given.name, given.stat, dimensions, given.by, label)

    def has(self, signal: Signal) -> bool:
        """Whether the system has what the signal is about."""
        needed = _NEEDS.get(signal.when)
        return needed is None or self._name(needed) is not None

    def _name(self, logical_id: str) -> str | None:
        for kind, found in self.resources.by_kind.items():
            if logical_id in found:
                name = found[logical_id]
                return name.rpartition("/")[2] if kind == "queues" else name
        return None


type Range = tuple[int, int]
"""The seconds of one period of a metric, and since when before now its values are read."""


def figures(deployed: Deployed, source: CloudWatch, now: float) -> list[Figure]:
    """The figures of all dashboards, in their order: of the period of a signal until `now`."""
    kinds = deployed.kinds
    there = filter(deployed.has, signals())
    shown = sorted(there, key=lambda signal: DASHBOARDS.index(signal.dashboard))
    series = [list(_series(signal, kinds, deployed, source)) for signal in shown]
    together: defaultdict[Range, list[Series]] = defaultdict(list)
    for signal, several in zip(shown, series, strict=True):
        together[_range(signal)] += several
    values = {key: iter(_values(source, key, several, now)) for key, several in together.items()}
    found: list[Figure] = []
    for signal, several in zip(shown, series, strict=True):
        lines = tuple(
            Line(one.label, _together(one.stat, next(values[_range(signal)]), signal.scale))
            for one in several
        )
        if lines or signal.when == "":
            found.append(Figure(signal, lines))
    return found


def _range(signal: Signal) -> Range:
    live = signal.period <= PERIOD_S
    return (_STEP_S, signal.period) if live else (signal.period, 2 * signal.period)


def _values(
    source: CloudWatch, key: Range, several: list[Series], now: float
) -> Iterator[list[float]]:
    """The values of each series, all of one range by as few calls as possible."""
    step, since = key
    queries = [Query(one.namespace, one.name, one.stat, step, one.dimensions) for one in several]
    for values in source.values(queries, now - since, now + 1):
        yield list(values.values())


def _series(
    signal: Signal, kinds: Kinds, deployed: Deployed, source: CloudWatch
) -> Iterator[Series]:
    for name, several in expanded(signal, kinds):
        for given in several:
            series = deployed.series(given)
            if series is None:
                continue
            if series.by is None:
                word = _label(given) if name and len(several) > 1 else ""
                label = " ".join(filter(None, (name, word))) or series.label
                yield Series(
                    series.namespace, series.name, series.stat, series.dimensions, None, label
                )
                continue
            for dimensions in source.dimensions(series.namespace, series.name):
                if set(dimensions) == set(series.by):
                    label = " ".join((*(dimensions[one] for one in series.by), series.stat))
                    yield Series(series.namespace, series.name, series.stat, dimensions, (), label)


def _label(series: Series) -> str:
    """What a line of a single resource is called: its metric and statistic."""
    return f"{series.name} {series.stat}"


def _together(stat: str, values: list[float], scale: float) -> float | None:
    """The values of several minutes as one; of a percentile the worst."""
    if not values:
        return None
    return _TOGETHER.get(stat, max)(values) * scale
