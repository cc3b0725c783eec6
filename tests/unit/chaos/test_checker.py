"""Histories of one record before porcupine: it accepts those that are linearizable, and no others.

Without Go they are left out, except in CI.
"""

import shutil
from collections import Counter

import pytest

from tests.chaos.checker import LEFT_OUT, MISSING, OK, is_right, linearizability
from tests.chaos.rounds import Round
from tests.chaos.traffic import HotOperation
from tests.chaos.verdict import Verdict

UNKNOWN = float("inf")


def read(client: int, at: tuple[float, float], version: int, value: str) -> HotOperation:
    return HotOperation(client, *at, "read", value, version, True)


def write(
    client: int, at: tuple[float, float], version: int, value: str, *, done: bool = True
) -> HotOperation:
    """A write that names a version; with `done` false it was rejected."""
    return HotOperation(client, *at, "write", value, version, done)


FIRST = read(0, (0, 1), 4, "start")

LINEARIZABLE = {
    "one after the other": [FIRST, write(0, (2, 3), 4, "a"), read(1, (4, 5), 5, "a")],
    "a read during a write sees either": [
        FIRST,
        write(0, (2, 6), 4, "a"),
        read(1, (3, 4), 4, "start"),
        read(2, (3, 4), 5, "a"),
    ],
    "the second of two writes is rejected": [
        FIRST,
        write(0, (2, 4), 4, "a"),
        write(1, (2, 4), 4, "b", done=False),
        read(2, (5, 6), 5, "a"),
    ],
    "an unknown write took effect late": [
        FIRST,
        write(0, (2, UNKNOWN), 4, "a"),
        read(1, (3, 4), 4, "start"),
        read(1, (5, 6), 5, "a"),
    ],
    "an unknown write came too late": [
        FIRST,
        write(0, (2, UNKNOWN), 4, "a"),
        write(1, (3, 4), 4, "b"),
        read(1, (5, 6), 5, "b"),
    ],
    "an unknown write never took effect": [
        FIRST,
        write(0, (2, UNKNOWN), 4, "a"),
        read(1, (5, 6), 4, "start"),
    ],
}
NOT_LINEARIZABLE = {
    "a stale read": [FIRST, write(0, (2, 3), 4, "a"), read(1, (4, 5), 4, "start")],
    "an acknowledged write that is lost": [
        FIRST,
        write(0, (2, 3), 4, "a"),
        write(1, (4, 5), 4, "b"),
        read(1, (6, 7), 5, "b"),
    ],
    "two writes of one version": [FIRST, write(0, (2, 5), 4, "a"), write(1, (2, 5), 4, "b")],
    "a value that nobody wrote": [FIRST, write(0, (2, 3), 4, "a"), read(1, (4, 5), 5, "b")],
    "a write that was rejected and took effect": [
        FIRST,
        write(0, (2, 3), 4, "a", done=False),
        read(1, (4, 5), 5, "a"),
    ],
    "a write that was rejected without a reason": [
        FIRST,
        write(0, (2, 3), 4, "a", done=False),
        read(1, (4, 5), 4, "start"),
    ],
    "a value that disappears again": [
        FIRST,
        write(0, (2, UNKNOWN), 4, "a"),
        read(1, (3, 4), 5, "a"),
        read(1, (5, 6), 4, "start"),
    ],
}


def answer(history: list[HotOperation]) -> str:
    found = linearizability(history)
    if found == LEFT_OUT:
        pytest.skip(LEFT_OUT)
    return found


@pytest.mark.parametrize("name", LINEARIZABLE)
def test_a_linearizable_history_is_accepted(name: str) -> None:
    assert answer(LINEARIZABLE[name]) == OK


@pytest.mark.parametrize("name", NOT_LINEARIZABLE)
def test_a_history_that_is_not_linearizable_is_named(name: str) -> None:
    found = answer(NOT_LINEARIZABLE[name])
    assert found == "Illegal"
    assert not is_right(found)


def test_a_record_that_nobody_could_read_is_not_checked() -> None:
    assert not is_right(answer([]))


def round_with(found: str) -> Round:
    faults, answers = Counter[str](), Counter[str]()
    return Round(1, 7, faults, answers, 1.0, "upgrade", 0, Verdict(), {"acme": found})


def test_without_go_a_round_is_right_and_says_what_was_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("CI", raising=False)
    found = linearizability([FIRST])
    assert found == LEFT_OUT
    assert round_with(found).right
    assert "left out, because there is no Go" in round_with(found).line()


def test_without_go_a_round_of_ci_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setenv("CI", "true")
    found = linearizability([FIRST])
    assert found == MISSING
    assert not round_with(found).right
