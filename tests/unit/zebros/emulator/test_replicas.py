"""Replicas of tables: the later of two writes wins, and only own writes are sent."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zebros.emulator import journal as journals
from zebros.emulator import replicas, snapshot
from zebros.emulator.journal import Journal
from zebros.emulator.replicas import Replicas

EAST, WEST = "us-east-1", "us-west-2"
KIND = "AWS::DynamoDB::GlobalTable"
KEYS = ("pk", "sk")
PROPS: dict[str, Any] = {
    "TableName": "deals",
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [
        {"AttributeName": name, "KeyType": kind}
        for name, kind in zip(KEYS, ("HASH", "RANGE"), strict=True)
    ],
    "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in KEYS],
    "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    "Replicas": [{"Region": EAST}, {"Region": WEST}],
}


class East:
    """The platform of the east: its table, and what the replicator asks of it."""

    def __init__(self, emulator: Callable[[str], Any], props: dict[str, Any] = PROPS) -> None:
        self.replicas, self.tables = Replicas(EAST), emulator("services.dynamodb")
        replicas.apply(self.replicas)
        handlers = emulator("services.cloudformation.provisioners")._RESOURCE_HANDLERS
        handlers[KIND]["create"]("Deals", props, "zebros")

    def put(self, sk: str, value: str) -> None:
        self.tables._put_item({"TableName": "deals", "Item": item(sk, value)})

    def delete(self, sk: str) -> None:
        self.tables._delete_item({"TableName": "deals", "Key": key(sk)})

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        sent = {name: [value] for name, value in query.items()}
        status, answer = replicas.answer(
            self.replicas, method, path, sent, json.dumps(body).encode()
        )
        return {"status": status, **answer}

    def sent(self, position: int = 0) -> list[list[Any]]:
        """The key, value and time of the writes that go to the other region."""
        answer = self.ask("POST", "replicas/reads", {"positions": {"deals": position}})
        return [
            [keys["sk"]["S"], new and new["value"]["S"], at]
            for keys, new, at in answer["tables"]["deals"]["changes"]
        ]

    def store(self, *changes: tuple[str, str | None, float]) -> dict[str, Any]:
        """Store writes of the west."""
        listed = [[key(sk), value and item(sk, value), at] for sk, value, at in changes]
        body = {"region": WEST, "changes": listed}
        return self.ask("POST", "replicas/writes", body, table="deals")

    def values(self) -> dict[str, str]:
        scanned = json.loads(self.tables._scan({"TableName": "deals"})[2])
        return {one["sk"]["S"]: one["value"]["S"] for one in scanned["Items"]}


def key(sk: str) -> dict[str, Any]:
    return {"pk": {"S": "P"}, "sk": {"S": sk}}


def item(sk: str, value: str) -> dict[str, Any]:
    return {**key(sk), "value": {"S": value}}


@pytest.fixture
def east(emulator: Any, patched: Any) -> Iterator[East]:
    with patched():
        yield East(emulator)


def test_cloudformation_ignores_replicas_when_unpatched(emulator: Any) -> None:
    handlers = emulator("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    handlers[KIND]["create"]("Deals", PROPS, "zebros")
    described = emulator("services.dynamodb")._table_description("deals")
    assert "Replicas" not in described


def test_a_table_of_a_template_has_its_replicas(east: East) -> None:
    described = east.tables._table_description("deals")
    assert [one["RegionName"] for one in described["Replicas"]] == [WEST]


def test_own_writes_are_sent_in_order_and_those_of_the_other_region_are_not(east: East) -> None:
    east.put("a", "1")
    east.put("a", "2")
    east.store(("b", "west", 1.0))
    east.delete("a")
    sent = east.sent()
    assert [(sk, value) for sk, value, _ in sent] == [("a", "1"), ("a", "2"), ("a", None)]
    times = [at for *_, at in sent]
    assert times == sorted(set(times)), "each write is later than the one before it"
    assert len(east.sent(position=2)) == 1, "the position counts all records"


def test_of_two_writes_to_an_item_the_later_one_wins(east: East) -> None:
    east.put("a", "east")
    (_, _, at) = east.sent()[0]
    assert east.store(("a", "before", at - 1)) == {"status": 200, "stored": 0, "dropped": 1}
    assert east.values() == {"a": "east"}
    assert east.store(("a", "after", at + 1))["stored"] == 1
    assert east.values() == {"a": "after"}
    assert east.store(("a", "after", at + 1))["dropped"] == 1, "a write is stored once"
    assert east.store(("a", "between", at + 0.5))["dropped"] == 1


def test_of_two_writes_of_one_moment_both_regions_choose_the_same(east: East) -> None:
    east.put("a", "east")
    (_, _, at) = east.sent()[0]
    assert east.store(("a", "west", at))["stored"] == 1, "us-west-2 is greater than us-east-1"


def test_a_deleted_item_stays_deleted_for_an_earlier_write(east: East) -> None:
    east.store(("a", "1", 10.0), ("a", None, 20.0))
    assert east.store(("a", "1", 10.0))["dropped"] == 1
    assert east.values() == {}


def test_an_item_that_was_deleted_elsewhere_before_it_arrived_is_not_stored(east: East) -> None:
    east.store(("a", None, 20.0))
    assert east.store(("a", "1", 10.0))["dropped"] == 1


def test_a_replicated_write_is_in_the_stream(east: East) -> None:
    east.store(("EVENT#1", "1", 10.0))
    (record,) = east.tables._stream_records["deals"]
    assert record["eventName"] == "INSERT"


def test_stamps_survive_a_crash(east: East, patched: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with patched(lambda: journals.record_changes(journal), partial(replicas.apply, east.replicas)):
        journal.open(1)
        east.put("a", "east")
        east.store(("b", "west", 10.0))
        journal.close()
        before = east.sent()
        table = east.tables._tables["deals"]
        table["items"].clear()
        east.tables._items_replaced(table)
        del east.tables._stream_records["deals"]
        east.replicas.__init__(EAST)  # type: ignore[misc]  # as after a start
        journals.apply_again(journal, 1)
    assert east.sent() == before, "a write of before the crash is not one of now"
    assert east.store(("b", "older", 9.0))["dropped"] == 1


def test_the_whole_stream_of_a_replica_is_in_a_snapshot(east: East) -> None:
    east.put("a", "1")
    saved = snapshot._streams()["tables"]["deals"]
    assert (saved[0], len(saved[1])) == (0, 1)
    east.tables._tables["deals"][replicas.REGIONS] = []
    assert snapshot._streams()["tables"]["deals"] == (1, [])


def test_a_replica_begins_with_the_items_of_the_table(east: East) -> None:
    east.put("a", "1")
    definition = east.ask("GET", "replicas", table="deals")
    west = Replicas(WEST)
    answer = replicas.answer(west, "POST", "replicas", {}, json.dumps(definition).encode())
    assert answer[0] == 200
    assert f":{WEST}:" in answer[1]["stream"]
    at = definition["items"][0][3]
    older = {"region": EAST, "changes": [[key("a"), item("a", "0"), at - 1]]}
    asked = ("POST", "replicas/writes", {"table": ["deals"]}, json.dumps(older).encode())
    assert replicas.answer(west, *asked) == (200, {"stored": 0, "dropped": 1})
    again = replicas.answer(west, "POST", "replicas", {}, json.dumps(definition).encode())
    assert again == answer, "a second time changes nothing"


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "replicas", None, 404),
        ("POST", "replicas/writes", {"changes": []}, 422),
        ("POST", "replicas/reads", {}, 422),
        ("POST", "replicas", {"table": {}}, 422),
        ("DELETE", "replicas", None, 404),
    ],
)
def test_a_wrong_request_is_refused(
    east: East, method: str, path: str, body: Any, status: int
) -> None:
    answer = east.ask(method, path, body, table="unknown")
    assert answer["status"] == status
    assert answer["error"]


def test_writes_of_one_moment_have_an_order(east: East, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "time", SimpleNamespace(time=lambda: 1.8e9))
    stamps = [east.replicas.new_stamp() for _ in range(3)]
    assert stamps == sorted(set(stamps))
