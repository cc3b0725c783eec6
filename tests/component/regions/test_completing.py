"""Records that have arrived in part are completed, and a move that stops goes on behind them."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from tests.component.regions.killing import Crash
from tests.component.regions.world import EAST, TABLE, WEST, World
from zebros.errors import CliError
from zebros.regions.completing import COUNTS, complete_all
from zebros.regions.moves import Moves

LISTED = {"b": {f"K{number:03d}": number for number in range(60)}, "a": {"K7": 7}}


def counted(records: dict[str, int], **more: Any) -> dict[str, Any]:
    """The answer of a maintenance function."""
    return {**dict.fromkeys(COUNTS, 0), "read": len(records), "failed": [], **more}


# --- several at once ------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 4])
def test_every_record_is_sent_once_in_the_order_of_its_place(at_once: int) -> None:
    sent: list[tuple[str, dict[str, int]]] = []

    def complete(table: str, since: dict[str, int], run: str) -> dict[str, Any]:
        assert run == "region-move-1"
        sent.append((table, since))
        return counted(since)

    parts = list(complete_all(complete, LISTED, "region-move-1", at_once=at_once))
    places = [part.place for part in parts]
    assert places == ["a K7", "b K024", "b K049", "b K059"] == sorted(places)
    assert sum(part.counts["read"] for part in parts) == 61
    together = {(table, *one) for table, since in sent for one in since.items()}
    assert together == {(table, *one) for table, since in LISTED.items() for one in since.items()}
    assert sum(len(since) for _, since in sent) == 61


def test_invocations_run_at_the_same_time_and_never_too_many() -> None:
    all_run, running, most = threading.Barrier(3), set[int](), list[int]()

    def complete(_table: str, since: dict[str, int], _run: str) -> dict[str, Any]:
        running.add(threading.get_ident())
        most.append(len(running))
        all_run.wait(20)
        running.discard(threading.get_ident())
        return counted(since)

    many = {"a": dict.fromkeys((f"K{number:03d}" for number in range(150)), 0)}
    assert len(list(complete_all(complete, many, "r", at_once=3))) == 6
    assert max(most) == 3


def test_what_a_function_has_not_begun_is_sent_again() -> None:
    sent: list[dict[str, int]] = []

    def complete(_table: str, since: dict[str, int], _run: str) -> dict[str, Any]:
        sent.append(since)
        first = dict(list(since.items())[:2])
        return counted(first, left={k: n for k, n in since.items() if k not in first})

    (part,) = complete_all(complete, {"a": {"x": 1, "y": 2, "z": 3}}, "r", at_once=1)
    assert sent == [{"x": 1, "y": 2, "z": 3}, {"z": 3}]
    assert part.counts["read"] == 3


def test_records_until_a_place_are_left_out() -> None:
    done: list[str] = []

    def complete(_table: str, since: dict[str, int], _run: str) -> dict[str, Any]:
        done.extend(since)
        return counted(since)

    list(complete_all(complete, LISTED, "r", after="b K049", at_once=2))
    assert done == [f"K{number:03d}" for number in range(50, 60)]


# --- a move that stops ----------------------------------------------------------------------------


class Completing:
    """A move to a lost region's other one, which has many records to complete."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.sent = world, list[str]()
        self.bad = ""
        """A record that cannot be completed."""
        listed = {TABLE: dict.fromkeys((f"K{number:03d}" for number in range(100)), 0)}
        monkeypatch.setattr("zebros.regions.moves.bases", lambda *_: listed)
        monkeypatch.setattr("zebros.regions.moves._MARK_S", 0.0)
        world.sites[WEST].region.complete = self._complete
        world.cut(EAST)

    def _complete(self, _table: str, since: dict[str, int], _run: str) -> dict[str, Any]:
        self.sent += since
        failed = [{"record": self.bad, "reason": "no"}] if self.bad in since else []
        return counted(since, failed=failed)

    def move(self, crash_at: str = "") -> Any:
        """Move, or be killed when so many records are complete."""

        def progress(step: str, text: str) -> None:
            if step == "complete" and crash_at and text.startswith(crash_at):
                raise Crash

        moves: Moves = self.world.moves(progress)
        return moves.move(WEST, lost=True)


@pytest.fixture
def completing(world: World, monkeypatch: pytest.MonkeyPatch) -> Completing:
    return Completing(world, monkeypatch)


def test_a_move_that_was_killed_while_it_completed_records_goes_on_behind_them(
    completing: Completing,
) -> None:
    with pytest.raises(Crash):
        completing.move("75 of 100")
    fence = completing.world.fences().read()
    assert fence.completed_to == f"{TABLE} K049", "what was not marked is done again"
    completing.sent.clear()
    outcome = completing.move()
    assert completing.sent == [f"K{number:03d}" for number in range(50, 100)]
    assert (outcome.fence.finished, outcome.fence.completed_to) == (True, "")
    assert completing.world.fences().read() == outcome.fence


def test_a_record_that_failed_is_tried_and_named_again(completing: Completing) -> None:
    completing.bad = "K030"
    with pytest.raises(Crash):
        completing.move("75 of 100")
    completing.sent.clear()
    outcome = completing.move()
    assert completing.sent[0] == "K025"
    assert outcome.failed == [{"record": "K030", "reason": "no"}]


def test_the_progress_is_said(completing: Completing) -> None:
    said: list[str] = []
    completing.world.moves(lambda step, text: said.append(f"{step}: {text}")).move(WEST, lost=True)
    assert said[-5:] == [
        "complete: 25 of 100 records",
        "complete: 50 of 100 records",
        "complete: 75 of 100 records",
        "complete: 100 of 100 records",
        "complete: 100 records are complete",
    ]


@pytest.mark.parametrize("seen", [{"lost": True}, {"finished": False}])
def test_an_operator_who_is_late_does_not_undo_what_another_one_did_after_the_move(
    completing: Completing, seen: dict[str, bool]
) -> None:
    """Both complete the records; the other one ends the move, and takes the region back."""
    completing.move()
    fences = completing.world.fences()
    rejoined = fences.set_rejoined(fences.read())
    with pytest.raises(CliError, match="Somebody else has changed"):
        fences.set_completed(replace(rejoined, **seen), "x")
    assert fences.read() == rejoined
