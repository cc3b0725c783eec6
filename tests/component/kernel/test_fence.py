"""The fence before a region's real clients: nothing is written or published without a permit."""

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from kernel.domain.errors import ReadOnlyRegion
from kernel.messaging import relay
from kernel.messaging.positions import Position, PositionStore
from kernel.runtime import aws
from kernel.runtime.fence import KEY, MOVING, OPEN, VALID_S, FenceRecord, read_record
from kernel.storage.packing import pack
from kernel.storage.table import Add, Check, Delete, Put, Table
from tests.component.conftest import ApiClient, clear_caches, create_table
from tests.component.kernel.queues import event
from tests.component.test_budgets import OPPORTUNITY, Meter

HERE, THERE = "us-east-1", "us-west-2"


def store(client: Any, record: FenceRecord) -> None:
    """Store the fence record, as a move of writes does."""
    item = {
        "epoch": {"N": str(record.epoch)},
        "state": {"S": record.state},
        "writer": {"S": record.writer},
    }
    client.put_item(TableName="fence", Item={**KEY, **item})


@pytest.fixture
def two_regions(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A system with a second region; this one writes. Yields a client without a fence."""
    create_table(cloud, "fence")
    monkeypatch.setenv("FENCE_TABLE_NAME", "fence")
    monkeypatch.setenv("REGION_ROLE", "primary")
    clear_caches()
    yield cloud
    monkeypatch.delenv("FENCE_TABLE_NAME")
    clear_caches()


def moved_away(client: Any) -> None:
    """The other region writes, and this process's permit has expired."""
    store(client, FenceRecord(2, OPEN, THERE))
    aws.fence.cache_clear()
    aws.client.cache_clear()


def table() -> Table:
    return Table(aws.client("dynamodb"), "table")


ITEM = {"pk": "TENANT#acme#X#1", "sk": "STATE", "version": 1}
WRITES: dict[str, Callable[[Table], None]] = {
    "a transaction": lambda one: one.transact([Put(ITEM)]),
    "a transaction of a check": lambda one: one.transact(
        [Check("TENANT#acme#X#1", "STATE", ReadOnlyRegion("")), Put({**ITEM, "sk": "OTHER"})]
    ),
    "a put": lambda one: one.put(ITEM),
    "a put on a condition": lambda one: one.put_if(Put(ITEM, absent=True)),
    "a counter": lambda one: one.add(Add(ITEM["pk"], "COUNT", {"n": 1})),
    "a delete": lambda one: one.delete("TENANT#acme#X#1", "STATE"),
    "a position": lambda one: _move_position(one),
    "a delete in a transaction": lambda one: one.transact([Delete("TENANT#acme#X#1", "STATE")]),
    "a sibling table": lambda one: one.sibling("table").put(ITEM),
}


def _move_position(one: Table) -> None:
    positions = PositionStore("board", lambda: one)
    moved = event("acme", "opportunity/1", 1)
    positions.move(Position(f"TENANT#acme#POSITION#board#{moved['subject']}"))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_is_refused_where_another_region_writes(
    two_regions: Any, write: Callable[[Table], None]
) -> None:
    moved_away(two_regions)
    two_regions.put_item(TableName="table", Item={"pk": {"S": ITEM["pk"]}, "sk": {"S": "OLD"}})
    with pytest.raises(ReadOnlyRegion):
        write(table())
    assert [one["sk"]["S"] for one in two_regions.scan(TableName="table")["Items"]] == ["OLD"]


@pytest.mark.parametrize("operation", ["batch_write_item", "execute_statement", "update_table"])
def test_what_is_not_known_to_read_needs_a_permit(two_regions: Any, operation: str) -> None:
    """Also an operation that no code uses yet."""
    moved_away(two_regions)
    arguments: dict[str, Any] = {
        "batch_write_item": {"RequestItems": {"table": [{"PutRequest": {"Item": {}}}]}},
        "execute_statement": {"Statement": "DELETE FROM table"},
        "update_table": {"TableName": "table"},
    }[operation]
    with pytest.raises(ReadOnlyRegion):
        getattr(aws.client("dynamodb"), operation)(**arguments)


def test_reads_go_on_where_another_region_writes(two_regions: Any) -> None:
    moved_away(two_regions)
    assert table().get("TENANT#acme#X#1", "STATE", consistent=True) is None
    assert table().get_many([("TENANT#acme#X#1", "STATE")]) == []
    assert table().query("TENANT#acme#X#1").items == []


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_is_carried_out_where_the_record_names_this_region(
    two_regions: Any, write: Callable[[Table], None]
) -> None:
    store(two_regions, FenceRecord(3, OPEN, HERE))
    two_regions.put_item(
        TableName="table", Item={"pk": {"S": "TENANT#acme#X#1"}, "sk": {"S": "STATE"}}
    ) if write is WRITES["a transaction of a check"] else None
    write(table())


def test_a_secondary_writes_nothing_before_the_first_move(
    two_regions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REGION_ROLE", "secondary")
    with pytest.raises(ReadOnlyRegion):
        table().put(ITEM)
    monkeypatch.setenv("REGION_ROLE", "primary")
    aws.fence.cache_clear()
    aws.client.cache_clear()
    table().put(ITEM)


def test_every_attempt_of_a_request_is_checked(
    two_regions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore repeats a request by itself; by then another region may write."""
    client = aws.client("dynamodb")
    now = [0.0]
    fence = aws.fence()
    monkeypatch.setattr(fence, "_monotonic", lambda: now[0])
    sent: list[str] = []

    def fails(request: Any, **_: Any) -> Any:
        sent.append(request.url)
        # The first attempt takes so long that the permit ends, and the writes have moved.
        now[0] += VALID_S + 1
        store(two_regions, FenceRecord(2, OPEN, THERE))
        return AWSResponse(request.url, 500, {}, _Body())

    client.meta.events.register_first("before-send.dynamodb.PutItem", fails)
    with pytest.raises(ReadOnlyRegion):
        table().put(ITEM)
    assert len(sent) == 1


class _Body:
    """The empty body of a response."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield b""

    def read(self, *_: Any) -> bytes:
        return b""


def test_a_change_is_a_problem_that_says_what_to_do(two_regions: Any) -> None:
    from opportunities.handlers.api import handler

    moved_away(two_regions)
    answer = ApiClient(handler)("POST", "/opportunities", OPPORTUNITY, {"idempotency-key": "k"})
    assert (answer.status, answer.json["type"]) == (503, "urn:zebros:problem:read-only-region")
    assert "another region writes" in answer.json["detail"]
    assert answer.headers["retry-after"] == "10"
    assert not two_regions.scan(TableName="table")["Items"]


def test_every_record_of_a_batch_is_refused_alike(two_regions: Any) -> None:
    from opportunities.handlers.api import handler

    moved_away(two_regions)
    row = {**OPPORTUNITY, "external_ids": {"erp": "1"}}
    answer = ApiClient(handler)("POST", "/opportunities/batch", {"items": [row]})
    (result,) = answer.json["results"]
    assert result["problem"]["type"] == "urn:zebros:problem:read-only-region"


def test_a_busy_process_reads_the_record_once(
    two_regions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opportunities.handlers.api import handler

    reads: list[FenceRecord | None] = []
    for clock in ("_monotonic", "_wall"):  # on a busy machine the requests take longer than a read
        monkeypatch.setattr(aws.fence(), clock, lambda: 0.0)
    read = aws.fence()._read
    monkeypatch.setattr(aws.fence(), "_read", lambda: reads.append(read()) or reads[-1])
    api, meter = ApiClient(handler), Meter()
    for _ in range(5):
        assert api("POST", "/opportunities", OPPORTUNITY).status == 201
    calls = meter.taken()
    assert (calls["TransactWriteItems"], calls["BatchGetItem"]) == (5, 5), "as without a fence"
    assert len(reads) == 1


def test_the_record_is_read_consistently(two_regions: Any) -> None:
    store(two_regions, FenceRecord(7, MOVING, THERE))
    asked: list[dict[str, Any]] = []
    two_regions.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params)
    )
    assert read_record(two_regions, "fence") == FenceRecord(7, MOVING, THERE)
    assert [one["ConsistentRead"] for one in asked] == [True]


@pytest.mark.parametrize("broken", [{"epoch": {"S": "x"}}, {}, {"epoch": {"N": "1"}}])
def test_a_record_that_cannot_be_read_gives_no_permit(two_regions: Any, broken: Any) -> None:
    two_regions.put_item(TableName="fence", Item={**KEY, **broken})
    with pytest.raises(ReadOnlyRegion):
        table().put(ITEM)


def test_a_missing_table_gives_no_permit(two_regions: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FENCE_TABLE_NAME", "none")
    with pytest.raises(ReadOnlyRegion):
        table().put(ITEM)


def stream_records(count: int) -> list[dict[str, Any]]:
    detail = pack(json.dumps(event("acme", "opportunity/1", 1)))
    return [
        {
            "dynamodb": {
                "SequenceNumber": str(number),
                "Keys": {"pk": {"S": "TENANT#acme#X#1"}, "sk": {"S": f"EVENT#{number:012d}"}},
                "NewImage": {"detail": {"B": detail}},
            }
        }
        for number in range(1, count + 1)
    ]


def test_a_relay_publishes_nothing_where_another_region_writes(
    two_regions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUS_NAME", "bus")
    pauses: list[float] = []
    monkeypatch.setattr(relay.time, "sleep", pauses.append)
    moved_away(two_regions)
    answer = relay.handler({"Records": stream_records(3)}, None)
    failed = [one["itemIdentifier"] for one in answer["batchItemFailures"]]
    assert failed == ["1", "2", "3"], "none is skipped"
    assert pauses == [relay._READ_ONLY_PAUSE_S], "Lambda discards a record after 300 attempts"
    store(two_regions, FenceRecord(3, OPEN, HERE))
    aws.fence.cache_clear()
    aws.client.cache_clear()
    assert relay.handler({"Records": stream_records(3)}, None) == {"batchItemFailures": []}


def test_an_outbox_entry_has_the_epoch_in_which_it_was_written(two_regions: Any) -> None:
    from opportunities.handlers.api import handler

    store(two_regions, FenceRecord(7, OPEN, HERE))
    assert ApiClient(handler)("POST", "/opportunities", OPPORTUNITY).status == 201
    items = two_regions.scan(TableName="table")["Items"]
    entries = [one for one in items if one["sk"]["S"].startswith("EVENT#")]
    assert [one["epoch"] for one in entries] == [{"N": "7"}] * len(entries)
    assert entries


def test_an_outbox_entry_of_a_system_with_one_region_has_none(cloud: Any) -> None:
    from opportunities.handlers.api import handler

    assert ApiClient(handler)("POST", "/opportunities", OPPORTUNITY).status == 201
    assert not any("epoch" in one for one in cloud.scan(TableName="table")["Items"])


def test_a_system_with_one_region_never_loads_the_fence(cloud: Any) -> None:
    sys.modules.pop("kernel.runtime.fence", None)
    table().put(ITEM)
    assert "kernel.runtime.fence" not in sys.modules
