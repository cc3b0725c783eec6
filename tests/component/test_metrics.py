"""Metrics in log lines, as CloudWatch reads them (Embedded Metric Format)."""

import io
import json
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from activities.handlers.api import handler as tasks
from kernel.cache.connect import cached_reads
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
from tests.unit.kernel.cache.memory import Clock as CacheClock
from tests.unit.kernel.cache.memory import MemoryCache

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
            definitions = {one["Metrics"][0]["Name"]: one for one in metadata["CloudWatchMetrics"]}
            assert len(definitions) == len(metadata["CloudWatchMetrics"]), "each metric once"
            for defined, definition in definitions.items():
                metric = METRICS[defined]
                assert definition["Namespace"] == NAMESPACE
                assert definition["Dimensions"] == [list(metric.dimensions)]
                assert all(isinstance(line[one], str) and line[one] for one in metric.dimensions)
                assert definition["Metrics"] == [{"Name": defined, "Unit": metric.unit}]
                assert isinstance(line[defined], int | float | list)
            assert name in definitions
        return found

    def count(self) -> int:
        """How many lines were written."""
        return len(self.text.getvalue().splitlines())


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


@pytest.mark.parametrize(("status", "faults"), [(499, 0), (500, 1), (503, 1)])
def test_a_failed_request_is_counted_for_the_version_that_answered_it(
    cloud: Any, log: Log, monkeypatch: pytest.MonkeyPatch, status: int, faults: int
) -> None:
    class Context:
        function_version = "7"

    answer = {"statusCode": status, "multiValueHeaders": {}}
    monkeypatch.setattr(tasks._resolver, "resolve", lambda *_: dict(answer))
    request = {"httpMethod": "GET", "path": "/tasks/1", "resource": "/tasks/{task_id}"}
    tasks({**request, "headers": {}, "requestContext": {}}, Context())
    found = [(one["Context"], one["Version"], one["Faults"]) for one in log.metrics("Faults")]
    assert found == [("activities", "7", 1)] * faults


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
    assert Relay(aws.client("events"), "bus", lambda _: False).forward(records) == []
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
    created = datetime.fromisoformat(run["created_at"])
    for seconds, action in ((20, "start"), (90, "fail")):
        at = created + timedelta(seconds=seconds)
        service = ReportRunService(repository(), lambda at=at: at, FAILURES)
        given = ("OutOfMemory",) if action == "fail" else ()
        getattr(service, action)("acme", run["id"], *given)
    (wait,) = log.metrics("QueueWait")
    assert (wait["Job"], wait["run_id"]) == ("report", run["id"])
    assert wait["QueueWait"] == pytest.approx(20, abs=5)
    (ended,) = log.metrics("TaskDuration")
    assert (ended["Job"], ended["Status"]) == ("report", "failed")
    assert ended["TaskDuration"] == pytest.approx(90, abs=5)
    assert ended == wait, "one line"
    assert log.metrics("TaskSeconds") == [], "it was not completed"


@pytest.mark.parametrize("tier", ["function", "standard", "analytics"])
def test_a_completed_task_measures_its_seconds_by_tier(
    cloud: Any, log: Log, monkeypatch: pytest.MonkeyPatch, tier: str
) -> None:
    from reporting.bootstrap import runs
    from reporting.handlers.api import handler
    from reporting.handlers.steps import handler as steps
    from tests.component.reporting.test_reports_api import OUTCOME

    monkeypatch.setenv("FILES_BUCKET", "files")
    run = ApiClient(handler)("POST", "/reports", {"report": "win_rate"}).json
    now = utc_now()
    for seconds in (20, 30):  # the second attempt is that which completes it
        monkeypatch.setattr(
            runs(), "_now", lambda seconds=seconds: now + timedelta(seconds=seconds)
        )
        runs().start("acme", run["id"])
    monkeypatch.setattr(runs(), "_now", lambda: now + timedelta(seconds=90))
    task = {"tenant_id": "acme", "run_id": run["id"], "outcome": OUTCOME.model_dump(mode="json")}
    steps({"step": "complete", **task, "tier": tier}, None)
    (line,) = log.metrics("TaskSeconds")
    assert (line["Job"], line["Tier"], line["TaskSeconds"]) == ("report", tier, 60)
    assert (line["Status"], line["tenant"]) == ("completed", "acme")
    steps({"step": "complete", **task}, None)
    assert len(log.metrics("TaskSeconds")) == 1, "an execution of an earlier version names no tier"


def test_a_stored_report_is_measured_as_it_is_stored(
    cloud: Any, log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reporting.bootstrap import files, repository
    from reporting.handlers.api import handler
    from tests.component.reporting.test_reports_api import OUTCOME

    monkeypatch.setenv("FILES_BUCKET", "files")
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="files")
    run_id = ApiClient(handler)("POST", "/reports", {"report": "win_rate", "format": "json"}).json[
        "id"
    ]
    file = tmp_path / "report.json"
    file.write_text("{}" * 5_000)
    run = repository().runs.find("acme", run_id)
    assert run is not None
    for _ in range(2):  # the second worker stores nothing
        files().store(run, file, OUTCOME)
    (line,) = log.metrics("StoredBytes")
    (stored,) = s3.list_objects_v2(Bucket="files")["Contents"]
    assert (line["Storage"], line["tenant"], line["run_id"]) == ("files", "acme", run_id)
    assert line["StoredBytes"] == stored["Size"] < file.stat().st_size


@pytest.mark.parametrize(
    ("now", "zone", "working"),
    [
        ("2026-06-07T18:00:00", "Pacific/Kiritimati", "yes"),  # Monday, 08:00
        ("2026-06-07T18:00:00", "America/Los_Angeles", "no"),  # Sunday
        ("2026-06-05T17:59:59", "Europe/Berlin", "yes"),  # Friday, 19:59:59
        ("2026-06-05T18:00:00", "Europe/Berlin", "no"),
        ("2026-06-05T19:00:00", "", "yes"),
        ("2026-06-05T19:00:00", "Mars/Olympus", "yes"),
    ],
)
def test_a_request_counts_in_or_out_of_the_business_hours_of_its_tenant(
    cloud: Any, log: Log, monkeypatch: pytest.MonkeyPatch, now: str, zone: str, working: str
) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    monkeypatch.setattr("kernel.web.api.utc_now", lambda: at)
    ApiClient(tasks, time_zone=zone)("GET", "/tasks")
    (line,) = log.metrics("Requests")
    assert (line["InBusinessHours"], line["Requests"], line["tenant"]) == (working, 1, "acme")
    assert [line] == log.metrics("RequestLatency"), "the same line"
    assert log.count() == 1


def test_a_request_measures_what_it_found_in_the_cache(
    cloud: Any, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opportunities.handlers.api import handler

    monkeypatch.setattr("kernel.cache.connect.shared_cache", lambda: MemoryCache(CacheClock()))
    cached_reads.cache_clear()
    api = ApiClient(handler)
    for _ in range(2):
        assert api("GET", "/pipelines").status == 200
    first, second = log.metrics("CacheMisses")
    assert (first["Context"], first["CacheMisses"], first["CacheHits"]) == ("opportunities", 1, 0)
    assert (second["CacheMisses"], second["CacheHits"]) == (0, 1), "counted since the last request"
    assert second["cache"] == {"hits": {"pipelines": 1}, "misses": {}}
    assert log.metrics("CacheHits") == [first, second]
    assert log.count() == 2, "no lines of their own"
    cached_reads.cache_clear()


def test_without_a_cache_there_are_neither_hits_nor_misses(cloud: Any, log: Log) -> None:
    from opportunities.handlers.api import handler

    ApiClient(handler)("GET", "/pipelines")
    assert log.metrics("CacheHits") == log.metrics("CacheMisses") == []
    assert log.count() == 1


def test_a_function_that_reads_nothing_through_the_cache_makes_none(cloud: Any, log: Log) -> None:
    ApiClient(tasks)("GET", "/tasks")
    assert log.count() == 1
    assert cached_reads.cache_info().currsize == 0, "its client would be imported"


def test_metrics_of_one_line_do_not_contradict_each_other() -> None:
    """A dimension is a field of the line: two metrics of a line share it only in one sense."""
    line = together(METRICS["CacheHits"].fields(1, "edge"), METRICS["ActiveSessions"].fields(1))
    names = [one["Metrics"][0]["Name"] for one in line["_aws"]["CloudWatchMetrics"]]
    assert names == ["CacheHits", "ActiveSessions"]
    assert (line["CacheHits"], line["ActiveSessions"], line["Context"]) == (1, 1, "edge")
    assert together() == {}
