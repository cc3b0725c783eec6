"""Figures: the latest values of the signals, in their units."""

from collections.abc import Iterator, Sequence

import pytest

from zebros.client.stack import Resources
from zebros.monitoring.cloudwatch import CloudWatch, Query, Values
from zebros.monitoring.figures import Deployed, Figure, figures
from zebros.monitoring.signals import DASHBOARDS, Kinds, signals

NOW = 100_000.0
RESOURCES = Resources(
    {
        "functions": {
            "Authorizer": "fn-1",
            "CustomersRelay": "fn-2",
            "NotificationsEvents": "fn-3",
        },
        "queues": {
            "NotificationsEventsQueue": "http://host/0/queue-1",
            "NotificationsEventsDeadLetters": "http://host/0/queue-2",
            "ReportTasksQueue": "http://host/0/queue-3",
        },
        "tables": {"CustomersTable": "prod-customers"},
        "buckets": {"LakeBucket": "lake"},
        "state_machines": {"ReportFlow": "arn:flow"},
    }
)


class Source(CloudWatch):
    """Two minutes with the values 2 and 4 of every metric."""

    asked: list[tuple[Query, float, float]]

    def __init__(self) -> None:
        super().__init__(None)
        object.__setattr__(self, "asked", [])

    def values(self, queries: Sequence[Query], start: float, end: float) -> list[Values]:
        self.asked.extend((one, start, end) for one in queries)
        return [{NOW - 120: 4.0, NOW - 60: 2.0} for _ in queries]

    def dimensions(self, namespace: str, name: str) -> Iterator[dict[str, str]]:
        yield {"Consumer": "board"}
        yield {"Consumer": "board", "Other": "x"}


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def found(source: Source) -> dict[str, Figure]:
    return {one.signal.id: one for one in figures(Deployed("prod", RESOURCES), source, NOW)}


def values(figure: Figure) -> dict[str, float | None]:
    return {line.label: line.value for line in figure.lines}


def test_minutes_are_put_together_by_their_statistic(found: dict[str, Figure]) -> None:
    assert values(found["requests"]) == {"Count Sum": 6}
    assert values(found["api-latency"]) == {"Latency p95": 4, "Latency p99": 4}
    assert values(found["failed-requests"])["5XXError Average"] == 300, "in percent"
    assert values(found["report-queue"]) == {"ApproximateNumberOfMessagesVisible Maximum": 4}


def test_a_line_is_a_resource_that_exists_by_its_name(
    found: dict[str, Figure], source: Source
) -> None:
    assert list(values(found["stream-age"])) == ["CustomersRelay"]
    assert list(values(found["dead-letters"])) == ["NotificationsEventsDeadLetters"]
    assert list(values(found["event-lag"])) == ["board p95"], "not those with other dimensions"
    assert list(values(found["consumed-capacity"])) == [
        "CustomersTable ConsumedReadCapacityUnits Sum",
        "CustomersTable ConsumedWriteCapacityUnits Sum",
    ]
    named = {tuple(query.dimensions.items()) for query, _, _ in source.asked}
    assert {
        (("ApiName", "prod"), ("Stage", "v1")),
        (("FunctionName", "fn-2"),),
        (("QueueName", "queue-2"),),
        (("TableName", "prod-customers"),),
        (("StateMachineArn", "arn:flow"),),
        (("Consumer", "board"),),
    } <= named


def test_what_exists_in_aws_only_is_left_out(found: dict[str, Figure]) -> None:
    assert set(found) == {one.id for one in signals() if not one.when}


def test_the_fence_is_shown_where_there_is_one(source: Source) -> None:
    with_fence = Deployed("prod", Resources({"tables": {"FenceTable": "prod-fence"}}))
    assert "fence-unread" in {one.signal.id for one in figures(with_fence, source, NOW)}


def test_a_signal_of_a_longer_time_is_read_in_its_own_periods(
    found: dict[str, Figure], source: Source
) -> None:
    spans = {(query.name, query.period): end - start for query, start, end in source.asked}
    assert spans["BucketSizeBytes", 86400] == 2 * 86400 + 1
    assert spans["Latency", 60] == 300 + 1
    assert {period for _, period in spans} == {60, 86400}, "sessions have no metric here"


def test_each_figure_has_its_own_values_although_one_call_reads_many() -> None:
    class OwnValues(Source):
        calls = 0

        def values(self, queries: Sequence[Query], start: float, end: float) -> list[Values]:
            type(self).calls += 1
            return [{NOW: float(len(query.name))} for query in queries]

    alone = [
        (one.signal, one.lines[0].value)
        for one in figures(Deployed("prod", RESOURCES), OwnValues(), NOW)
        if len(one.lines) == len(one.signal.metrics) == 1
    ]
    assert len(alone) >= 5
    for signal, value in alone:
        assert value == pytest.approx(len(signal.metrics[0].name) * signal.scale), signal.id
    assert OwnValues.calls == 2, "one for minutes, one for days"


def test_the_order_is_that_of_the_dashboards(found: dict[str, Figure]) -> None:
    order = [DASHBOARDS.index(one.signal.dashboard) for one in found.values()]
    assert order == sorted(order)


def test_functions_have_a_type() -> None:
    kinds = Kinds(("A", "CustomersApi", "Authorizer", "XRelay", "XEvents"), ("XEventsQueue",), {})
    types = {name: kinds.type_of(name) for name in kinds.functions}
    assert types == {
        "A": "Other",
        "CustomersApi": "Api",
        "Authorizer": "Api",
        "XRelay": "Relay",
        "XEvents": "Consumer",
    }
    assert kinds.names("consumer_queues") == ["XEventsQueue"]
    assert kinds.names("dead_letters") == []
