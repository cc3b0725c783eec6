"""From a table to a consumer on the platform, also after a kill."""

import json
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

FIXTURES = Path("tests/fixtures/platform")


@pytest.fixture(scope="session")
def backbone() -> str:
    return (FIXTURES / "backbone.yaml").read_text()


def write(emulator: Any, table: str, *names: str) -> None:
    database = emulator.client("dynamodb")
    for name in names:
        item = {"pk": {"S": name}, "sk": {"S": "EVENT#1"}}
        database.put_item(TableName=table, Item=item)


def seen(emulator: Any, table: str) -> dict[str, int]:
    """The records that the consumer received, each with the size of its batch."""
    items = emulator.client("dynamodb").query(
        TableName=table,
        KeyConditionExpression="pk = :seen",
        ExpressionAttributeValues={":seen": {"S": "SEEN"}},
    )["Items"]
    return {item["sk"]["S"]: int(item["batch"]["N"]) for item in items}


def settled(emulator: Any) -> bool:
    backlog = emulator.backlog()
    return not backlog["streams"] and not any("Events" in name for name in backlog["queues"])


def test_a_queue_gives_ten_messages_at_most_when_unpatched(unpatched: Any, backbone: str) -> None:
    outputs = unpatched.deploy("ten", backbone)
    names = [f"a{number:02}" for number in range(40)]
    write(unpatched, outputs["Table"], *names)
    found = unpatched.until(lambda: _all(seen(unpatched, outputs["Table"]), names), 90)
    assert max(found.values()) <= 10


def test_events_reach_their_consumer_in_the_configured_batches(
    platform: Any, backbone: str
) -> None:
    outputs = platform.deploy("batches", backbone)
    names = [f"a{number:02}" for number in range(40)]
    write(platform, outputs["Table"], *names)
    found = platform.until(lambda: _all(seen(platform, outputs["Table"]), names), 90)
    assert max(found.values()) > 10
    platform.until(lambda: settled(platform))


def test_the_backlog_counts_unprocessed_events(platform: Any, backbone: str) -> None:
    outputs = platform.deploy("backlog", backbone)
    queue = outputs["Tasks"].rpartition("/")[2]
    sqs = platform.client("sqs")
    sqs.send_message(QueueUrl=outputs["Tasks"], MessageBody="later", DelaySeconds=900)
    assert platform.backlog()["delayed"][queue] == 1
    assert queue not in platform.backlog()["queues"], "delayed messages are not part of the backlog"
    sqs.send_message(QueueUrl=outputs["Tasks"], MessageBody="soon", DelaySeconds=2)
    assert platform.backlog()["queues"][queue] == 1, "an event that was sent again is on its way"
    assert sqs.receive_message(QueueUrl=outputs["Tasks"], WaitTimeSeconds=10)["Messages"]
    assert platform.backlog()["queues"][queue] == 1, "in flight"
    execution = platform.client("stepfunctions").start_execution(stateMachineArn=outputs["Flow"])
    assert platform.backlog()["executions"] >= 1
    platform.client("stepfunctions").stop_execution(executionArn=execution["executionArn"])


def _all(found: dict[str, int], names: list[str]) -> dict[str, int] | None:
    return found if set(names) <= set(found) else None


@pytest.fixture(scope="module")
def killed_unpatched(own: Any) -> Any:
    """An emulator as shipped that had a queue and was killed and started again."""
    emulator = own(patched=False)
    emulator.client("sqs").create_queue(QueueName="work")
    emulator.end(signal.SIGKILL)
    emulator.start()
    return emulator


def test_a_kill_loses_everything_when_unpatched(killed_unpatched: Any) -> None:
    assert not killed_unpatched.client("sqs").list_queues().get("QueueUrls")


@dataclass
class Life:
    """Observations of a platform that was killed, started, stopped and started again."""

    kept: int
    """The number of items after the kill, of 30."""
    delivered_after_kill: set[str]
    output: dict[str, Any]
    """The output of the execution that was running."""
    delivered_after_stop: set[str]
    left_running: list[int]
    """Processes of functions that still ran after the stop."""


@pytest.fixture(scope="module")
def life(own: Any, backbone: str) -> Life:
    emulator = own(patched=True)
    outputs = emulator.deploy("lives", backbone)
    table = outputs["Table"]
    saved = httpx.post(f"{emulator.endpoint}/_zebros/snapshot", trust_env=False, timeout=60)
    assert saved.json() == {"saved": True}
    names = [f"a{number:02}" for number in range(30)]
    write(emulator, table, *names)
    flows = emulator.client("stepfunctions")
    arn = flows.start_execution(stateMachineArn=outputs["Flow"], name="one")["executionArn"]
    emulator.end(signal.SIGKILL)
    emulator.start()
    keys = [{"pk": {"S": name}, "sk": {"S": "EVENT#1"}} for name in names]
    database = emulator.client("dynamodb")
    kept = sum("Item" in database.get_item(TableName=table, Key=key) for key in keys)
    write(emulator, table, "b1")
    after_kill = emulator.until(lambda: _all(seen(emulator, table), [*names, "b1"]), 90)
    described = emulator.until(lambda: finished(emulator, outputs["Tasks"], arn), 90)
    started = processes(emulator.pid)
    assert started, "functions run in separate processes"
    emulator.end(signal.SIGTERM)
    left = [pid for pid in started if Path(f"/proc/{pid}").exists()]
    emulator.start()
    write(emulator, table, "c1")
    after_stop = emulator.until(lambda: _all(seen(emulator, table), ["c1"]), 90)
    return Life(kept, set(after_kill), json.loads(described["output"]), set(after_stop), left)


def finished(emulator: Any, tasks: str, arn: str) -> Any:
    """The execution's description once it has succeeded; its tasks are answered meanwhile."""
    flows, queue = emulator.client("stepfunctions"), emulator.client("sqs")
    for message in queue.receive_message(QueueUrl=tasks).get("Messages", []):
        # Tokens from before the kill are not valid any more.
        with suppress(flows.exceptions.TaskDoesNotExist):
            token = json.loads(message["Body"])["task_token"]
            flows.send_task_success(taskToken=token, output='{"rows": 1}')
    described = flows.describe_execution(executionArn=arn)
    return described if described["status"] == "SUCCEEDED" else None


def processes(parent: int) -> list[int]:
    """The children of a process."""
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def test_a_kill_loses_no_item(life: Life) -> None:
    assert life.kept == 30


def test_events_written_before_a_kill_are_delivered_after_it(life: Life) -> None:
    assert len(life.delivered_after_kill) == 31


def test_an_execution_that_ran_at_a_kill_is_finished_after_it(life: Life) -> None:
    assert life.output == {"rows": 1}


def test_a_stop_and_a_start_skip_no_event(life: Life) -> None:
    """As shipped the position in the stream is saved but not the stream, so 31 are skipped."""
    assert "c1" in life.delivered_after_stop


def test_a_stop_leaves_no_process_of_a_function(life: Life) -> None:
    assert life.left_running == []
