"""Alarms and metrics of CloudWatch."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from scaling.model.series import Series

_QUERIES = 500
"""Queries of one call of GetMetricData (its limit)."""
type Values = dict[datetime, float]
"""By the start of the period."""


class Alarms:
    """The alarms of one system."""

    def __init__(self, cloudwatch: Any, system: str) -> None:
        self._cloudwatch, self._prefix = cloudwatch, f"{system}-"

    def raised(self) -> frozenset[str]:
        """The names of the alarms in the state ALARM, without the system's name."""
        names: list[str] = []
        token: dict[str, str] = {}
        while True:
            page = self._cloudwatch.describe_alarms(
                AlarmNamePrefix=self._prefix, StateValue="ALARM", AlarmTypes=["MetricAlarm"],
                **token,
            )  # fmt: skip
            names += [one["AlarmName"].removeprefix(self._prefix) for one in page["MetricAlarms"]]
            if not (following := page.get("NextToken")):
                return frozenset(names)
            token = {"NextToken": following}


class Metrics:
    """Values of metrics."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch

    def fetch(
        self, wanted: Mapping[str, Sequence[Series]], period: int, start: datetime, end: datetime
    ) -> dict[str, list[Values]]:
        """The values of each group of series, in their order, from `start` until before `end`."""
        places = [(name, place) for name in wanted for place in range(len(wanted[name]))]
        queries = [
            _query(f"q{number}", wanted[name][place], period)
            for number, (name, place) in enumerate(places)
        ]
        found: dict[str, list[Values]] = {name: [{} for _ in wanted[name]] for name in wanted}
        for first in range(0, len(queries), _QUERIES):
            for result in self._results(queries[first : first + _QUERIES], start, end):
                name, place = places[int(result["Id"].removeprefix("q"))]
                pairs = zip(result["Timestamps"], result["Values"], strict=True)
                found[name][place] |= {at.astimezone(UTC): float(value) for at, value in pairs}
        return found

    def _results(
        self, queries: list[dict[str, Any]], start: datetime, end: datetime
    ) -> list[dict[str, Any]]:
        results: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = self._cloudwatch.get_metric_data(
                MetricDataQueries=queries, StartTime=start, EndTime=end, **token
            )
            results += page["MetricDataResults"]
            if not (following := page.get("NextToken")):
                return results
            token = {"NextToken": following}


def _query(name: str, series: Series, period: int) -> dict[str, Any]:
    dimensions = [{"Name": key, "Value": value} for key, value in series.dimensions]
    metric = {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": dimensions}
    return {
        "Id": name,
        "ReturnData": True,
        "MetricStat": {"Metric": metric, "Period": period, "Stat": series.stat},
    }
