"""Rules: dead letters and filtered replays. State machines: heartbeats and tokens."""

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
    """A rule for everything; its ARN."""
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
    letters = queue("letters")
    gone = "arn:aws:sqs:us-east-1:000000000000:gone"
    rule(events, "r", gone, DeadLetterConfig={"Arn": letters["attributes"]["QueueArn"]})
    put(events)
    found: list[dict[str, Any]] = letters["messages"]
    return found


def test_an_event_that_cannot_be_delivered_is_lost_as_shipped(events: Any, queue: Any) -> None:
    assert undelivered(events, queue) == []


def test_an_event_that_cannot_be_delivered_becomes_a_dead_letter(
    events: Any, queue: Any, mended: Any
) -> None:
    with mended(rules.apply):
        (letter,) = undelivered(events, queue)
    assert json.loads(letter["body"])["detail"] == {"n": 1}
    said = {name: one["StringValue"] for name, one in letter["message_attributes"].items()}
    assert said["ERROR_CODE"] == "NO_RESOURCE"
    assert said["RULE_ARN"].endswith("rule/bus/r")
    assert said["TARGET_ARN"].endswith(":gone")


def replayed(events: Any, queue: Any) -> tuple[int, int]:
    """How many messages two rules get from a replay that is meant for the first."""
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


def test_a_replay_goes_to_every_rule_as_shipped(events: Any, queue: Any) -> None:
    assert replayed(events, queue) == (1, 1)


def test_a_replay_goes_to_the_rules_it_names(events: Any, queue: Any, mended: Any) -> None:
    with mended(rules.apply):
        assert replayed(events, queue) == (1, 0)
    last = dt.datetime.fromtimestamp(events._replays["again"]["EventLastReplayedTime"], dt.UTC)
    assert abs((dt.datetime.now(dt.UTC) - last).total_seconds()) < 60


def waited(emulator: Any, queue: Any, name: str = "tasks", **state: Any) -> Any:
    """The outcome of a task whose worker is silent."""
    flows, sqs = emulator("services.stepfunctions"), emulator("services.sqs")
    queue(name)
    given = {"QueueUrl": sqs._queue_url(name), "MessageBody": {"token": "t-1"}}
    with pytest.raises(flows._ExecutionError) as caught:
        flows._invoke_with_callback(SEND, given, "t-1", {"TimeoutSeconds": 0.8, **state})
    return caught.value.error


def test_a_silent_worker_is_never_missed_as_shipped(emulator: Any, queue: Any) -> None:
    assert waited(emulator, queue, HeartbeatSeconds=0.2) == "States.Timeout"


def test_a_silent_worker_is_given_up(emulator: Any, queue: Any, mended: Any) -> None:
    with mended(callbacks.apply):
        assert waited(emulator, queue, HeartbeatSeconds=0.2) == "States.HeartbeatTimeout"
        assert waited(emulator, queue) == "States.Timeout", "only where heartbeats are asked for"


def test_heartbeats_keep_a_task_waiting(emulator: Any, queue: Any, mended: Any) -> None:
    flows, sqs = emulator("services.stepfunctions"), emulator("services.sqs")
    queue("tasks")
    given = {"QueueUrl": sqs._queue_url("tasks"), "MessageBody": {"token": "t-2"}}

    def work() -> None:
        for _ in range(6):
            time.sleep(0.1)
            flows._send_task_heartbeat({"taskToken": "t-2"})
        flows._send_task_success({"taskToken": "t-2", "output": '{"rows": 3}'})

    worker = threading.Thread(target=work)
    with mended(callbacks.apply):
        worker.start()
        outcome = flows._invoke_with_callback(SEND, given, "t-2", {"HeartbeatSeconds": 0.3})
    worker.join()
    assert outcome == {"rows": 3}


def tokens(emulator: Any, queue: Any) -> list[str]:
    """The tokens that two attempts of one task hand out."""
    sqs = emulator("services.sqs")
    for _ in range(2):
        waited(emulator, queue, TimeoutSeconds=0.05)
    messages = sqs._queues[sqs._queue_url("tasks")]["messages"]
    return [json.loads(one["body"])["token"] for one in messages]


def test_a_second_attempt_has_the_first_ones_token_as_shipped(emulator: Any, queue: Any) -> None:
    first, second = tokens(emulator, queue)
    assert first == second


def test_every_attempt_has_a_token_of_its_own(emulator: Any, queue: Any, mended: Any) -> None:
    with mended(callbacks.apply):
        first, second = tokens(emulator, queue)
    assert first == "t-1" != second
