"""Metrics of the platform: lines of logs, and a bound of what is kept."""

import json
from typing import Any

import pytest

from kernel.runtime.metrics import EVENT_LAG, MEMORY_UTILIZATION, OUTBOX_AGE, together
from zebros.emulator import metrics
from zebros.emulator.patching import module


def test_a_line_has_a_value_for_each_metric() -> None:
    line = json.dumps(
        together(EVENT_LAG.fields(7, "board"), MEMORY_UTILIZATION.fields(50, "x-api"))
    )
    found = list(metrics.points_of(line))
    at = json.loads(line)["_aws"]["Timestamp"] / 1000
    assert found == [
        ("Zebros", "EventLag", {"Consumer": "board"}, 7, at),
        ("Zebros", "MemoryUtilization", {"Function": "x-api"}, 50, at),
    ]


def test_a_line_may_have_several_values_of_a_metric() -> None:
    line = "INFO " + json.dumps(OUTBOX_AGE.fields([1, 2.5], "customers"))
    assert [value for *_, value, _ in metrics.points_of(line)] == [1, 2.5]


@pytest.mark.parametrize(
    "line",
    [
        'no JSON "_aws"',
        '{"_aws": {}}',
        '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "N"}]}}',
        '{"_aws": 1}',
        '["_aws"]',
    ],
)
def test_a_line_that_cloudwatch_rejects_has_no_value(line: str) -> None:
    assert list(metrics.points_of(line)) == []


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> dict[Any, list[dict[str, Any]]]:
    watch, kept = module("services.cloudwatch"), dict[Any, list[dict[str, Any]]]()
    monkeypatch.setattr(watch, "_metric_bucket", lambda key: kept.setdefault(key, []))
    return kept


def test_only_the_latest_points_are_kept(
    kept: dict[Any, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_KEPT", 3)
    for number in range(7):
        metrics.record("N", "M", number, dimensions={"D": "x"}, at=float(number))
    (points,) = kept.values()
    assert [one["Value"] for one in points] == [4, 5, 6]
    assert points[0] == {"Timestamp": 4.0, "Value": 4.0, "Unit": "None", "Dimensions": {"D": "x"}}


def test_an_execution_that_has_ended_is_recorded_once(
    kept: dict[Any, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ended = "2026-11-26T10:00:00.000Z", "2026-11-26T10:00:02.500Z"
    flows = {
        "a": {"stateMachineArn": "m", "status": "FAILED", "startDate": began, "stopDate": ended},
        "b": {"stateMachineArn": "m", "status": "RUNNING", "startDate": began, "stopDate": None},
    }
    monkeypatch.setattr(module("services.stepfunctions"), "_executions", flows)
    monkeypatch.setattr(module("services.sqs"), "_queues", {})
    sampler = metrics.Sampler(1)
    sampler.measure(0)
    sampler.measure(5)
    values = {name: [one["Value"] for one in points] for (_, name, _), points in kept.items()}
    assert values["ExecutionTime"] == [2500]
    assert values["ExecutionsFailed"] == [1]
    assert values["ExecutionsTimedOut"] == values["ExecutionsSucceeded"] == [0]


def test_a_queue_has_the_age_of_its_oldest_message(
    kept: dict[Any, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [
        {"visible_at": 90.0, "sent_at": 60.0, "receive_count": 0},
        {"visible_at": 130.0, "sent_at": 40.0, "receive_count": 1},
        {"visible_at": 900.0, "sent_at": 10.0, "receive_count": 0},
    ]
    monkeypatch.setattr(module("services.stepfunctions"), "_executions", {})
    monkeypatch.setattr(
        module("services.sqs"), "_queues", {"u": {"name": "q", "messages": messages}}
    )
    metrics.Sampler(1).measure(100.0)
    values = {name: points[0]["Value"] for (_, name, _), points in kept.items()}
    assert values["ApproximateNumberOfMessagesVisible"] == 1
    assert values["ApproximateAgeOfOldestMessage"] == 60, "a received one counts, a delayed one not"


def test_executions_at_the_same_time_are_counted(kept: dict[Any, list[dict[str, Any]]]) -> None:
    class Worker:
        func_name = "f"

    busy = metrics.Busy(lambda *_, **__: (Worker(), "spawn"), lambda _worker: None)
    first, _ = busy.acquire("f")
    busy.acquire("f", qualifier="live")
    busy.release(first)
    busy.acquire("f")
    (points,) = kept.values()
    assert [one["Value"] for one in points] == [1, 2, 2]


def test_a_rejected_execution_is_a_throttle(kept: dict[Any, list[dict[str, Any]]]) -> None:
    metrics._record_throttle("f", duration_ms=0.0, error=False, throttle=True)
    metrics._record_throttle("f", duration_ms=0.0, error=False, throttle=False)
    metrics.record_execution("f", 12, failed=True)
    values = {name: [one["Value"] for one in points] for (_, name, _), points in kept.items()}
    assert values == {"Throttles": [1, 0], "Invocations": [1], "Errors": [1], "Duration": [12]}


def test_a_snapshot_stores_everything_but_the_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """To copy hundreds of thousands of points would stop the platform for seconds each time."""

    class Points(dict[str, Any]):
        def __deepcopy__(self, _: object) -> Any:
            raise AssertionError("the points are copied")

    watch = module("services.cloudwatch")
    stored = set(watch.get_state())
    monkeypatch.setattr(watch, "_metrics", Points())
    assert set(metrics.state()) == stored
    assert metrics.state()["metrics"] == {}
