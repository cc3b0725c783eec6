"""A projection when a record's table was restored: its sequences come again in new events."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.ids import ids_at
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.runtime import aws
from kernel.runtime.log import logger
from kernel.storage.table import Action, Add, Table
from opportunities.events.streams import StreamDiverged, StreamGapDetected
from tests.component.conftest import create_table, published
from tests.component.kernel.queues import Queue, body, event, lambda_event
from tests.component.kernel.test_consumers import PROPERTY, SIZES, batches, count_calls

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
SUBJECT = "opportunity/a"


def at(minute: float, sequence: int, value: int = 0, subject: str = SUBJECT) -> dict[str, Any]:
    """An event that was committed so many minutes after the start."""
    (event_id,) = ids_at(START + timedelta(minutes=minute), 1)
    return {**event("acme", subject, sequence, value=value), "id": event_id}


class Board:
    """A toy projection that remembers the last value of each subject, and adds them up."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.applied: list[str] = []
        self.projection = Projection(
            "toy",
            record_types=["opportunity"],
            table=lambda: table,
            apply=self.apply,
            gap=StreamGapDetected,
            divergence=StreamDiverged,
        )

    def apply(self, event: CloudEvent, memory: Memory) -> list[Action]:
        """Replace the subject's value in the sum."""
        difference = event.data["value"] - memory.get("value", 0)
        memory["value"] = event.data["value"]
        self.applied.append(event.id)
        return [Add("TENANT#acme#SUM", "SUM", {"sum": difference})]

    def deliver(self, *events: dict[str, Any]) -> None:
        """Deliver events in one batch."""
        assert self.projection(lambda_event(map(body, events)), None) == {"batchItemFailures": []}

    @property
    def sum(self) -> int:
        """The sum of all subjects' values."""
        item = self.table.get("TENANT#acme#SUM", "SUM")
        return int(item["sum"]) if item else 0

    def position(self, subject: str = SUBJECT) -> dict[str, Any]:
        """The stored position of a subject."""
        item = self.table.get(f"TENANT#acme#POSITION#toy#{subject}", "POSITION")
        assert item
        return item

    def parked(self, subject: str = SUBJECT) -> list[str]:
        """The ids of the parked events."""
        items = self.table.query(
            f"TENANT#acme#POSITION#toy#{subject}", prefix="PARKED#", limit=99
        ).items
        assert self.position(subject)["parked"] == len(items)
        return [json.loads(item["detail"])["id"] for item in items]


Prepare = Callable[[], tuple[Board, Queue]]


@pytest.fixture
def prepare(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Prepares one example: an empty table and an empty queue."""
    monkeypatch.setenv("GAP_GRACE_SECONDS", "0")

    def fresh() -> tuple[Board, Queue]:
        cloud.delete_table(TableName="table")
        create_table(cloud, "table")
        queue = Queue()
        monkeypatch.setenv("QUEUE_URL", queue.url)
        return Board(Table(aws.client("dynamodb"), "table")), queue

    return fresh


@pytest.fixture
def board(prepare: Prepare) -> Board:
    return prepare()[0]


def reports(cloud: Any) -> list[tuple[str, dict[str, Any]]]:
    """Type and state of every report, in their order."""
    found = published(cloud)
    for subject in {one["subject"] for one in found}:
        sequences = [int(one["sequence"]) for one in found if one["subject"] == subject]
        assert sequences == list(range(1, len(sequences) + 1))
    return [(one["type"], one["data"]["current"]) for one in found]


def divergences(cloud: Any) -> list[tuple[int, str, str]]:
    """Sequence, surviving event and lost event of every divergence that was reported."""
    return [
        (state["sequence"], state["event_id"], state["lost_event_id"])
        for type_, state in reports(cloud)
        if type_ == "StreamDiverged"
    ]


# A record of nine events; its table was restored to the fifth. What follows comes an hour later.
LOST = [at(n, n, n) for n in range(1, 10)]
NEW = [at(60 + n, n, 100 * n) for n in range(6, 13)]
KEPT = LOST[:5]


def test_a_report_of_a_lost_region_that_its_position_does_not_count_is_followed_by_the_next(
    board: Board, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has arrived alone; its sequence is used, and the event would be refused for ever."""
    monkeypatch.setattr("kernel.storage.outbox.write_epoch", lambda: 1)
    board.deliver(*LOST)
    before = board.position()
    board.deliver(NEW[0])
    assert board.position()["gaps"] == 1
    board.table.put(before)
    board.deliver(NEW[0])
    assert board.position()["gaps"] == 2
    assert [report[0] for report in reports(cloud)] == ["StreamDiverged", "StreamDiverged"]


def test_events_after_a_restore_are_not_taken_for_duplicates(board: Board, cloud: Any) -> None:
    board.deliver(*LOST)
    for new in NEW:
        board.deliver(new)
        assert board.sum == new["data"]["value"]
    assert divergences(cloud) == [(6, NEW[0]["id"], LOST[8]["id"])]
    [(_, state)] = reports(cloud)
    assert (state["projection"], state["subject"]) == ("toy", SUBJECT)
    assert board.position()["sequence"] == 12


def test_a_divergence_is_logged_once_as_a_warning(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(logger(), "warning", lambda text, **more: lines.append((text, more)))
    board.deliver(*LOST)
    board.deliver(*NEW)
    [(text, more)] = lines
    assert text == "stream diverged"
    assert (more["subject"], more["tenant"], more["sequence"]) == (SUBJECT, "acme", 6)
    assert (more["event_id"], more["lost_event_id"]) == (NEW[0]["id"], LOST[8]["id"])


def test_late_events_of_the_lost_history_change_nothing(board: Board, cloud: Any) -> None:
    board.deliver(*LOST[:7])
    board.deliver(*NEW[:2])
    written = board.position()["version"]
    board.deliver(*LOST, *NEW[:2])
    assert (board.sum, board.position()["version"]) == (NEW[1]["data"]["value"], written)
    board.deliver(*NEW)
    assert board.sum == NEW[-1]["data"]["value"]
    assert len(divergences(cloud)) == 1


def test_a_lost_event_that_is_parked_is_replaced_and_never_applied(prepare: Prepare) -> None:
    board, queue = prepare()
    board.deliver(*KEPT, *LOST[6:])  # the sixth never arrives
    board.deliver(*NEW[2:4])
    assert board.parked() == [LOST[6]["id"], NEW[2]["id"], NEW[3]["id"]]
    board.deliver(*LOST[6:])
    assert board.parked() == [LOST[6]["id"], NEW[2]["id"], NEW[3]["id"]], "the later ids stay"
    board.deliver(NEW[0])
    assert board.parked() == [NEW[2]["id"], NEW[3]["id"]]
    board.deliver(NEW[1])
    queue.drain(board.projection)
    assert (board.parked(), board.sum) == ([], NEW[3]["data"]["value"])
    assert not {one["id"] for one in LOST[5:]} & set(board.applied)


def test_parked_events_of_a_lost_history_do_not_block(prepare: Prepare, cloud: Any) -> None:
    board, queue = prepare()
    board.deliver(*KEPT, *LOST[7:])
    board.deliver(NEW[0])
    assert (board.parked(), board.sum) == ([], NEW[0]["data"]["value"])
    queue.drain(board.projection)
    assert reports(cloud) == [], "no gap, and no lost event was applied"


def test_an_event_that_was_overtaken_is_reported_and_not_applied(board: Board, cloud: Any) -> None:
    """The tenth event follows the ninth in its sequence, but belongs to the new history."""
    board.deliver(*LOST)
    board.deliver(NEW[4])
    assert divergences(cloud) == []
    board.deliver(NEW[1])
    board.deliver(NEW[3], NEW[2], NEW[0])
    assert divergences(cloud) == [(7, NEW[1]["id"], LOST[6]["id"])]
    assert board.sum == NEW[4]["data"]["value"]


def test_gaps_after_a_restore_are_reported_although_higher_ones_were(
    prepare: Prepare, cloud: Any
) -> None:
    board, queue = prepare()
    board.deliver(*LOST, at(20, 15))
    queue.drain(board.projection)
    board.deliver(NEW[0], NEW[2])
    queue.drain(board.projection)
    missing = [s["missing_sequence"] for t, s in reports(cloud) if t == "StreamGapDetected"]
    assert missing == [10, 7]


def test_a_position_without_ids_continues(board: Board, cloud: Any) -> None:
    """As stored before positions had ids: there is nothing to compare until its next event."""
    board.deliver(*LOST)
    item = board.position()
    del item["recent"]
    board.table.put(item)
    board.deliver(*LOST, NEW[0])
    assert board.sum == LOST[8]["data"]["value"]
    board.deliver(at(100, 10, 7))
    assert board.sum == 7
    board.deliver(at(200, 10, 8))
    assert board.sum == 8
    assert len(divergences(cloud)) == 1


def test_events_of_one_change_from_before_ids_increased_are_one_history(board: Board) -> None:
    """Their ids are of one millisecond, and were not in the order of their sequences."""
    ids = ids_at(START, 6)[::-1]
    events = [{**at(0, n, n), "id": ids[n - 1]} for n in range(1, 7)]
    board.deliver(*events[:3])
    board.deliver(*events[3:])
    board.deliver(*events)
    assert (board.sum, len(board.applied)) == (6, 6)


def test_two_histories_cost_no_call_more_than_one(board: Board) -> None:
    board.deliver(*LOST[:3])
    calls = count_calls()
    board.deliver(*LOST[3:6])
    assert calls == {"BatchGetItem": 1, "TransactWriteItems": 1}
    board.deliver(*NEW[:1])
    assert calls == {"BatchGetItem": 2, "TransactWriteItems": 2}


@st.composite
def restored(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The events of a record whose table was restored, by id; the last one survives."""
    found, sequence, minute = list[dict[str, Any]](), 0, 0
    for _ in range(draw(st.integers(1, 3))):
        sequence = draw(st.integers(0, sequence))
        for _ in range(draw(st.integers(1, 5))):
            sequence, minute = sequence + 1, minute + 1
            found.append(at(minute, sequence, draw(st.integers(1, 1000))))
    return found


@PROPERTY
@given(st.data())
def test_any_delivery_of_several_histories_ends_with_the_state_of_the_last(
    prepare: Prepare, cloud: Any, data: st.DataObject
) -> None:
    board, queue = prepare()
    history = data.draw(restored())
    again = data.draw(st.lists(st.sampled_from(history), max_size=5))
    for replayed in (False, True):
        order = data.draw(st.permutations([*history, *again]))
        for batch in batches([body(one, replayed) for one in order], data.draw(SIZES)):
            assert board.projection(lambda_event(batch), None) == {"batchItemFailures": []}
        queue.drain(board.projection)
        assert board.sum == history[-1]["data"]["value"]
        assert board.position()["recent"].split()[-1] == history[-1]["id"]
        assert board.parked() == []
    assert board.applied == sorted(set(board.applied)), "each once, and never back"
    assert queue.dead_letters() == []
    lost = [found for _, _, found in divergences(cloud)]
    assert len(lost) == len(set(lost))
