"""Rules: dead-letter queues and filtered replays. State machines: heartbeats and tokens."""

import datetime as dt
import json
import threading
import time
from typing import Any

import pytest

from zebros.emulator import callbacks, rules

SEND = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
BUS = "arn:aws:events:us-east-1:000000000000:event-bus/bus"


@pytest.fixture
def events(emulator: Any) -> Any:
    found = emulator("services.eventbridge")
    found._create_event_bus({"Name": "bus"})
    return found


def rule(events: Any, name: str, arn: str, **target: Any) -> str:
    """A rule for every event; returns its ARN."""
    pattern = json.dumps({"source": ["zebros.x"]})
    made = events._put_rule({"Name": name, "EventBusName": "bus", "EventPattern": pattern})
    events._put_targets(
        {"Rule": name, "EventBusName": "bus", "Targets": [{"Id": "1", "Arn": arn, **target}]}
    )
    return str(json.loads(made[2])["RuleArn"])


def put(events: Any) -> None:
    entry = {"EventBusName": "bus", "Source": "zebros.x", "DetailType": "d", "Detail": '{"n": 1}'}
    assert json.loads(events._put_events({"Entries": [entry]})[2])["FailedEntryCount"] == 0


def undelivered(events: Any, queue: Any) -> list[dict[str, Any]]:
    dead_letters = queue("dead-letters")
    gone = "arn:aws:sqs:us-east-1:000000000000:gone"
    rule(events, "r", gone, DeadLetterConfig={"Arn": dead_letters["attributes"]["QueueArn"]})
    put(events)
    found: list[dict[str, Any]] = dead_letters["messages"]
    return found


def test_an_event_that_cannot_be_delivered_is_lost_when_unpatched(events: Any, queue: Any) -> None:
    assert undelivered(events, queue) == []


def test_an_event_that_cannot_be_delivered_goes_to_the_dead_letter_queue(
    events: Any, queue: Any, patched: Any
) -> None:
    with patched(rules.apply):
        (message,) = undelivered(events, queue)
    assert json.loads(message["body"])["detail"] == {"n": 1}
    attributes = {name: one["StringValue"] for name, one in message["message_attributes"].items()}
    assert attributes["ERROR_CODE"] == "NO_RESOURCE"
    assert attributes["RULE_ARN"].endswith("rule/bus/r")
    assert attributes["TARGET_ARN"].endswith(":gone")


def replayed(events: Any, queue: Any) -> tuple[int, int]:
    """How many messages two rules get from a replay to the first one."""
    events._create_archive({"ArchiveName": "archive", "EventSourceArn": BUS})
    put(events)
    first, second = queue("first"), queue("second")
    arn = rule(events, "first", first["attributes"]["QueueArn"])
    rule(events, "second", second["attributes"]["QueueArn"])
    now = time.time()
    events._start_replay(
        {
            "ReplayName": "again",
            "EventSourceArn": "arn:aws:events:us-east-1:000000000000:archive/archive",
            "EventStartTime": now - 60,
            "EventEndTime": now + 60,
            "Destination": {"Arn": BUS, "FilterArns": [arn]},
        }
    )
    for _ in range(200):
        if events._replays["again"]["State"] == "COMPLETED":
            break
        time.sleep(0.01)
    for message in first["messages"]:
        assert json.loads(message["body"])["replay-name"] == "again"
    return len(first["messages"]), len(second["messages"])


def test_a_replay_goes_to_every_rule_when_unpatched(events: Any, queue: Any) -> None:
    assert replayed(events, queue) == (1, 1)


def test_a_replay_goes_to_the_rules_it_names(events: Any, queue: Any, patched: Any) -> None:
    with patched(rules.apply):
        assert replayed(events, queue) == (1, 0)
    last = dt.datetime.fromtimestamp(events._replays["again"]["EventLastReplayedTime"], dt.UTC)
    assert abs((dt.datetime.now(dt.UTC) - last).total_seconds()) < 60


def waited(emulator: Any, queue: Any, name: str = "tasks", **state: Any) -> Any:
    """The outcome of a task whose worker sends no heartbeat."""
    flows, sqs = emulator("services.stepfunctions"), emulator("services.sqs")
    queue(name)
    given = {"QueueUrl": sqs._queue_url(name), "MessageBody": {"token": "t-1"}}
    with pytest.raises(flows._ExecutionError) as caught:
        flows._invoke_with_callback(SEND, given, "t-1", {"TimeoutSeconds": 0.8, **state})
    return caught.value.error


def test_a_missing_heartbeat_is_ignored_when_unpatched(emulator: Any, queue: Any) -> None:
    assert waited(emulator, queue, HeartbeatSeconds=0.2) == "States.Timeout"


def test_a_missing_heartbeat_fails_the_task(emulator: Any, queue: Any, patched: Any) -> None:
    with patched(callbacks.apply):
        assert waited(emulator, queue, HeartbeatSeconds=0.2) == "States.HeartbeatTimeout"
        assert waited(emulator, queue) == "States.Timeout", "without HeartbeatSeconds"


def test_heartbeats_keep_a_task_waiting(emulator: Any, queue: Any, patched: Any) -> None:
    flows, sqs = emulator("services.stepfunctions"), emulator("services.sqs")
    queue("tasks")
    given = {"QueueUrl": sqs._queue_url("tasks"), "MessageBody": {"token": "t-2"}}

    def work() -> None:
        for _ in range(6):
            time.sleep(0.1)
            flows._send_task_heartbeat({"taskToken": "t-2"})
        flows._send_task_success({"taskToken": "t-2", "output": '{"rows": 3}'})

    worker = threading.Thread(target=work)
    with patched(callbacks.apply):
        worker.start()
        outcome = flows._invoke_with_callback(SEND, given, "t-2", {"HeartbeatSeconds": 0.3})
    worker.join()
    assert outcome == {"rows": 3}


def tokens(emulator: Any, queue: Any) -> list[str]:
    """The tokens of two attempts of one task."""
    sqs = emulator("services.sqs")
    for _ in range(2):
        waited(emulator, queue, TimeoutSeconds=0.05)
    messages = sqs._queues[sqs._queue_url("tasks")]["messages"]
    return [json.loads(one["body"])["token"] for one in messages]


def test_a_second_attempt_has_the_first_ones_token_when_unpatched(
    emulator: Any, queue: Any
) -> None:
    first, second = tokens(emulator, queue)
    assert first == second


def test_every_attempt_has_its_own_token(emulator: Any, queue: Any, patched: Any) -> None:
    with patched(callbacks.apply):
        first, second = tokens(emulator, queue)
    assert first == "t-1" != second
