"""The dashboards: a widget for each signal."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tools.watched import Names
from zebros.monitoring.signals import Kinds, Series, Signal, expanded, signals

CONDITIONS = {
    "growth": "FromGrowth",
    "provisioned": "IsProvisioned",
    "worker": "HasWorker",
    "analytics": "HasAnalyticsWorker",
    "identity": "HasIdentity",
    "fence": "HasFence",
}
"""The condition of the stack Monitoring for each option of a signal."""


class Lines:
    """The lines of one widget, as CloudWatch's dashboards describe them."""

    def __init__(self, names: Names, signal: Signal) -> None:
        self._names, self._signal = names, signal
        self.metrics: list[list[Any]] = []
        self.variables: dict[str, Any] = {}

    def add(self, series: Series, kind: str = "") -> str:
        """Add a metric and return its id; one of a `kind` is hidden, and only counts in a sum."""
        identifier = f"m{len(self.metrics)}"
        if series.by is not None:
            self._expression(self._search(series), series.stat, identifier)
            return identifier
        dimensions: list[str] = []
        for name, value in series.dimensions.items():
            text, variables = self._names.text(value)
            self.variables |= variables
            dimensions += [name, text]
        label = " ".join(filter(None, (series.label, self._word(series))))
        hidden = bool(kind) or self._signal.scale != 1
        options: dict[str, Any] = {"id": identifier, "stat": series.stat, "label": label}
        if hidden:
            options["visible"] = False
        self.metrics.append([series.namespace, series.name, *dimensions, options])
        if self._signal.scale != 1:
            scaled = f"{identifier} * {self._signal.scale:.10g}"
            self._expression(scaled, label, f"s{len(self.metrics)}")
        return identifier

    def total(self, kind: str, identifiers: Iterable[str]) -> None:
        """Add the sum of metrics."""
        self._expression(f"SUM([{', '.join(identifiers)}])", kind, f"t{len(self.metrics)}")

    def _expression(self, text: str, label: str, identifier: str) -> None:
        self.metrics.append([{"expression": text, "label": label, "id": identifier}])

    def _search(self, series: Series) -> str:
        schema = ",".join((series.namespace, *(series.by or ())))
        asked = f'{{{schema}}} MetricName="{series.name}"'
        text = f"SEARCH('{asked}', '{series.stat}', {self._signal.period})"
        return text if self._signal.scale == 1 else f"{text} * {self._signal.scale:.10g}"

    def _word(self, series: Series) -> str:
        """What distinguishes a line from the others of its resource."""
        alike = [one for one in self._signal.metrics if one.by is None]
        if len(alike) == 1:
            return "" if series.label else series.stat
        if len({one.name for one in alike}) > 1:
            return series.name
        if len({one.stat for one in alike}) > 1:
            return series.stat
        return series.dimensions[_differing(alike)].lstrip("@")


def _differing(several: Sequence[Series]) -> str:
    """The dimension in which metrics differ."""
    return next(
        name for name in several[0].dimensions if len({one.dimensions[name] for one in several}) > 1
    )


def widget(signal: Signal, kinds: Kinds, names: Names) -> Any:
    """The widget of a signal, as a text in which names are filled in."""
    lines = Lines(names, signal)
    by_kind: dict[str, list[str]] = defaultdict(list)
    for name, several in expanded(signal, kinds):
        for series in several:
            kind = kinds.type_of(name) if signal.total else ""
            by_kind[kind].append(lines.add(series, kind))
    for kind, identifiers in sorted(by_kind.items()):
        if kind:
            lines.total(kind, identifiers)
    given = signal.alarm
    threshold = given and {"value": given.threshold * signal.scale, "label": "alarm"}
    document = {
        "type": "metric",
        "width": 8,
        "height": 6,
        "properties": {
            "title": signal.heading,
            "region": "${AWS::Region}",
            "view": "timeSeries",
            "period": signal.period,
            "yAxis": {"left": {"label": signal.unit, "showUnits": False}},
            "metrics": lines.metrics,
            **({"annotations": {"horizontal": [threshold]}} if threshold else {}),
        },
    }
    text = json.dumps(document)
    return {"Fn::Sub": [text, lines.variables] if lines.variables else text}


def dashboard(name: str, kinds: Kinds, names: Names) -> dict[str, Any]:
    """A dashboard with the widgets of its signals; CloudWatch places them in their order."""
    shown = [one for one in signals() if one.dashboard == name]
    # The first always exists, so that every other begins with a comma.
    shown.sort(key=lambda signal: bool(signal.when))
    parts: list[Any] = ['{"widgets": [']
    for place, signal in enumerate(shown):
        comma = [", "] if place else []
        text = widget(signal, kinds, names)
        if signal.when:
            joined = {"Fn::Join": ["", [*comma, text]]}
            parts.append({"Fn::If": [CONDITIONS[signal.when], joined, ""]})
        else:
            parts += [*comma, text]
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Condition": "HasDashboards",
        "Properties": {
            "DashboardName": {"Fn::Sub": f"${{SystemName}}-{name}"},
            "DashboardBody": {"Fn::Join": ["", [*parts, "]}"]]},
        },
    }
