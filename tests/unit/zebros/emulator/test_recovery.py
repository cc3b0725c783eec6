"""A table is restored to any time of its history, also after a restart of the platform."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zebros.emulator import recovery
from zebros.emulator.recovery import History


class Clock:
    """The time of the platform, which a test moves."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(2_000_000_000.0)


@pytest.fixture
def tables(emulator: Any, patched: Any, clock: Clock, tmp_path: Path) -> Iterator[Any]:
    """The emulator's tables with a history, and the table `things`."""
    found = emulator("services.dynamodb")
    history = History(tmp_path, clock)
    with patched(lambda: recovery.apply(history, lambda: None)):
        history.open()
        create(found, "things", clock)
        clock.now += 10
        found.history = history
        yield found
    history.close()


def create(tables: Any, name: str, clock: Clock) -> None:
    schema = [
        {"AttributeName": key, "KeyType": kind} for key, kind in (("pk", "HASH"), ("sk", "RANGE"))
    ]
    definitions = [{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")]
    tables._create_table(
        {
            "TableName": name,
            "KeySchema": schema,
            "AttributeDefinitions": definitions,
            "BillingMode": "PAY_PER_REQUEST",
        }
    )
    tables._tables[name]["CreationDateTime"] = int(clock.now)
    tables._pitr_settings[name] = True


def put(tables: Any, pk: str, value: int, sk: str = "a") -> None:
    item = {"pk": {"S": pk}, "sk": {"S": sk}, "n": {"N": str(value)}}
    assert tables._put_item({"TableName": "things", "Item": item})[0] == 200


def delete(tables: Any, pk: str, sk: str = "a") -> None:
    key = {"pk": {"S": pk}, "sk": {"S": sk}}
    assert tables._delete_item({"TableName": "things", "Key": key})[0] == 200


def items(tables: Any, name: str) -> dict[str, int]:
    found = json.loads(tables._scan({"TableName": name})[2])["Items"]
    return {f"{one['pk']['S']} {one['sk']['S']}": int(one["n"]["N"]) for one in found}


def restore(tables: Any, at: float, name: str = "copy") -> dict[str, int]:
    tables._tables.pop(name, None)
    answer = tables._restore_table_to_point_in_time(
        {"SourceTableName": "things", "TargetTableName": name, "RestoreDateTime": at}
    )
    assert answer[0] == 200, answer[2]
    return items(tables, name)


def test_the_unpatched_emulator_copies_the_table_as_it_is(emulator: Any, clock: Clock) -> None:
    tables = emulator("services.dynamodb")
    create(tables, "things", clock)
    at = clock.now
    clock.now += 10
    put(tables, "x", 1)
    assert restore(tables, at) == {"x a": 1}


def test_a_table_is_restored_to_each_time(tables: Any, clock: Clock) -> None:
    seen: dict[float, dict[str, int]] = {}

    def step(change: Callable[[], None]) -> None:
        change()
        seen[clock.now] = items(tables, "things")
        clock.now += 1

    step(lambda: None)
    step(lambda: put(tables, "x", 1))
    step(lambda: put(tables, "x", 2))
    step(lambda: put(tables, "y", 3, "b"))
    step(lambda: delete(tables, "x"))
    step(lambda: put(tables, "x", 4))
    step(lambda: delete(tables, "y", "b"))
    for at, right in seen.items():
        assert restore(tables, at) == right
        assert restore(tables, at + 0.5) == right
    assert items(tables, "things") == seen[max(seen)], "the table itself stays"


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("pq"), st.integers(0, 3))),
    st.integers(0, 20),
)
def test_any_changes_are_undone(
    tables: Any, clock: Clock, changes: list[tuple[str, str, int]], number: int
) -> None:
    clock.now += 1
    at, right = clock.now, items(tables, "things")
    for count, (pk, sk, value) in enumerate(changes):
        clock.now += 1
        if value:
            puts = [{"Put": {"TableName": "things", "Item": whole(pk, sk, value)}}]
            assert tables._transact_write_items({"TransactItems": puts})[0] == 200
        else:
            delete(tables, pk, sk)
        if count == number:
            at, right = clock.now, items(tables, "things")
    assert restore(tables, at) == right


def whole(pk: str, sk: str, value: int) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}, "n": {"N": str(value)}}


def test_a_history_continues_after_a_restart(tables: Any, clock: Clock, tmp_path: Path) -> None:
    put(tables, "x", 1)
    at = clock.now
    clock.now += 5
    put(tables, "x", 2)
    tables.history.close()  # as after kill -9: nothing else is written
    last = sorted(tmp_path.glob("replaced-*"))[-1]
    with last.open("ab") as file:
        file.write(b'[2000000000000, "things", ["x", "a"')  # the line that was being written
    put(tables, "x", 3)  # applied again from the journal, and in the history already
    clock.now += 5
    tables.history.open()
    put(tables, "x", 4)
    assert restore(tables, at) == {"x a": 1}


def test_the_earliest_time_is_that_of_the_table_and_moves_with_the_history(
    tables: Any, clock: Clock, tmp_path: Path
) -> None:
    def described() -> dict[str, Any]:
        answer = json.loads(tables._describe_continuous_backups({"TableName": "things"})[2])
        found = answer["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
        return dict(found)

    created = clock.now - 10
    assert described()["EarliestRestorableDateTime"] == created
    assert described()["LatestRestorableDateTime"] == clock.now
    for at, kind in ((created - 1, "InvalidRestoreTime"), (clock.now + 1, "InvalidRestoreTime")):
        asked = {"SourceTableName": "things", "TargetTableName": "the-copy", "RestoreDateTime": at}
        status, _, body = tables._restore_table_to_point_in_time(asked)
        assert status == 400
        assert kind in str(body)
    clock.now += recovery.RETENTION_S
    assert described()["EarliestRestorableDateTime"] == clock.now - recovery.RETENTION_S
    tables.history.open()
    clock.now += recovery.RETENTION_S + 10
    tables.history.open()
    assert len([*tmp_path.iterdir()]) == 2, "the first segment is not needed any more"
    tables._pitr_settings["things"] = False
    assert "EarliestRestorableDateTime" not in described()
    asked = {
        "SourceTableName": "things",
        "TargetTableName": "the-copy",
        "RestoreDateTime": clock.now,
    }
    assert "PointInTimeRecoveryUnavailable" in str(tables._restore_table_to_point_in_time(asked))


def test_a_history_has_a_size(tmp_path: Path) -> None:
    clock = Clock(2_000_000_000.0)
    history = History(tmp_path, clock, segment_bytes=1_000, max_bytes=5_000)
    history.open()
    for number in range(500):
        clock.now += 1
        history.write("things", ["x", "a"], {"n": {"N": str(number)}})
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 7_000
    assert history.earliest() > 2_000_000_100
    assert history.replaced_since("things", clock.now - 3) == {("x", "a"): {"n": {"N": "497"}}}
    assert history.replaced_since("other", clock.now - 3) == {}
    history.close()


def test_a_copy_is_active_once_it_is_saved(
    emulator: Any, patched: Any, clock: Clock, tmp_path: Path
) -> None:
    import threading

    tables, saved, may_save = emulator("services.dynamodb"), threading.Event(), threading.Event()

    def save() -> None:
        may_save.wait(10)
        saved.set()

    with patched(lambda: recovery.apply(History(tmp_path, clock), save)):
        create(tables, "things", clock)
        assert restore(tables, clock.now) == {}

        def status() -> str:
            return str(
                json.loads(tables._describe_table({"TableName": "copy"})[2])["Table"]["TableStatus"]
            )

        assert status() == "CREATING"
        may_save.set()
        assert saved.wait(10)
        for _ in range(1000):
            if status() == "ACTIVE":
                break
            os.sched_yield()
        assert status() == "ACTIVE"
