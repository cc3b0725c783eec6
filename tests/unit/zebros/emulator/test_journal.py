"""The journal restores all changes, and transactions atomically."""

import json
from pathlib import Path
from typing import Any

import pytest

from zebros.emulator import journal as journals
from zebros.emulator.journal import Journal


@pytest.fixture
def tables(emulator: Any) -> Any:
    found = emulator("services.dynamodb")
    for name, keys in (("plain", ["pk"]), ("sorted", ["pk", "sk"])):
        schema = [
            {"AttributeName": key, "KeyType": kind}
            for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
        ]
        found._create_table(
            {
                "TableName": name,
                "KeySchema": schema,
                "AttributeDefinitions": [
                    {"AttributeName": key, "AttributeType": "S"} for key in keys
                ],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
            }
        )
    return found


def item(pk: str, sk: str | None = None, **more: Any) -> dict[str, Any]:
    return {"pk": {"S": pk}, **({"sk": {"S": sk}} if sk else {}), **more}


def everything(tables: Any) -> dict[str, Any]:
    found = {}
    for name in ("plain", "sorted"):
        listed = tables._scan({"TableName": name})
        found[name] = json.loads(listed[2])["Items"]
    return found


def emptied(tables: Any) -> None:
    for name in ("plain", "sorted"):
        table = tables._tables[name]
        table["items"].clear()
        tables._items_replaced(table)
        tables._stream_records.pop(name, None)


def write(tables: Any) -> None:
    """Every kind of change: put, update, delete, batch, transaction."""
    tables._put_item({"TableName": "plain", "Item": item("a", n={"N": "1"})})
    tables._put_item({"TableName": "plain", "Item": item("b", blob={"B": "AAEC"})})
    tables._update_item(
        {
            "TableName": "plain",
            "Key": item("a"),
            "UpdateExpression": "SET n = :two",
            "ExpressionAttributeValues": {":two": {"N": "2"}},
        }
    )
    tables._delete_item({"TableName": "plain", "Key": item("b")})
    tables._batch_write_item(
        {"RequestItems": {"sorted": [{"PutRequest": {"Item": item("c", "1")}}]}}
    )
    puts = [{"Put": {"TableName": "sorted", "Item": item("d", sk)}} for sk in ("STATE", "EVENT#1")]
    tables._transact_write_items({"TransactItems": puts})


def test_applying_the_journal_restores_all_changes(
    tables: Any, patched: Any, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    journal.open(1)
    with patched(lambda: journals.record_changes(journal)):
        write(tables)
    before = everything(tables)
    assert len(before["plain"]) == 1
    assert len(before["sorted"]) == 3
    emptied(tables)
    journal.close()
    assert journals.apply_again(journal, 1) == 6
    assert everything(tables) == before
    keys = [one["dynamodb"]["Keys"]["sk"]["S"] for one in tables._stream_records["sorted"]]
    assert keys == ["1", "STATE", "EVENT#1"], "the stream has the events again"
    journals.apply_again(journal, 1)
    assert everything(tables) == before, "applying it twice changes nothing"


def test_a_transaction_interrupted_by_a_kill_is_not_restored(
    tables: Any, patched: Any, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    journal.open(1)
    with patched(lambda: journals.record_changes(journal)):
        write(tables)
    journal.close()
    (segment,) = tmp_path.iterdir()
    segment.write_bytes(segment.read_bytes()[:-20])
    emptied(tables)
    assert journals.apply_again(journal, 1) == 5
    assert [one["pk"]["S"] for one in everything(tables)["sorted"]] == ["c"]


def test_segments_before_a_snapshot_are_neither_read_nor_kept(
    tables: Any, patched: Any, tmp_path: Path
) -> None:
    journal = Journal(tmp_path)
    with patched(lambda: journals.record_changes(journal)):
        for segment, name in ((1, "old"), (2, "new")):
            journal.open(segment)
            tables._put_item({"TableName": "plain", "Item": item(name)})
    journal.close()
    emptied(tables)
    journals.apply_again(journal, 2)
    assert [one["pk"]["S"] for one in everything(tables)["plain"]] == ["new"]
    journal.delete_segments(2)
    assert journal.segments() == [2]


def test_items_of_a_deleted_table_are_ignored(tables: Any, patched: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open(1)
    with patched(lambda: journals.record_changes(journal)):
        tables._put_item({"TableName": "plain", "Item": item("a")})
    journal.close()
    tables._delete_table({"TableName": "plain"})
    journals.apply_again(journal, 1)
    assert "plain" not in tables._tables


def test_a_deleted_table_is_deleted_after_a_kill(tables: Any, patched: Any, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.open(1)
    kept = tables._tables["plain"]
    with patched(lambda: journals.record_changes(journal)):
        tables._delete_table({"TableName": "plain"})
        tables._delete_table({"TableName": "unknown"})
    journal.close()
    tables._tables["plain"] = kept
    assert journals.apply_again(journal, 1) == 1
    assert "plain" not in tables._tables
    assert journals.apply_again(journal, 1) == 1, "applying it twice changes nothing"


def test_a_consumer_that_was_paused_is_paused_after_a_kill(
    emulator: Any, patched: Any, tmp_path: Path
) -> None:
    functions = emulator("services.lambda_svc")
    arn = "arn:aws:sqs:us-east-1:000000000000:queue"
    mapping = {"UUID": "m", "EventSourceArn": arn, "Enabled": True, "State": "Enabled"}
    functions._esms["m"] = dict(mapping)
    journal = Journal(tmp_path)
    journal.open(1)
    with patched(lambda: journals.record_changes(journal)):
        functions._update_esm("m", {"Enabled": False})
        functions._update_esm("unknown", {"Enabled": False})
    journal.close()
    functions._esms["m"] = dict(mapping)
    assert journals.apply_again(journal, 1) == 1
    assert functions._esms["m"]["State"] == "Disabled"
