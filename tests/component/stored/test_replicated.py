"""Records of which another region sent only a part are completed (`complete`)."""

import json
from typing import Any

import pytest

from customers.handlers.maintenance import handler as maintenance
from kernel.runtime import aws
from kernel.storage.packing import pack, unpack
from kernel.storage.replicated import complete
from opportunities.bootstrap import stores
from opportunities.handlers.api import handler
from tests.component.conftest import ApiClient

RUN = "region-move-1"
type Item = dict[str, Any]


@pytest.fixture
def record(cloud: Any) -> Item:
    """A record with three versions and four events, and an external id."""
    api = ApiClient(handler)
    made = api("POST", "/opportunities", {"name": "One", "external_ids": {"erp": "7"}}).json
    path = f"/opportunities/{made['id']}"
    money = {"minor_units": 5, "currency": "USD"}
    for change in ({"name": "Two", "amount": money}, {"name": "Three"}):
        assert api("PATCH", path, change, {"if-match": "*"}).status == 200
    found: Item = api("GET", path).json
    return found


def key(record: Item, kind: str = "OPPORTUNITY") -> str:
    return f"TENANT#acme#{kind}#{record['id']}"


def take(cloud: Any, pk: str, *sks: str) -> list[Item]:
    """Remove items, which have not arrived, and return them."""
    taken = []
    for sk in sks:
        address = {"pk": {"S": pk}, "sk": {"S": sk}}
        answer = cloud.delete_item(TableName="table", Key=address, ReturnValues="ALL_OLD")
        taken.append(answer["Attributes"])
    return taken


def event(number: int) -> str:
    return f"EVENT#{number:012d}"


def items(cloud: Any, pk: str) -> dict[str, Item]:
    found = cloud.scan(TableName="table")["Items"]
    return {one["sk"]["S"]: one for one in found if one["pk"]["S"] == pk}


def document(item: Item) -> Item:
    found: Item = json.loads(unpack(item["doc" if "doc" in item else "detail"]["B"]))
    return found


def run(record: Item, since: int = 0) -> Item:
    return complete(stores(), {key(record): since}, RUN).document()


def counts(result: Item) -> Item:
    return {name: value for name, value in result.items() if value}


def test_a_complete_record_is_not_written(cloud: Any, record: Item) -> None:
    before = cloud.scan(TableName="table")["Items"]
    assert counts(run(record)) == {"read": 1, "complete": 1}
    assert cloud.scan(TableName="table")["Items"] == before


def test_a_state_behind_its_last_event_becomes_that_event_s(cloud: Any, record: Item) -> None:
    right = items(cloud, key(record))["STATE"]
    take(cloud, key(record), "STATE")
    assert counts(run(record)) == {"read": 1, "advanced": 1}
    state = items(cloud, key(record))["STATE"]
    assert document(state) == document(right)
    assert {n: v for n, v in state.items() if n != "doc"} == {
        n: v for n, v in right.items() if n != "doc"
    }
    assert ApiClient(handler)("GET", f"/opportunities/{record['id']}").json == record
    assert counts(run(record)) == {"read": 1, "complete": 1}, "again it changes nothing"


def test_missing_events_are_published_with_the_state_afterwards(cloud: Any, record: Item) -> None:
    ids = [document(one)["id"] for sk, one in sorted(items(cloud, key(record)).items())[:-1]]
    take(cloud, key(record), event(2), event(4))
    assert counts(run(record, since=1)) == {"read": 1, "events": 2}
    found = items(cloud, key(record))
    assert sorted(found) == [*(event(n) for n in (1, 2, 3, 4)), "STATE"]
    for number in (2, 4):
        published = document(found[event(number)])
        assert published["sequence"] == str(number)
        assert published["correlationid"] == RUN
        assert published["data"]["current"]["name"] == "Three"
    times = [document(found[event(n)])["id"][:10] for n in (1, 2, 3, 4)]
    assert times == sorted(times), "ids grow with the sequence"
    assert times[1] == ids[2][:10]


def test_events_that_were_there_before_are_not_looked_for(cloud: Any, record: Item) -> None:
    """They expire after a week."""
    take(cloud, key(record), event(1), event(2))
    assert counts(run(record, since=2)) == {"read": 1, "complete": 1}


def test_an_event_of_a_replaced_history_is_deleted(cloud: Any, record: Item) -> None:
    """It would take the sequence of the record's next event."""
    (third,) = take(cloud, key(record), event(4))
    take(cloud, key(record), "STATE")
    assert counts(run(record)) == {"read": 1, "advanced": 1}
    cloud.update_item(
        TableName="table",
        Key={"pk": {"S": key(record)}, "sk": {"S": event(3)}},
        UpdateExpression="SET epoch = :e",
        ExpressionAttributeValues={":e": {"N": "3"}},
    )
    cloud.put_item(TableName="table", Item={**third, "epoch": {"N": "2"}})
    assert counts(run(record)) == {"read": 1, "dropped": 1}
    api = ApiClient(handler)
    path = f"/opportunities/{record['id']}"
    assert api("PATCH", path, {"name": "Four"}, {"if-match": "*"}).status == 200


def test_an_event_of_the_same_epoch_is_late_and_not_replaced(cloud: Any, record: Item) -> None:
    (last,) = take(cloud, key(record), event(4))
    take(cloud, key(record), "STATE")
    run(record)
    cloud.put_item(TableName="table", Item=last)
    assert counts(run(record)) == {"read": 1, "advanced": 1}
    assert document(items(cloud, key(record))["STATE"])["name"] == "Three"


def test_the_item_of_an_external_id_is_written_again(cloud: Any, record: Item) -> None:
    take(cloud, "TENANT#acme#EXTERNAL#OPPORTUNITY#erp#7", "EXTERNAL")
    state = items(cloud, key(record))["STATE"]
    assert counts(run(record)) == {"read": 1}
    found = ApiClient(handler)("GET", "/opportunities?external_id=erp:7").json["items"]
    assert [one["id"] for one in found] == [record["id"]]
    assert items(cloud, key(record))["STATE"] == state


def test_an_external_id_that_another_record_has_is_a_failure_with_its_reason(
    cloud: Any, record: Item
) -> None:
    take(cloud, "TENANT#acme#EXTERNAL#OPPORTUNITY#erp#7", "EXTERNAL")
    other = {"name": "X", "external_ids": {"erp": "7"}}
    second = ApiClient(handler)("POST", "/opportunities", other).json
    (failure,) = run(record)["failed"]
    reason = f"{second['id']} has one of its external ids."
    assert failure == {"record": key(record), "reason": reason}


def test_the_item_of_a_unique_text_is_written_again(cloud: Any) -> None:
    made = ApiClient(handler)("POST", "/products", {"name": "GTX Basic", "code": "GTX"}).json
    before = cloud.scan(TableName="table")["Items"]
    (unique,) = [one for one in before if one["sk"]["S"] == "UNIQUE"]
    take(cloud, unique["pk"]["S"], "UNIQUE")
    assert counts(complete(stores(), {key(made, "PRODUCT"): 0}, RUN).document()) == {"read": 1}
    assert items(cloud, unique["pk"]["S"]) == {"UNIQUE": unique}


def test_a_record_that_is_changed_meanwhile_is_read_again(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(cloud, key(record), event(2))
    (store,) = [one for one in stores() if one.record_type == "opportunity"]
    transact, changed = store.table.transact, list[bool]()

    def meanwhile(actions: Any) -> None:
        if not changed:
            changed.append(True)
            api = ApiClient(handler)
            path = f"/opportunities/{record['id']}"
            assert api("PATCH", path, {"name": "Four"}, {"if-match": "*"}).status == 200
        transact(actions)

    monkeypatch.setattr(store.table, "transact", meanwhile)
    result = complete([store], {key(record): 0}, RUN).document()
    assert counts(result) == {"read": 1, "events": 1}
    assert document(items(cloud, key(record))[event(2)])["data"]["current"]["name"] == "Four"


def test_keys_of_no_record_are_left_alone(cloud: Any) -> None:
    since = {"TENANT#acme#POSITION#board#x": 0, "TENANT#acme#OPPORTUNITY#gone": 0, "x": 0}
    result = complete(stores(), since, RUN).document()
    assert result["failed"] == []
    assert cloud.scan(TableName="table")["Items"] == []


def test_too_many_events_of_one_record_are_a_failure_with_its_reason(
    cloud: Any, record: Item
) -> None:
    (entry,) = take(cloud, key(record), event(1))
    for number in range(5, 100):
        cloud.put_item(TableName="table", Item={**entry, "sk": {"S": event(number)}})
    (failure,) = run(record)["failed"]
    assert failure == {"record": key(record), "reason": "There are more than 90 events since then."}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"records": ["x"]}, "sequences by partition key"),
        ({"records": {"x": -1}}, "sequences by partition key"),
        ({"records": {"x": "1"}}, "sequences by partition key"),
        ({"records": {str(n): 0 for n in range(201)}}, "at most 200"),
        ({"run": "x"}, "begins with region-move-"),
        ({"run": None}, "begins with region-move-"),
    ],
)
def test_a_wrong_command_is_refused(cloud: Any, change: Item, message: str) -> None:
    command = {"command": "complete", "records": {}, "run": RUN, **change}
    with pytest.raises(ValueError, match=message):
        maintenance(command, None)


def test_the_maintenance_function_completes_records(cloud: Any, record: Item) -> None:
    from opportunities.handlers.maintenance import handler as of_opportunities

    take(cloud, key(record), event(2))
    command = {"command": "complete", "records": {key(record): 1}, "run": RUN}
    assert counts(of_opportunities(command, None)) == {"read": 1, "events": 1}


def set_attribute(cloud: Any, pk: str, sk: str, name: str, value: Item) -> None:
    cloud.update_item(
        TableName="table",
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="SET #n = :v",
        ExpressionAttributeNames={"#n": name},
        ExpressionAttributeValues={":v": value},
    )


def test_a_state_that_is_right_is_not_written(cloud: Any, record: Item) -> None:
    """A later one may be on its way, and would lose against it."""
    take(cloud, key(record), event(2))
    sent: list[Item] = []
    aws.client("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems", lambda params, **_: sent.append(params)
    )
    run(record)
    kinds = [next(iter(one)) for one in sent[-1]["TransactItems"]]
    assert kinds == ["ConditionCheck", "Put"]


def test_a_replacement_has_the_epoch_of_the_history_in_which_an_event_was_missing(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 3):
        set_attribute(cloud, key(record), event(number), "epoch", {"N": str(number)})
    take(cloud, key(record), event(2), event(4))
    monkeypatch.setattr("kernel.storage.outbox.write_epoch", lambda: 9)
    run(record)
    found = items(cloud, key(record))
    assert [found[event(n)]["epoch"]["N"] for n in (1, 2, 3, 4)] == ["1", "3", "3", "3"]


def test_a_replaced_event_that_is_another_one_by_now_is_not_deleted(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = items(cloud, key(record))[event(4)]
    set_attribute(cloud, key(record), event(4), "epoch", {"N": "3"})
    stale = {**last, "sk": {"S": event(5)}, "epoch": {"N": "2"}}
    cloud.put_item(TableName="table", Item=stale)
    (store,) = [one for one in stores() if one.record_type == "opportunity"]
    transact = store.table.transact

    def meanwhile(actions: Any) -> None:
        set_attribute(cloud, key(record), event(5), "epoch", {"N": "3"})
        transact(actions)

    monkeypatch.setattr(store.table, "transact", meanwhile)
    complete([store], {key(record): 0}, RUN)
    assert event(5) in items(cloud, key(record))


def test_what_events_do_not_publish_is_kept(cloud: Any, record: Item) -> None:
    """Such as a field of a later release."""
    state = items(cloud, key(record))["STATE"]
    older = {**document(state), "later_field": 1, "version": 1, "sequence": 1, "name": "One"}
    del older["amount"]
    packed = pack(json.dumps(older, separators=(",", ":")))
    cloud.put_item(TableName="table", Item={**state, "version": {"N": "1"}, "doc": {"B": packed}})
    assert counts(run(record)) == {"read": 1, "advanced": 1}
    after = document(items(cloud, key(record))["STATE"])
    assert (after["later_field"], after["name"], after["sequence"]) == (1, "Three", 4)
