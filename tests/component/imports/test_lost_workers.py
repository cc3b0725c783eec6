"""Workers that are killed, or seem lost and go on: nothing is lost, and nothing is done twice."""

import itertools
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from imports.adapters.run_files import RunFiles
from imports.jobs import groups
from kernel.storage.table import Table
from kernel.tasks.job import JobControl, JobFailed
from tests.component.conftest import ApiClient, published
from tests.component.imports.running import (
    FILES,
    Functions,
    Invocation,
    a_job,
    a_task,
    accounts,
    all_accounts,
    imported,
    rejected,
    stored,
)

Ask = Callable[..., dict[str, Any]]
RECORDS = [
    *accounts(2),
    {"name": ""},
    {"name": "Without an identity"},
    *accounts(3, 3),
    {"name": "A later line about it", "external_ids": {"erp": "a-5"}},
    {"colour": "red"},
    *accounts(2, 6),
    {"name": ""},
]
OUTCOME = {"lines": 12, "created": 8, "updated": 1, "unchanged": 0, "rejected": 3}
REJECTED = [3, 9, 12]
PLACES = 40
"""Where a worker of this import can be killed: before and after each batch, and each call of S3."""
EVENTS = ["AccountCreated"] * 8 + ["AccountUpdated"]


class Killed(BaseException):
    """The process ends."""


class KilledFiles(RunFiles):
    """The files of a worker that is killed before or after one of its calls."""

    def __init__(self, may_die: Callable[[], None]) -> None:
        super().__init__(boto3.client("s3"), FILES)
        self._may_die = may_die

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name not in ("checkpoint", "store_checkpoint", "store_part", "part", "store_rejected"):
            return value
        may_die = super().__getattribute__("_may_die")

        def call(*args: Any) -> Any:
            may_die()
            answer = value(*args)
            may_die()
            return answer

        return call


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of two items: four lines are a group."""
    monkeypatch.setattr(groups, "MAX_ITEMS", 2)
    monkeypatch.setattr(groups, "MAX_LINES", 4)


def dies_at(number: int) -> Callable[[], None]:
    """A call that ends the process when it is made for the nth time, and whenever it goes on."""
    calls = itertools.count()

    def may_die() -> None:
        if next(calls) >= number:
            raise Killed

    return may_die


@pytest.mark.parametrize("number", range(PLACES + 1))
def test_wherever_a_worker_is_killed_another_one_goes_on(
    ask: Ask, functions: Functions, cloud: Any, tiny: None, number: int
) -> None:
    run = ask(RECORDS)
    may_die = dies_at(number)
    functions.before = lambda _: may_die()
    functions.after = lambda _, answer: may_die() or answer
    killed = False
    try:
        outcome = imported(run, functions, files=KilledFiles(may_die))
    except Killed:
        functions.before, functions.after = lambda _: None, lambda _, answer: answer
        outcome, killed = imported(run, functions), True
    assert killed is (number < PLACES), "every place was tried"
    assert outcome.pop("rejected_bytes") > 0
    assert outcome == OUTCOME
    found = all_accounts(functions)
    assert len(found) == 8
    assert found["a-5"]["name"] == "A later line about it"
    assert [one["line"] for one in rejected(run)] == REJECTED
    assert sorted(event["type"] for event in published(cloud)) == EVENTS


def test_a_worker_goes_on_at_the_checkpoint(ask: Ask, functions: Functions, tiny: None) -> None:
    run = ask(accounts(10))
    functions.after = lambda event, answer: answer if len(functions.events) < 4 else _killed(event)
    with pytest.raises(Killed):
        imported(run, functions)
    functions.events.clear()
    functions.after = lambda _, answer: answer
    assert imported(run, functions)["created"] == 10
    first = f"import-{run['id']}-"
    assert [key.removeprefix(first) for key in functions.keys] == sorted(["5", "7", "9"])


def _killed(_: Invocation) -> Any:
    raise Killed


def test_a_file_that_was_uploaded_again_meanwhile_fails_the_import(
    ask: Ask, functions: Functions, bucket: Any, tiny: None
) -> None:
    run = ask(accounts(10))
    functions.after = lambda event, answer: answer if len(functions.events) < 4 else _killed(event)
    with pytest.raises(Killed):
        imported(run, functions)
    functions.after = lambda _, answer: answer
    key = f"imports/acme/{run['parameters']['upload_id']}/records.jsonl"
    bucket.put_object(Bucket=FILES, Key=key, Body=b'{"name":"Other"}\n' * 10)
    with pytest.raises(JobFailed, match="UnreadableFile: it was uploaded again"):
        imported(run, functions)


def test_a_finished_import_is_not_repeated_for_its_outcome(
    ask: Ask, functions: Functions, api: ApiClient
) -> None:
    run = ask([*accounts(1), {"name": ""}])
    outcome = imported(run, functions)
    functions.events.clear()
    assert imported(run, functions) == outcome, "its worker was lost before it sent the outcome"
    assert functions.events == []


def test_after_four_lost_workers_an_import_fails(ask: Ask, functions: Functions) -> None:
    run = ask(accounts(1))
    functions.before = _killed
    for _ in range(4):
        with pytest.raises(Killed):
            imported(run, functions)
    functions.before = lambda _: None
    with pytest.raises(JobFailed, match="WorkerLost"):
        imported(run, functions)


class OtherWorker:
    """A worker that takes a task over while a slower one sends its first batches.

    They wait for it: two workers with one batch at once answer each other with 409, and repeat it.
    """

    def __init__(self, functions: Functions, run: dict[str, Any], events: int) -> None:
        self.functions, self._run, self._once = Functions(), run, itertools.count()
        self._at_work = threading.Lock()
        self.outcome: dict[str, Any] = {}
        self.functions.after = lambda event, answer: (
            answer if len(self.functions.events) <= events else _killed(event)
        )
        functions.before = self._take_over

    def _take_over(self, _: Invocation) -> None:
        with self._at_work:
            if not next(self._once):
                with suppress(Killed):
                    self.outcome = imported(self._run, self.functions)


def test_a_slower_worker_finds_the_work_done(
    ask: Ask, functions: Functions, cloud: Any, tiny: None
) -> None:
    """The queue delivers the task of a worker that seems lost again; then that one goes on."""
    run = ask(RECORDS)
    other = OtherWorker(functions, run, events=100)
    outcome = imported(run, functions)
    assert outcome == other.outcome
    assert {**outcome, **OUTCOME} == outcome
    assert [one["line"] for one in rejected(run)] == REJECTED
    assert sorted(event["type"] for event in published(cloud)) == EVENTS


def test_a_slower_worker_goes_on_where_the_other_one_was_killed(
    ask: Ask, functions: Functions, cloud: Any, tiny: None
) -> None:
    run = ask(RECORDS)
    other = OtherWorker(functions, run, events=4)
    outcome = imported(run, functions)
    assert other.outcome == {}
    assert {**outcome, **OUTCOME} == outcome
    assert [one["line"] for one in rejected(run)] == REJECTED
    assert sorted(event["type"] for event in published(cloud)) == EVENTS
    lines = sorted(int(key.rpartition("-")[2]) for key in functions.keys)
    assert lines == [1, 3, 8, 10, 12], "its first group, and then behind the other's checkpoint"


def test_a_batch_of_which_a_part_failed_and_a_worker_that_was_killed_make_no_record_twice(
    ask: Ask, functions: Functions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API forgets the key of a batch with an item that may be sent again."""
    transact, faults = Table.transact, itertools.count()

    def throttled_once(self: Table, actions: Any) -> None:
        if "ACCOUNT#" in str(actions) and not next(faults):
            raise ClientError({"Error": {"Code": "ThrottlingException"}}, "TransactWriteItems")
        transact(self, actions)

    run = ask([{"name": "A"}, {"name": "B"}, {"name": "C"}])
    monkeypatch.setattr(Table, "transact", throttled_once)
    functions.after = lambda event, answer: answer if len(functions.events) < 2 else _killed(event)
    with pytest.raises(Killed):
        imported(run, functions)
    functions.after = lambda _, answer: answer
    assert imported(run, functions)["created"] == 3
    assert len(all_accounts(functions)) == 3


def test_a_task_that_is_delivered_twice_is_done_once(
    ask: Ask, functions: Functions, cloud: Any
) -> None:
    run = ask(accounts(3))
    first, second = (a_job(functions).run(a_task(run), JobControl()) for _ in range(2))
    assert first == second
    assert [event["type"] for event in published(cloud)] == ["AccountCreated"] * 3


def test_parts_of_rejected_lines_are_counted(ask: Ask, functions: Functions, tiny: None) -> None:
    run = ask(RECORDS)
    imported(run, functions)
    assert stored(run) == [
        "checkpoint.json",
        "rejected.jsonl",
        "rejected/1.jsonl",
        "rejected/2.jsonl",
        "rejected/3.jsonl",
    ]
