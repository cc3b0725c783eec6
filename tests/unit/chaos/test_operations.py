"""An operator's command under faults, and what the judges of a restore and an upgrade name."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any, cast

import pytest

from kernel.storage.packing import pack
from tests.chaos import operations
from tests.chaos.company import Stored, stored
from tests.chaos.operations import Operator, Rebuild
from tests.chaos.restoring import not_restored, restored_wrongly
from tests.chaos.traffic import COMPANY
from tests.chaos.upgrading import Read, aged, not_upgraded, read
from tests.flows.conftest import Zebros

AT = "2026-06-30T09:00:00Z"
BEFORE, AFTER = "2026-06-30T08:59:59.900Z", "2026-06-30T09:00:00.100Z"
KEY = f"TENANT#{COMPANY}#TASK#t1"


# A restore.


def a_task(**fields: Any) -> Stored:
    return Stored({"title": "Call", **fields}, {"gsi1pk": {"S": "x"}})


def test_records_that_are_as_they_were_are_restored() -> None:
    later = a_task(archived_at=AT)
    assert not_restored({KEY: a_task()}, {KEY: a_task(), f"{KEY}2": later}) == []


@pytest.mark.parametrize(
    ("now", "text"),
    [
        ({KEY: a_task(title="Wrong")}, "t1 is not restored"),
        ({KEY: Stored(a_task().document, {})}, "t1 is not restored"),
        ({KEY: a_task(archived_at=AT)}, "t1 is not restored"),
        ({}, "t1 is not restored: None"),
        ({KEY: a_task(), f"{KEY}2": a_task()}, "t12 was created later, and is not archived"),
    ],
)
def test_a_record_that_is_not_restored_is_named(now: dict[str, Stored], text: str) -> None:
    (found,) = not_restored({KEY: a_task()}, now)
    assert text in found


def an_event(version: int, at: str = AFTER, correlation: str = "restore-activities-1") -> Any:
    current = {"version": version}
    return {"time": at, "correlationid": correlation, "data": {"current": current}}


def test_each_damaged_record_may_be_restored_once() -> None:
    chain = [
        an_event(1, BEFORE, "request"),
        an_event(2, BEFORE, "restore-activities-0"),
        an_event(3, AFTER, "request"),
        an_event(4),
        an_event(4),  # one change, with an event for the fields and one for the archive
    ]
    assert restored_wrongly({COMPANY: {"task/t1": chain}}, AT, {KEY}) == []


@pytest.mark.parametrize(
    ("tenant", "subject", "versions", "text"),
    [
        (COMPANY, "task/t1", (4, 5), "task/t1 was restored several times"),
        (COMPANY, "task/t2", (4,), "task/t2 was restored, and was not to be"),
        (COMPANY, "account/t1", (4,), "account/t1 was restored, and was not to be"),
        ("acme", "task/t1", (4,), "acme task/t1 was restored, and was not to be"),
    ],
)
def test_a_restore_that_nobody_asked_for_is_named(
    tenant: str, subject: str, versions: tuple[int, ...], text: str
) -> None:
    chain = [an_event(one) for one in versions]
    (found,) = restored_wrongly({tenant: {subject: chain}}, AT, {KEY})
    assert text in found


def test_what_every_change_sets_is_not_compared() -> None:
    document = {"title": "Call", "version": 3, "updated_at": AT, "updated_by": "ann"}
    item = an_item("TASK", document, gsi1pk={"S": "x"})
    assert stored(item) == a_task()
    assert not stored(item).archived


# An upgrade.


def an_item(kind: str, document: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {
        "pk": {"S": f"TENANT#acme#{kind}#r1"},
        "sk": {"S": "STATE"},
        "version": {"N": "3"},
        "doc": {"B": pack(json.dumps(document))},
        **attributes,
    }


ENTRY = {"pk": {"S": "TENANT#acme#SEARCH#ACCOUNT#NAME#l"}, "sk": {"S": "ltd umbra#r1"}}
CURRENT = an_item("ACCOUNT", {"name": "Umbra Ltd"}, gsi2pk={"S": "n"}, search={"N": "3"})


def test_a_record_in_the_older_form_has_no_search_entries() -> None:
    older = aged(CURRENT)
    assert older.keys() == CURRENT.keys() - {"search"}
    archived = an_item("TASK", {"archived_at": AT}, gsi1pk={"S": "a"}, gsi1sk={"S": "b"})
    assert aged(archived).keys() == {"pk", "sk", "version", "doc"}
    assert aged(aged(archived)) == aged(archived)


def test_a_record_that_reads_as_before_is_upgraded() -> None:
    foreign = {"pk": {"S": "TENANT#globex#SEARCH#ACCOUNT#NAME#l"}, "sk": ENTRY["sk"]}
    right = read([CURRENT, ENTRY, foreign], "ACCOUNT")
    assert [one.entries for one in right.values()] == [{(ENTRY["pk"]["S"], "ltd umbra#r1")}]
    assert not_upgraded(right, read([ENTRY, CURRENT], "ACCOUNT")) == []
    changed = CURRENT | {"version": {"N": "4"}, "doc": {"B": pack('{"name":"Umbra Ltd","x":1}')}}
    assert not_upgraded(right, read([ENTRY, changed], "ACCOUNT")) == []


@pytest.mark.parametrize(
    ("now", "text"),
    [
        ([aged(CURRENT), ENTRY], "is not upgraded"),
        ([CURRENT], "is not upgraded"),
        ([CURRENT | {"doc": {"B": pack('{"name":"Umbra"}')}}, ENTRY], "is not upgraded"),
        ([CURRENT | {"gsi2pk": {"S": "m"}}, ENTRY], "is not upgraded"),
        ([CURRENT | {"version": {"N": "4"}}], "is found otherwise"),
        ([aged(CURRENT) | {"version": {"N": "4"}}, ENTRY], "is found otherwise"),
        ([ENTRY], "is gone"),
    ],
)
def test_a_record_that_is_not_upgraded_is_named(now: list[dict[str, Any]], text: str) -> None:
    right: dict[str, Read] = read([CURRENT, ENTRY], "ACCOUNT")
    (found,) = not_upgraded(right, read(now, "ACCOUNT"))
    assert text in found


# The operator.


class Command:
    """A command with some exit codes, one after the other; None hangs until it is killed."""

    def __init__(self, *codes: int | None) -> None:
        self.codes, self.checked = list(codes), 0

    def __call__(
        self, *_words: str, check: bool = True, timeout: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """What `Zebros` does; with `check` it fails the test unless the command succeeds."""
        if check:
            self.checked += 1
            return subprocess.CompletedProcess("zebros", 0, "", "")
        code = self.codes.pop(0)
        if code is None:
            raise subprocess.TimeoutExpired("zebros", timeout)
        return subprocess.CompletedProcess("zebros", code, "", "refused")


def operated(monkeypatch: pytest.MonkeyPatch, command: Command, *, killed: bool) -> Operator:
    monkeypatch.setattr(operations, "_BEGINS_S", (0, 0))
    crm = type("Crm", (), {"zebros": command})
    operator = Operator(cast("Any", crm), Rebuild("board", killed), "a seed that kills")
    operator.calm.wait = lambda timeout=None: False  # type: ignore[method-assign]
    operator.run()
    return operator


def test_a_command_that_is_killed_or_refused_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    command = Command(None, 69, 0)
    operator = operated(monkeypatch, command, killed=True)
    assert operator.outcomes == ["killed", "refused", "completed"]
    operator.finish()
    assert command.checked == 0
    assert operator.text() == "events rebuild board: killed, refused, completed"


def test_a_command_that_fails_under_faults_must_succeed_after_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = Command(*[1] * 10)
    operator = operated(monkeypatch, command, killed=False)
    assert set(operator.outcomes) == {"refused"}
    assert not operator.completed
    operator.finish()
    assert command.checked == 1
    assert operator.completed


def test_a_command_that_takes_too_long_is_really_killed(tmp_path: Path) -> None:
    began = time.monotonic()
    code, _ = operations.run_for(Zebros(tmp_path), ("advise", "--help"), 0.01)
    assert code is None
    assert time.monotonic() - began < 10
