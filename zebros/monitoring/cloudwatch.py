"""Values of metrics, from CloudWatch: that of the local platform or of an account."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

_AT_ONCE = 500
"""Queries of one call (GetMetricData)."""

type Values = dict[float, float]
"""Values by the start of their period, in seconds."""


@dataclass(frozen=True, slots=True)
class Query:
    """One statistic of one metric, for each period of so many seconds."""

    namespace: str
    name: str
    stat: str
    period: int
    dimensions: Mapping[str, str] = field(default_factory=dict)


class Source(Protocol):
    """Where values come from."""

    def values(self, queries: Sequence[Query], start: float, end: float) -> list[Values]:
        """The values of each query from `start` until before `end`; periods without are absent."""


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """The metrics that a CloudWatch client reads."""

    client: Any

    def values(self, queries: Sequence[Query], start: float, end: float) -> list[Values]:
        """The values of each query; raises the client's errors."""
        found: list[Values] = [{} for _ in queries]
        for first in range(0, len(queries), _AT_ONCE):
            asked = [_asked(n, one) for n, one in enumerate(queries[first : first + _AT_ONCE])]
            for page in self.client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=asked, StartTime=_date(start), EndTime=_date(end)
            ):
                for result in page["MetricDataResults"]:
                    times = (one.timestamp() for one in result["Timestamps"])
                    place = first + int(result["Id"].removeprefix("q"))
                    found[place] |= dict(zip(times, result["Values"], strict=True))
        return found

    def dimensions(self, namespace: str, name: str) -> Iterator[dict[str, str]]:
        """The dimensions of every metric of this name."""
        pages: Iterable[Any] = self.client.get_paginator("list_metrics").paginate(
            Namespace=namespace, MetricName=name
        )
        for page in pages:
            for metric in page["Metrics"]:
                yield {one["Name"]: one["Value"] for one in metric["Dimensions"]}


def _asked(place: int, query: Query) -> dict[str, Any]:
    metric = {
        "Namespace": query.namespace,
        "MetricName": query.name,
        "Dimensions": [{"Name": key, "Value": one} for key, one in query.dimensions.items()],
    }
    stat = {"Metric": metric, "Period": query.period, "Stat": query.stat}
    return {"Id": f"q{place}", "MetricStat": stat, "ReturnData": True}


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
