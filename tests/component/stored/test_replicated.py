"""Records of which another region sent only a part are completed (`complete`)."""

import json
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from ulid import ULID

from customers.handlers.maintenance import handler as maintenance
from kernel.domain.errors import StaleVersion
from kernel.domain.ids import ids_at
from kernel.runtime import aws
from kernel.storage import replicated
from kernel.storage.packing import pack, unpack
from kernel.storage.replicated import complete
from opportunities.bootstrap import stores
from opportunities.handlers.api import handler
from tests.component.conftest import ApiClient, clear_caches
from zebros.operations.histories import History, StoredEvent

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


def test_missing_events_are_published_with_the_state_after_them(cloud: Any, record: Item) -> None:
    ids = [document(one)["id"] for sk, one in sorted(items(cloud, key(record)).items())[:-1]]
    take(cloud, key(record), event(2), event(4))
    assert counts(run(record, since=1)) == {"read": 1, "events": 2}
    found = items(cloud, key(record))
    assert sorted(found) == [*(event(n) for n in (1, 2, 3, 4)), "STATE"]
    for number in (2, 4):
        published = document(found[event(number)])
        assert published["sequence"] == str(number)
        assert published["correlationid"] == RUN
        assert published["data"]["current"]["name"] == {2: "Two", 4: "Three"}[number]
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
    take(cloud, key(record), event(4))
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
    found = items(cloud, key(record))
    names = [document(found[event(number)])["data"]["current"]["name"] for number in (4, 5)]
    assert names == ["Four", "Four"]


def test_keys_of_no_record_are_left_alone(cloud: Any) -> None:
    since = {"TENANT#acme#POSITION#board#x": 0, "TENANT#acme#OPPORTUNITY#gone": 0, "x": 0}
    result = complete(stores(), since, RUN).document()
    assert result["failed"] == []
    assert cloud.scan(TableName="table")["Items"] == []


def add_entries(cloud: Any, record: Item, numbers: range) -> None:
    """Store copies of the last outbox entry for later sequences; the state stays behind."""
    last = items(cloud, key(record))[event(4)]
    at = ULID.from_str(document(last)["id"]).datetime
    for number in numbers:
        later = at + timedelta(milliseconds=number)
        one = {**document(last), "sequence": str(number), "id": ids_at(later, 1)[0]}
        entry = {**last, "sk": {"S": event(number)}, "detail": {"B": pack(json.dumps(one))}}
        cloud.put_item(TableName="table", Item=entry)


def test_a_record_with_many_changes_is_completed_like_any_other(cloud: Any, record: Item) -> None:
    """Its replacements take three transactions, and a query reads a part of its events."""
    add_entries(cloud, record, range(5, 400))
    gone = [event(number) for number in (2, *range(100, 350), 398)]
    take(cloud, key(record), *gone)
    found = run(record, since=1)
    assert counts(found) == {"read": 1, "advanced": 1, "events": len(gone)}
    entries = {sk: document(one) for sk, one in items(cloud, key(record)).items() if sk != "STATE"}
    assert sorted(entries) == [event(number) for number in range(1, 400)]
    ids = [one["id"] for _, one in sorted(entries.items())]
    assert ids == sorted(set(ids)), "ids grow with the sequence"
    assert document(items(cloud, key(record))["STATE"])["sequence"] == 399
    assert counts(run(record, since=1)) == {"read": 1, "complete": 1}


def test_events_are_read_page_by_page(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replicated, "_PAGE", 2)
    take(cloud, key(record), event(2))
    assert counts(run(record)) == {"read": 1, "events": 1}
    assert counts(run(record)) == {"read": 1, "complete": 1}


def test_large_replacements_are_not_in_one_transaction(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction has 4 MB, and an event up to 240 KB."""
    monkeypatch.setattr(replicated, "_MAX_BYTES", 400)
    take(cloud, key(record), event(1), event(2), event(3))
    sent: list[int] = []
    aws.client("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: sent.append(len(params["TransactItems"])),
    )
    assert counts(run(record)) == {"read": 1, "events": 3}
    assert len(sent) > 1, sent


def test_a_completion_that_was_killed_between_two_transactions_is_continued(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_entries(cloud, record, range(5, 400))
    take(cloud, key(record), *(event(number) for number in range(5, 350)))
    (store,) = [one for one in stores() if one.record_type == "opportunity"]
    transact, sent = store.table.transact, list[int]()

    def killed(actions: Any) -> None:
        sent.append(len(actions))
        if len(sent) == 2:
            raise KeyboardInterrupt
        transact(actions)

    monkeypatch.setattr(store.table, "transact", killed)
    with pytest.raises(KeyboardInterrupt):
        complete([store], {key(record): 4}, RUN)
    assert document(items(cloud, key(record))["STATE"])["sequence"] == 399, "the state comes first"
    api = ApiClient(handler)
    path = f"/opportunities/{record['id']}"
    assert api("PATCH", path, {"name": "Four"}, {"if-match": "*"}).status == 200
    assert counts(run(record, since=4)) == {"read": 1, "events": 345 - 99}
    assert counts(run(record, since=4)) == {"read": 1, "complete": 1}


def test_a_record_that_is_changed_again_and_again_is_completed_part_by_part(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_entries(cloud, record, range(5, 500))
    take(cloud, key(record), *(event(number) for number in range(5, 490)))
    (store,) = [one for one in stores() if one.record_type == "opportunity"]
    transact, sent = store.table.transact, list[int]()

    def meanwhile(actions: Any) -> None:
        sent.append(len(actions))
        if len(sent) % 2 == 0:
            raise StaleVersion("An event has arrived meanwhile.")
        transact(actions)

    monkeypatch.setattr(store.table, "transact", meanwhile)
    found = complete([store], {key(record): 4}, RUN)
    assert (found.advanced, found.events, found.failed) == (1, 485, [])


def test_what_is_not_begun_in_time_is_sent_again(cloud: Any, record: Item) -> None:
    """The answer is waited for, and records differ."""
    take(cloud, key(record), event(2))
    other = ApiClient(handler)("POST", "/opportunities", {"name": "Other"}).json
    since = {key(record): 1, key(other): 0}
    now = iter([0.0, 9.0])
    found = complete(stores(), since, RUN, lambda: next(now))
    assert (found.read, found.events, found.left) == (1, 1, {key(other): 0})
    found = complete(stores(), found.left, RUN)
    assert (found.read, found.complete, found.left) == (1, 1, {})


def test_a_replacement_has_the_id_of_the_missing_event_of_one_change(
    cloud: Any, record: Item
) -> None:
    """So whoever has got the missing one skips it."""
    (second,) = take(cloud, key(record), event(2))
    run(record)
    replacement = document(items(cloud, key(record))[event(2)])
    assert (replacement["id"], replacement["correlationid"]) == (document(second)["id"], RUN)


@pytest.mark.parametrize("missing", [1, 4])
def test_a_replacement_is_later_than_the_missing_event(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch, missing: int
) -> None:
    """So whoever has got both takes it for the surviving one, whatever their random parts are."""
    monkeypatch.setattr("kernel.domain.ids.secrets.randbits", lambda _bits: 0)
    (lost,) = take(cloud, key(record), event(missing))
    run(record)
    kept = document(items(cloud, key(record))[event(missing)])
    one, other = (
        StoredEvent(found["id"], int(found["sequence"]), 0, b"") for found in (document(lost), kept)
    )
    assert one.id < other.id
    for both in ((one, other), (other, one)):
        history = History.of("opportunity/1", both)
        assert (history.surviving, history.lost) == ((other,), (one,))


def test_of_two_replacements_the_later_move_s_survives(
    cloud: Any, record: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(cloud, key(record), event(4))
    ids = []
    for epoch in (3, 5):
        monkeypatch.setattr(replicated, "write_epoch", lambda epoch=epoch: epoch)
        run(record)
        (entry,) = take(cloud, key(record), event(4))
        ids.append(document(entry)["id"])
    assert ids == sorted(ids)


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


# --- a change meets a record that has arrived in part --------------------------------------------


@pytest.fixture
def two_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    """This region writes since a move: what it writes has the epoch 1."""
    monkeypatch.setattr("kernel.storage.outbox.write_epoch", lambda: 1)


def behind(cloud: Any, record: Item) -> None:
    """Give a record the state before its last change, of which the event has arrived."""
    state = items(cloud, key(record))["STATE"]
    second = document(items(cloud, key(record))[event(3)])["data"]["current"]
    before = {**document(state), **second, "sequence": 3}
    del before["id"]
    packed = pack(json.dumps(before, separators=(",", ":")))
    older = {**state, "version": {"N": "2"}, "doc": {"B": packed}}
    cloud.put_item(TableName="table", Item=older)


@pytest.mark.parametrize(("if_match", "status"), [("*", 200), ('"2"', 412)])
def test_a_change_completes_a_record_that_is_behind_its_event(
    cloud: Any, record: Item, two_regions: None, if_match: str, status: int
) -> None:
    """Otherwise the sequence of its event is used, and it could not be changed for minutes."""
    behind(cloud, record)
    api, path = ApiClient(handler), f"/opportunities/{record['id']}"
    assert api("GET", path).json["name"] == "Two"
    answer = api("PATCH", path, {"team_id": "south"}, {"if-match": if_match})
    assert answer.status == status, answer.text
    found = api("GET", path).json
    assert found["name"] == "Three"
    if status == 412:
        again = api("PATCH", path, {"name": "Four"}, {"if-match": f'"{found["version"]}"'})
        assert again.status == 200, "one repetition is enough"


def test_a_change_deletes_the_event_of_a_replaced_history(
    cloud: Any, record: Item, two_regions: None
) -> None:
    """The lost region is back, and its events arrive before somebody has rejoined it."""
    last = items(cloud, key(record))[event(4)]
    set_attribute(cloud, key(record), event(4), "epoch", {"N": "1"})
    for number in (5, 6):
        cloud.put_item(TableName="table", Item={**last, "sk": {"S": event(number)}})
    api, path = ApiClient(handler), f"/opportunities/{record['id']}"
    answer = api("PATCH", path, {"name": "Four"}, {"if-match": '"3"'})
    assert (answer.status, answer.json["version"]) == (200, 4)
    found = items(cloud, key(record))
    assert document(found[event(5)])["data"]["current"]["name"] == "Four"
    assert event(6) not in found


def test_a_batch_completes_its_records(cloud: Any, record: Item, two_regions: None) -> None:
    behind(cloud, record)
    item = {"external_ids": {"erp": "7"}, "name": "Four"}
    answer = ApiClient(handler)("POST", "/opportunities/batch", {"items": [item]})
    (result,) = answer.json["results"]
    assert result["status"] in (200, 412)
    again = ApiClient(handler)("POST", "/opportunities/batch", {"items": [item]})
    assert again.json["results"][0]["status"] == 200, again.text


def test_a_change_completes_another_record_of_its_transaction(
    cloud: Any, two_regions: None
) -> None:
    """The first opportunity of a tenant creates the default pipeline, of which an event is here."""
    api = ApiClient(handler)
    assert api("POST", "/opportunities", {"name": "One"}).status == 201
    pk = "TENANT#acme#PIPELINE#default"
    take(cloud, pk, "STATE")
    clear_caches()
    answer = api("POST", "/opportunities", {"name": "Two"})
    assert answer.status == 201, answer.text
    assert "STATE" in items(cloud, pk)


def test_a_record_that_cannot_be_completed_says_why(
    cloud: Any, record: Item, two_regions: None
) -> None:
    behind(cloud, record)
    take(cloud, "TENANT#acme#EXTERNAL#OPPORTUNITY#erp#7", "EXTERNAL")
    other = {"name": "X", "external_ids": {"erp": "7"}}
    second = ApiClient(handler)("POST", "/opportunities", other).json
    path = f"/opportunities/{record['id']}"
    answer = ApiClient(handler)("PATCH", path, {"name": "Four"}, {"if-match": "*"})
    assert answer.status == 409
    assert "arrived in part" in answer.json["detail"]
    assert f"{second['id']} has one of its external ids" in answer.json["detail"]


@pytest.mark.parametrize(
    "context",
    [
        *("activities", "customers", "imports", "notifications", "opportunities", "reporting"),
        "scaling",
    ],
)
def test_every_api_can_complete_the_records_of_its_context(context: str) -> None:
    api = import_module(f"{context}.handlers.api").handler
    assert api._stores is import_module(f"{context}.bootstrap").stores


def test_a_system_with_one_region_completes_nothing(cloud: Any, record: Item) -> None:
    """An event beyond a state is then of a table that was restored, whose state is right."""
    behind(cloud, record)
    path = f"/opportunities/{record['id']}"
    answer = ApiClient(handler)("PATCH", path, {"name": "Four"}, {"if-match": '"2"'})
    assert answer.status == 412
    assert document(items(cloud, key(record))["STATE"])["name"] == "Two"
