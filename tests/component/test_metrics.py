"""Metrics in log lines, as CloudWatch reads them (Embedded Metric Format)."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psutil
import pytest

from activities.handlers.api import handler as tasks
from kernel.domain.clock import rfc3339, utc_now
from kernel.messaging.reactor import Reactor
from kernel.messaging.relay import Relay
from kernel.runtime import aws
from kernel.runtime.log import logger
from kernel.runtime.metrics import (
    MAX_VALUES,
    METRICS,
    NAMESPACE,
    REQUEST_LATENCY,
    memory_utilization,
    together,
)
from reporting.consumers.lake import handler as lake
from tests.component.conftest import ApiClient
from tests.component.kernel.queues import body, event, lambda_event
from tests.component.kernel.test_relay import record

UNITS = {"Milliseconds", "Seconds", "Bytes", "Percent", "Count"}


class Log:
    """What the process logs, as the lines that Lambda sends to CloudWatch."""

    def __init__(self) -> None:
        self.text = io.StringIO()

    def metrics(self, name: str) -> list[dict[str, Any]]:
        """The lines with a metric, each checked against the format's specification."""
        lines = [json.loads(line) for line in self.text.getvalue().splitlines()]
        found = [line for line in lines if name in line]
        for line in found:
            metadata = line["_aws"]
            assert abs(metadata["Timestamp"] / 1000 - utc_now().timestamp()) < 60, "milliseconds"
            definition = next(
                one
                for one in metadata["CloudWatchMetrics"]
                if one["Metrics"] == [{"Name": name, "Unit": METRICS[name].unit}]
            )
            assert definition["Namespace"] == NAMESPACE
            (dimensions,) = definition["Dimensions"]
            assert all(isinstance(line[one], str) and line[one] for one in dimensions)
        return found


@pytest.fixture
def log() -> Iterator[Log]:
    found = Log()
    handler = logging.StreamHandler(found.text)
    handler.setFormatter(logger().registered_formatter)
    logger().addHandler(handler)
    level = logger().log_level
    logger().setLevel(logging.INFO)
    yield found
    logger().setLevel(level)
    logger().removeHandler(handler)


def recent(*args: Any, seconds_ago: float, **data: Any) -> dict[str, Any]:
    """An event that was committed some seconds ago."""
    return {**event(*args, **data), "time": rfc3339(utc_now() - timedelta(seconds=seconds_ago))}


def test_a_metric_has_a_known_unit_and_few_dimensions() -> None:
    for metric in METRICS.values():
        assert metric.unit in UNITS
        assert len(metric.dimensions) <= 2
        assert "Tenant" not in metric.dimensions, "every tenant would be billed"
        assert re.fullmatch(r"[A-Z][A-Za-z]+", metric.name)
        assert metric.meaning


def test_a_request_is_measured_by_its_route_template(cloud: Any, log: Log) -> None:
    ApiClient(tasks)("GET", "/tasks/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    (line,) = log.metrics("RequestLatency")
    assert (line["Context"], line["Route"]) == ("activities", "GET /tasks/{task_id}")
    assert line["tenant"] == "acme"
    assert line["RequestLatency"] == line["milliseconds"] > 0


def test_a_request_measures_the_memory_of_its_function(cloud: Any, log: Log) -> None:
    class Context:
        memory_limit_in_mb = "10000"

    request = {"httpMethod": "GET", "path": "/tasks/1", "resource": "/tasks/{task_id}"}
    tasks({**request, "headers": {}, "requestContext": {}}, Context())
    (line,) = log.metrics("MemoryUtilization")
    used = psutil.Process().memory_info().rss / 1024**2
    assert line["Function"] == "activities-api"
    assert used * 0.95 <= line["MemoryUtilization"] * 100 <= used * 3, "at least what is used now"
    assert log.metrics("RequestLatency") == [line], "one line carries both"


def test_without_the_system_s_figures_a_request_has_no_memory(
    cloud: Any, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_file(*_: Any, **__: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("builtins.open", no_file)
    assert memory_utilization("activities-api", 128) == {}
    latency = REQUEST_LATENCY.fields(1.0, "activities", "GET /tasks")
    assert together(latency, {}) == latency


def test_a_path_that_no_route_has_makes_no_metric_of_its_own(cloud: Any, log: Log) -> None:
    ApiClient(tasks)("GET", "/secrets/1")
    (line,) = log.metrics("RequestLatency")
    assert line["Route"] == "other"


def test_the_relay_measures_how_old_events_are_when_the_bus_accepts_them(
    cloud: Any, log: Log
) -> None:
    records = [
        record(recent("acme", f"opportunity/{n}", 1, seconds_ago=30 * n)) for n in range(1, 4)
    ]
    assert Relay(aws.client("events"), "bus").forward(records) == []
    (line,) = log.metrics("OutboxAge")
    assert line["Context"] == "opportunities"
    assert [round(age, -4) for age in line["OutboxAge"]] == [30_000, 60_000, 90_000]
    assert len(line["OutboxAge"]) <= MAX_VALUES


def test_a_consumer_measures_its_lag(cloud: Any, log: Log) -> None:
    reactor = Reactor("inbox", types=["OpportunityUpdated"], react=lambda _event: None)
    reactor(lambda_event([body(recent("acme", "opportunity/a", 1, seconds_ago=50))]), None)
    (line,) = log.metrics("EventLag")
    assert line["Consumer"] == "inbox"
    assert round(line["EventLag"], -4) == 50_000
    assert line["tenant"] == "acme"


def test_a_replay_and_an_ignored_event_are_no_lag(cloud: Any, log: Log) -> None:
    reactor = Reactor("inbox", types=["OpportunityWon"], react=lambda _event: None)
    old = {**event("acme", "opportunity/a", 1), "type": "OpportunityWon"}
    reactor(lambda_event([body(old, replayed=True)]), None)
    reactor(lambda_event([body(event("acme", "opportunity/a", 2))]), None)
    assert log.metrics("EventLag") == []


def test_a_clock_that_is_behind_makes_no_negative_lag(cloud: Any, log: Log) -> None:
    reactor = Reactor("inbox", types=["OpportunityUpdated"], react=lambda _event: None)
    reactor(lambda_event([body(recent("acme", "opportunity/a", 1, seconds_ago=-50))]), None)
    (line,) = log.metrics("EventLag")
    assert line["EventLag"] == 0


def test_the_lake_writer_measures_what_it_stores(
    cloud: Any, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_BUCKET", "lake")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="lake")
    lake(lambda_event([body(event("acme", "opportunity/a", n)) for n in (1, 2)]), None)
    (line,) = log.metrics("StoredBytes")
    (file,) = s3.list_objects_v2(Bucket="lake")["Contents"]
    assert (line["Storage"], line["tenant"], line["StoredBytes"]) == ("lake", "acme", file["Size"])


def test_a_task_measures_its_wait_and_its_duration(
    cloud: Any, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reporting.bootstrap import repository
    from reporting.failures import FAILURES
    from reporting.handlers.api import handler
    from reporting.service import ReportRunService

    monkeypatch.setenv("FILES_BUCKET", "files")
    request = {"report": "win_rate", "format": "json"}
    run = ApiClient(handler)("POST", "/reports", request).json
    for seconds, action in ((20, "start"), (90, "fail")):
        at = utc_now() + timedelta(seconds=seconds)
        service = ReportRunService(repository(), lambda at=at: at, FAILURES)
        given = ("OutOfMemory",) if action == "fail" else ()
        getattr(service, action)("acme", run["id"], *given)
    (wait,) = log.metrics("QueueWait")
    assert (wait["Job"], wait["run_id"]) == ("report", run["id"])
    assert wait["QueueWait"] == pytest.approx(20, abs=5)
    (ended,) = log.metrics("TaskDuration")
    assert (ended["Job"], ended["Status"]) == ("report", "failed")
    assert ended["TaskDuration"] == pytest.approx(90, abs=5)
