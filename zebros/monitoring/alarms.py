"""Evaluates alarms of a resolved template as CloudWatch does, over metrics that were recorded.

The local platform's CloudWatch does not: it looks at a metric's name only, whatever its dimensions,
and knows neither periods, missing data, expressions nor composite alarms made by a template.

Sources: "Using Amazon CloudWatch alarms" (evaluation, missing data, composite alarms) and "Using
metric math" of the CloudWatch user guide. Only what our alarms use is known; ValueError otherwise.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zebros.monitoring.cloudwatch import Query, Source, Values

METRIC_ALARM, COMPOSITE_ALARM = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
_FURTHER = 2
"""Periods before the evaluated ones from which values are taken where later ones are missing."""
_BREACHES: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
}
_COMBINED: dict[str, Callable[[Iterable[float]], float]] = {
    "SUM(METRICS())": math.fsum,
    "MAX(METRICS())": max,
}
_MISSING = {"notBreaching": False, "breaching": True}
_IN_ALARM = re.compile(r'ALARM\("([^"]+)"\)')


@dataclass(frozen=True, slots=True)
class MetricAlarm:
    """An alarm of one metric, or of the sum or maximum of several."""

    name: str
    queries: tuple[Query, ...]
    expression: str
    period: int
    periods: int
    points: int
    threshold: float
    comparison: str
    missing: str

    @classmethod
    def of(cls, properties: Mapping[str, Any], name_of: Callable[[Any], str]) -> "MetricAlarm":
        """An alarm from its properties; `name_of` gives the name of what a value refers to."""
        queries, expression = _queries(properties, name_of)
        periods = int(properties["EvaluationPeriods"])
        if len({query.period for query in queries}) != 1:
            raise ValueError("the metrics of an alarm have different periods")
        alarm = cls(
            name_of(properties["AlarmName"]),
            queries,
            expression,
            queries[0].period,
            periods,
            int(properties.get("DatapointsToAlarm", periods)),
            float(properties["Threshold"]),
            properties["ComparisonOperator"],
            properties["TreatMissingData"],
        )
        known = (alarm.comparison in _BREACHES, alarm.missing in _MISSING)
        if not all(known) or (expression and expression not in _COMBINED):
            raise ValueError(f"{alarm.name} uses what is not known here")
        return alarm

    def is_raised(self, source: Source, at: float) -> bool:
        """Whether it is in the state ALARM at this time, by the periods that ended before."""
        end = at // self.period * self.period
        start = end - (self.periods + _FURTHER) * self.period
        found = self._combined(source.values(self.queries, start, end))
        breaching = [
            _BREACHES[self.comparison](value, self.threshold)
            for moment, value in sorted(found.items())
            if start <= moment < end
        ]
        # Values that exist count first; missing ones only fill up the number of periods.
        recent = breaching[-self.periods :]
        filled = [_MISSING[self.missing]] * (self.periods - len(recent))
        return sum(recent + filled) >= self.points

    def _combined(self, several: Sequence[Values]) -> Values:
        if not self.expression:
            (only,) = several
            return only
        moments = {moment for one in several for moment in one}
        combine = _COMBINED[self.expression]
        return {m: combine([one[m] for one in several if m in one]) for m in moments}


def _queries(
    properties: Mapping[str, Any], name_of: Callable[[Any], str]
) -> tuple[tuple[Query, ...], str]:
    """The metrics of an alarm, and the expression that combines them."""
    if "Metrics" not in properties:
        stat = properties.get("ExtendedStatistic") or properties["Statistic"]
        return (_query(properties, stat, properties["Period"], name_of),), ""
    (result,) = (one for one in properties["Metrics"] if one.get("ReturnData", True))
    parts = [one["MetricStat"] for one in properties["Metrics"] if "MetricStat" in one]
    queries = (_query(one["Metric"], one["Stat"], one["Period"], name_of) for one in parts)
    return tuple(queries), result["Expression"]


def _query(
    metric: Mapping[str, Any], stat: str, period: int, name_of: Callable[[Any], str]
) -> Query:
    dimensions = {one["Name"]: name_of(one["Value"]) for one in metric["Dimensions"]}
    return Query(metric["Namespace"], metric["MetricName"], stat, int(period), dimensions)


def composite_members(rule: str) -> list[str]:
    """The alarms of a composite alarm's rule, of which one suffices."""
    members = _IN_ALARM.findall(rule)
    if rule != " OR ".join(f'ALARM("{name}")' for name in members):
        raise ValueError(f"the rule {rule} is not known here")
    return members


def raised(
    alarms: Iterable[MetricAlarm], composites: Mapping[str, str], source: Source, at: float
) -> set[str]:
    """The names of all alarms in the state ALARM; `composites` are rules by name."""
    found = {alarm.name for alarm in alarms if alarm.is_raised(source, at)}
    return found | {
        name for name, rule in composites.items() if found & set(composite_members(rule))
    }
