"""CloudWatch over the measurements of a simulation: metrics, and the alarms of the templates."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from scaling.model.alarm_names import rules_of
from scaling.model.series import Series
from zebros.cloudformation import System
from zebros.simulation.measurements import GATEWAY, MINUTE_S, Measurements, Metric

START = datetime(2026, 1, 5, tzinfo=UTC)
"""The midnight with which a day begins: a Monday's."""
SYSTEM = "zebros"
_RESOURCE = {
    "AWS/Lambda": "FunctionName",
    "AWS/DynamoDB": "TableName",
    "AWS/SQS": "QueueName",
    "AWS/ECS": "ServiceName",
    "ECS/ContainerInsights": "ServiceName",
}
"""The dimension that names the resource."""
_PARTS = ("Operation", "GlobalSecondaryIndexName")
_COMBINE = {"SUM(METRICS())": sum, "MAX(METRICS())": max}


class SimulatedMetrics:
    """The port Metrics of the controller."""

    def __init__(self, measurements: Measurements, system: System) -> None:
        self._measurements = measurements
        self._tables = {
            str(one.get("TableName")): name
            for name, one in system.of_type("AWS::DynamoDB::GlobalTable").items()
        }
        self._known: dict[tuple[Metric, str, int, int], float | None] = {}
        """Values of periods that are over, which the controller reads again and again."""

    def fetch(
        self, wanted: Mapping[str, Sequence[Series]], period: int, start: datetime, end: datetime
    ) -> dict[str, list[dict[datetime, float]]]:
        """The values of each group of series by the start of their period."""
        moments = list(_moments(max(start, START), end, timedelta(seconds=period)))
        return {
            name: [self._values(one, period, moments) for one in several]
            for name, several in wanted.items()
        }

    def value(self, series: Series, period: int, first: int) -> float | None:
        """The value of the period that begins with a minute; None without any."""
        metric = self._metric(series)
        key = (metric, series.stat, first, first + period // MINUTE_S)
        if key[3] > self._measurements.minutes:
            return None
        if key not in self._known:
            self._known[key] = self._measurements.statistic(*key)
        return self._known[key]

    def _values(
        self, series: Series, period: int, moments: Iterable[datetime]
    ) -> dict[datetime, float]:
        found = {at: self.value(series, period, _minute(at)) for at in moments}
        return {at: value for at, value in found.items() if value is not None}

    def _metric(self, series: Series) -> Metric:
        dimensions = dict(series.dimensions)
        resource = dimensions.get(_RESOURCE.get(series.namespace, ""), GATEWAY)
        part = next((dimensions[one] for one in _PARTS if one in dimensions), "")
        return Metric(series.name, self._tables.get(resource, resource), part)


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm of the templates that triggers a rule."""

    name: str
    """Without the system's name."""
    series: tuple[Series, ...]
    combine: Any
    period: int
    periods: int
    points: int
    threshold: float

    def raised(self, metrics: SimulatedMetrics, minute: int) -> bool:
        """Whether enough of the latest whole periods before a minute are above the threshold."""
        length = self.period // MINUTE_S
        end = minute // length
        above = 0
        for period in range(max(0, end - self.periods), end):
            found = [metrics.value(one, self.period, period * length) for one in self.series]
            known = [value for value in found if value is not None]
            above += bool(known) and self.combine(known) > self.threshold
        return above >= self.points


def alarms_of(system: System) -> Iterator[Alarm]:
    """The alarms that are triggers. Raises ValueError for one that is evaluated in another way."""
    for one in system.of_type("AWS::CloudWatch::Alarm").values():
        name = str(one.get("AlarmName", "")).removeprefix(f"{SYSTEM}-")
        if not rules_of(name):
            continue
        how = (one["ComparisonOperator"], one["TreatMissingData"])
        if how != ("GreaterThanThreshold", "notBreaching"):
            raise ValueError(f"{name}: {how} is not simulated")
        series, period, combine = _watched(one)
        yield Alarm(
            name,
            series,
            combine,
            period,
            int(one["EvaluationPeriods"]),
            int(one["DatapointsToAlarm"]),
            float(one["Threshold"]),
        )


def physical(value: Any) -> str:
    """The name of a resource in a property: its logical id, which is its name here."""
    if isinstance(value, dict):
        (value,) = value.values()
        return physical(value[0] if isinstance(value, list) else value)
    return re.sub(r"\$\{(\w+)(\.\w+)?\}", r"\1", str(value))


def raised_event(alarm: str) -> dict[str, Any]:
    """The message of an alarm that was raised, as EventBridge delivers it."""
    detail = {
        "alarmName": f"{SYSTEM}-{alarm}",
        "configuration": {"metrics": []},
        "state": {"value": "ALARM"},
    }
    return {
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "detail": detail,
    }


def _watched(alarm: Mapping[str, Any]) -> tuple[tuple[Series, ...], int, Any]:
    if "MetricName" in alarm:
        stat = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        return (_series(alarm, stat),), int(alarm["Period"]), max
    several = [one["MetricStat"] for one in alarm["Metrics"] if "MetricStat" in one]
    (expression,) = [one["Expression"] for one in alarm["Metrics"] if "Expression" in one]
    series = tuple(_series(one["Metric"], one["Stat"]) for one in several)
    return series, int(several[0]["Period"]), _COMBINE[expression]


def _series(metric: Mapping[str, Any], stat: str) -> Series:
    dimensions = tuple((one["Name"], physical(one["Value"])) for one in metric["Dimensions"])
    return Series(metric["Namespace"], metric["MetricName"], stat, dimensions)


def _minute(at: datetime) -> int:
    return int((at - START).total_seconds() // MINUTE_S)


def _moments(start: datetime, end: datetime, period: timedelta) -> Iterator[datetime]:
    while start < end:
        yield start
        start += period
