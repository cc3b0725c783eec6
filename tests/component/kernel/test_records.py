"""The RecordStore: a record and its events are committed atomically, once, in order."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from ulid import ULID

from kernel.domain.aggregate import Aggregate, Change, new_record
from kernel.domain.clock import Clock, utc_now
from kernel.domain.errors import (
    Busy,
    Conflict,
    CrmError,
    NotFound,
    RuleViolation,
    StaleVersion,
    TooLarge,
)
from kernel.domain.events import DomainEvent
from kernel.domain.ids import new_id
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.runtime import aws
from kernel.storage.idempotency import IdempotentRequest
from kernel.storage.outbox import MAX_EVENT_BYTES
from kernel.storage.records import RecordStore
from kernel.storage.table import Action, Add, Check, Put, Table
from kernel.storage.unit_of_work import UnitOfWork
from tests.component.conftest import create_table, examples, published

ADMINISTRATOR = frozenset({Role.ADMINISTRATOR})
ANN = UnitOfWork(RequestContext(Principal("acme", "ann", ADMINISTRATOR), correlation_id="c-1"))


class Thing(Aggregate):
    """A record that belongs to no context."""

    name: str


class ThingHappened(DomainEvent):
    """An event that belongs to no context, so that it has no schema."""

    context: ClassVar[str] = "tests"
    version: ClassVar[int] = 1
    what: str = ""


@pytest.fixture
def store(cloud: Any) -> RecordStore[Thing]:
    return a_store()


def a_store(clock: Clock = utc_now) -> RecordStore[Thing]:
    def index(thing: Thing) -> dict[str, Any]:
        return {"gsi1pk": f"TENANT#{thing.tenant_id}#THINGS", "gsi1sk": thing.name}

    return RecordStore(Table(aws.client("dynamodb"), "table"), Thing, "thing", index, clock)


def a_thing(tenant: str = "acme", **fields: Any) -> Thing:
    return Thing(**new_record(tenant, new_id(), "ann", utc_now()), **{"name": "one", **fields})


def save(
    store: RecordStore[Thing],
    unit: UnitOfWork,
    before: Thing | None,
    after: Thing,
    *events: DomainEvent,
    also: Sequence[Action] = (),
) -> Thing:
    return store.save(unit, before, Change(after, events), *also)


def event(thing: Thing, what: str = "") -> ThingHappened:
    return ThingHappened(current=thing, what=what)


def stored(cloud: Any) -> list[str]:
    """All items of the table, sorted."""
    return sorted(json.dumps(i, default=str) for i in cloud.scan(TableName="table")["Items"])


@contextmanager
def hooked(
    event: str, act: Callable[[int], Any], operation: str = "TransactWriteItems"
) -> Iterator[list[int]]:
    """Call `act` with 1, 2, … at every commit; at `before-call` it may return a response."""
    calls: list[int] = []

    def hook(**_: Any) -> Any:
        calls.append(1)
        return act(len(calls))

    events = aws.client("dynamodb").meta.events
    events.register(f"{event}.dynamodb.{operation}", hook)
    try:
        yield calls
    finally:
        events.unregister(f"{event}.dynamodb.{operation}", hook)


def cancelled(*codes: str) -> tuple[Any, dict[str, Any]]:
    """DynamoDB's response to a transaction that it cancels."""

    class Http:
        status_code = 400

    error = {"Code": "TransactionCanceledException", "Message": "Transaction cancelled"}
    return Http(), {"Error": error, "CancellationReasons": [{"Code": code} for code in codes]}


def rejected(code: str) -> ClientError:
    """The error of a write outside a transaction."""
    return ClientError({"Error": {"Code": code, "Message": ""}}, "x")


def test_a_saved_record_is_read_unchanged(store: RecordStore[Thing], cloud: Any) -> None:
    thing = a_thing(external_ids={"crm": "1"})
    saved = save(store, ANN, None, thing, event(thing, "a"), event(thing, "b"))
    assert (saved.version, saved.sequence, saved.updated_by) == (1, 2, "ann")
    assert store.get("acme", thing.id) == saved
    assert store.id_of("acme", "crm", "1") == thing.id
    announced = published(cloud)
    assert [(f["sequence"], f["data"]["what"]) for f in announced] == [("1", "a"), ("2", "b")]
    assert {f["subject"] for f in announced} == {f"thing/{thing.id}"}
    assert {f["correlationid"] for f in announced} == {"c-1"}
    for envelope in announced:
        assert envelope["data"]["current"]["version"] == 1
        assert "tenant_id" not in envelope["data"]["current"]


def obstacles(
    store: RecordStore[Thing], thing: Thing
) -> dict[str, tuple[dict[str, Any], Any, Any]]:
    """By action of one transaction: the item that makes it fail, and the error."""
    pk = store.key("acme", thing.id)
    return {
        "state": ({"pk": pk, "sk": "STATE"}, Conflict, "conflict"),
        "first event": ({"pk": pk, "sk": "EVENT#000000000001"}, StaleVersion, "stale-version"),
        "last event": ({"pk": pk, "sk": "EVENT#000000000002"}, StaleVersion, "stale-version"),
        "external id": (
            {"pk": "TENANT#acme#EXTERNAL#THING#erp#2", "sk": "EXTERNAL", "record_id": "other"},
            Conflict,
            "duplicate-external-id",
        ),
        "also": ({"pk": "unrelated", "sk": "x"}, RuleViolation, "rule-violation"),
        "key": ({"pk": "key", "sk": "IDEMPOTENCY"}, Conflict, "idempotency-key-in-use"),
    }


@pytest.mark.parametrize(
    "action", ["state", "first event", "last event", "external id", "also", "key"]
)
def test_when_one_action_is_rejected_nothing_is_stored(
    store: RecordStore[Thing], cloud: Any, action: str
) -> None:
    thing = a_thing(external_ids={"crm": "1", "erp": "2"})
    obstacle, rejection, slug = obstacles(store, thing)[action]
    store.table.put(obstacle)
    before = stored(cloud)
    key = IdempotentRequest(store.table, "key", "fingerprint")
    unit = UnitOfWork(ANN.request, key)
    also = [Put({"pk": "unrelated", "sk": "x"}, absent=True, error=rejection(""))]
    with pytest.raises(rejection) as fault:
        save(store, unit, None, thing, event(thing), event(thing), also=also)
    assert fault.value.slug == slug
    assert stored(cloud) == before
    assert not key.committed, "the key may be used again"
    cloud.delete_item(TableName="table", Key={k: {"S": obstacle[k]} for k in ("pk", "sk")})
    saved = save(store, unit, None, thing, event(thing), event(thing), also=also)
    assert store.get("acme", thing.id) == saved
    assert key.committed
    assert len(stored(cloud)) == 7, "state, two events, two external ids, one more, the key"


@pytest.mark.parametrize("action", ["first event", "external id", "also"])
def test_when_one_action_is_rejected_a_record_stays_as_it_was(
    store: RecordStore[Thing], cloud: Any, action: str
) -> None:
    thing = a_thing(external_ids={"crm": "1"})
    before = save(store, ANN, None, thing)
    obstacle, rejection, _ = obstacles(store, thing)[action]
    store.table.put(obstacle)
    untouched = stored(cloud)
    after = before.with_changes(name="two", external_ids={"erp": "2"})
    also = [Put({"pk": "unrelated", "sk": "x"}, absent=True, error=rejection(""))]
    with pytest.raises(rejection):
        save(store, ANN, before, after, event(after), also=also)
    assert stored(cloud) == untouched
    assert store.id_of("acme", "crm", "1") == thing.id


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "x"),
        ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "x"),
        ReadTimeoutError(endpoint_url="x"),
        MemoryError(),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_an_error_of_the_service_is_not_reported_as_a_conflict(
    store: RecordStore[Thing], cloud: Any, fault: Exception
) -> None:
    def fail(_: int) -> None:
        raise fault

    thing = a_thing()
    with hooked("before-call", fail), pytest.raises(type(fault)):
        save(store, ANN, None, thing, event(thing))
    assert stored(cloud) == []


def test_a_transaction_conflict_is_retried_and_committed_once(
    store: RecordStore[Thing], cloud: Any
) -> None:
    def collide_twice(number: int) -> Any:
        return cancelled("TransactionConflict", "None") if number < 3 else None

    thing = a_thing()
    with hooked("before-call", collide_twice) as calls:
        saved = save(store, ANN, None, thing, event(thing))
    assert len(calls) == 3
    assert store.get("acme", thing.id) == saved
    assert [f["sequence"] for f in published(cloud)] == ["1"]


def test_continuing_transaction_conflicts_are_reported_as_busy(
    store: RecordStore[Thing], cloud: Any
) -> None:
    thing = a_thing()
    always = hooked("before-call", lambda _: cancelled("TransactionConflict", "None"))
    with always as calls, pytest.raises(Busy):
        save(store, ANN, None, thing, event(thing))
    assert len(calls) == 6
    assert stored(cloud) == []


WRITES: dict[str, Callable[[Table], None]] = {
    "PutItem": lambda table: table.put({"pk": "p", "sk": "s", "n": 1}),
    "UpdateItem": lambda table: table.add(Add("p", "s", {"n": 1})),
    "DeleteItem": lambda table: table.delete("p", "s"),
}


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_that_conflicts_with_a_transaction_is_retried(
    store: RecordStore[Thing], cloud: Any, operation: str
) -> None:
    def collide_twice(number: int) -> None:
        if number < 3:
            raise rejected("TransactionConflictException")

    with hooked("before-call", collide_twice, operation) as calls:
        WRITES[operation](store.table)
    assert len(calls) == 3
    assert len(stored(cloud)) == (operation != "DeleteItem")


def test_a_write_that_always_conflicts_is_reported_as_busy(
    store: RecordStore[Thing],
) -> None:
    def collide(_: int) -> None:
        raise rejected("TransactionConflictException")

    always = hooked("before-call", collide, "PutItem")
    with always as calls, pytest.raises(Busy):
        WRITES["PutItem"](store.table)
    assert len(calls) == 6


def test_a_write_with_another_error_is_not_retried(store: RecordStore[Thing]) -> None:
    def reject(_: int) -> None:
        raise rejected("ValidationException")

    once = hooked("before-call", reject, "PutItem")
    with once as calls, pytest.raises(ClientError, match="ValidationException"):
        WRITES["PutItem"](store.table)
    assert len(calls) == 1


def test_an_unexpected_cancellation_is_raised(store: RecordStore[Thing], cloud: Any) -> None:
    thing = a_thing()
    unforeseen = hooked("before-call", lambda _: cancelled("ValidationError", "None"))
    with unforeseen as calls, pytest.raises(ClientError, match="TransactionCanceled"):
        save(store, ANN, None, thing, event(thing))
    assert len(calls) == 1
    assert stored(cloud) == []


MILLISECOND = timedelta(milliseconds=1)


@examples(12)
@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 3)), min_size=1, max_size=8))
def test_ids_of_a_record_increase_with_its_sequence_whatever_the_clocks_show(
    cloud: Any, changes: list[tuple[int, int]]
) -> None:
    """Each change is made where the clock is some milliseconds ahead or behind."""
    start, thing = utc_now(), a_thing()
    before = None
    for milliseconds, count in changes:
        store = a_store(lambda ms=milliseconds: start + ms * MILLISECOND)
        changed = (before or thing).with_changes(name=f"After {milliseconds}")
        after = save(store, ANN, before, changed, *[event(thing)] * count)
        if before:
            assert after.updated_at >= before.updated_at + MILLISECOND
        before = after
    events = [one for one in published(cloud) if one["subject"] == f"thing/{thing.id}"]
    ids = [one["id"] for one in events]
    assert len(ids) == sum(count for _, count in changes)
    assert ids == sorted(set(ids))
    assert [ULID.from_str(one).milliseconds for one in ids] == [
        round(datetime.fromisoformat(one["time"]).timestamp() * 1000) for one in events
    ]


def test_a_change_is_not_later_than_it_must_be(store: RecordStore[Thing]) -> None:
    thing = a_thing()
    created = save(store, ANN, None, thing, event(thing))
    slow = a_store(lambda: created.updated_at - timedelta(hours=1))
    changed = save(slow, ANN, created, created.with_changes(name="B"), event(thing))
    assert changed.updated_at == created.updated_at + MILLISECOND
    soon = created.updated_at + timedelta(hours=1)
    again = save(a_store(lambda: soon), ANN, changed, changed.with_changes(name="C"), event(thing))
    assert again.updated_at == soon


def check_history(cloud: Any, store: RecordStore[Thing], thing_id: str, subject: str) -> int:
    """Check that events are numbered from 1 and the last has the state; returns their number."""
    announced = [f for f in published(cloud) if f["subject"] == subject]
    assert [int(f["sequence"]) for f in announced] == list(range(1, len(announced) + 1))
    assert len({f["id"] for f in announced}) == len(announced)
    state = store.find("acme", thing_id)
    if state is None:
        assert announced == []
        return 0
    assert state.sequence == len(announced)
    shown = state.model_dump(mode="json", exclude_none=True, exclude={"tenant_id", "sequence"})
    current = announced[-1]["data"]["current"]
    assert {k: v for k, v in current.items() if k in shown} == current
    assert (current["version"], current["updated_at"]) == (state.version, shown["updated_at"])
    return len(announced)


@examples(12)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),  # events of the change
            st.sampled_from(["fine", "fine", "fails before", "fails after", "collides", "stale"]),
        ),
        max_size=7,
    )
)
def test_every_change_is_published_once_under_any_failure(
    store: RecordStore[Thing], cloud: Any, changes: list[tuple[int, str]]
) -> None:
    thing = a_thing()
    seen: Thing | None = None
    older: Thing | None = None
    committed = announced = 0

    def at_the_first(act: Any) -> Callable[[int], Any]:
        return lambda number: act() if number == 1 else None

    def lost() -> None:
        raise ReadTimeoutError(endpoint_url="x")

    for number, (count, mishap) in enumerate(changes):
        before = older if mishap == "stale" and older is not None else seen
        after = (before or thing).with_changes(name=f"n{number}")
        news = [event(after, str(n)) for n in range(count)]
        hooks = {
            "fails before": ("before-call", at_the_first(lost)),
            "fails after": ("after-call", at_the_first(lost)),
            "collides": (
                "before-call",
                at_the_first(lambda: cancelled("TransactionConflict", "None", "None", "None")),
            ),
        }
        hook, act = hooks.get(mishap, ("before-call", lambda _: None))
        try:
            with hooked(hook, act):
                save(store, ANN, before, after, *news)
            succeeded = True
        except StaleVersion:
            assert before is older is not seen
            succeeded = False
        except ReadTimeoutError:
            succeeded = mishap == "fails after"  # it was committed, but the caller gets an error
        if succeeded:
            committed, announced = committed + 1, announced + count
            older, seen = seen, store.get("acme", thing.id)
            assert seen.name == f"n{number}"
        assert check_history(cloud, store, thing.id, f"thing/{thing.id}") == announced
        assert (seen.version if seen else 0) == committed


@pytest.mark.parametrize("count", [0, 1])
def test_of_two_changes_to_the_same_version_one_is_stored(
    store: RecordStore[Thing], cloud: Any, count: int
) -> None:
    thing = a_thing()
    seen = save(store, ANN, None, thing, event(thing))
    first = save(store, ANN, seen, seen.with_changes(name="first"), *[event(seen)] * count)
    with pytest.raises(StaleVersion):
        save(store, ANN, seen, seen.with_changes(name="second"), *[event(seen)] * count)
    assert store.get("acme", thing.id) == first
    assert len(published(cloud)) == 1 + count


def test_concurrent_changes_are_not_lost(store: RecordStore[Thing], cloud: Any) -> None:
    thing = a_thing(name="-")
    save(store, ANN, None, thing, event(thing))

    def add(suffix: str) -> None:
        while True:
            seen = store.get("acme", thing.id)
            after = seen.with_changes(name=seen.name + suffix)
            try:
                save(store, ANN, seen, after, event(after))
                return
            except (StaleVersion, Busy):
                continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, "abcdefgh"))
    last = store.get("acme", thing.id)
    assert (sorted(last.name), last.version) == (list("-abcdefgh"), 9)
    assert check_history(cloud, store, thing.id, f"thing/{thing.id}") == 9


def test_a_record_is_created_once(store: RecordStore[Thing], cloud: Any) -> None:
    thing = a_thing()
    save(store, ANN, None, thing, event(thing))
    with pytest.raises(Conflict):
        save(store, ANN, None, thing.with_changes(name="two"), event(thing))
    assert store.get("acme", thing.id).name == "one"


def test_two_concurrent_records_cannot_get_the_same_external_id(
    store: RecordStore[Thing], cloud: Any
) -> None:
    first, second = (a_thing(external_ids={"crm": "1"}) for _ in range(2))

    def meanwhile(number: int) -> None:
        if number == 1:  # not again for the commit made here
            save(a_store(), ANN, None, second, event(second))

    with hooked("before-call", meanwhile), pytest.raises(Conflict) as fault:
        save(store, ANN, None, first, event(first))
    assert fault.value.slug == "duplicate-external-id"
    assert store.id_of("acme", "crm", "1") == second.id
    assert store.find("acme", first.id) is None
    assert {f["subject"] for f in published(cloud)} == {f"thing/{second.id}"}


@examples(12)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.dictionaries(st.sampled_from(["crm", "erp"]), st.sampled_from("12"), max_size=2),
        ),
        max_size=7,
    )
)
def test_an_external_id_names_at_most_one_record_at_any_time(
    store: RecordStore[Thing], cloud: Any, moves: list[tuple[int, dict[str, str]]]
) -> None:
    tenant = f"t{new_id()}"
    unit = UnitOfWork(RequestContext(Principal(tenant, "ann", ADMINISTRATOR)))
    records = [save(store, unit, None, a_thing(tenant)) for _ in range(3)]
    holders: dict[tuple[str, str], str] = {}
    for number, external_ids in moves:
        before = records[number]
        wanted = set(external_ids.items())
        free = all(holders.get(pair, before.id) == before.id for pair in wanted)
        after = before.with_changes(external_ids=external_ids)
        if free:
            records[number] = save(store, unit, before, after)
            holders = {p: h for p, h in holders.items() if h != before.id}
            holders |= dict.fromkeys(wanted, before.id)
        else:
            with pytest.raises(Conflict):
                save(store, unit, before, after)
        for system in ("crm", "erp"):
            for value in "12":
                assert store.id_of(tenant, system, value) == holders.get((system, value))


def test_a_record_of_another_tenant_is_not_found(store: RecordStore[Thing]) -> None:
    thing = save(store, ANN, None, a_thing(external_ids={"crm": "1"}))
    assert store.find("globex", thing.id) is None
    assert store.id_of("globex", "crm", "1") is None
    page = store.page("globex", "THINGS", index="gsi1", limit=10, cursor=None)
    assert (list(page.items), page.next_cursor) == ([], None)
    with pytest.raises(NotFound):
        store.get("globex", thing.id)


def test_a_transaction_over_two_tables_is_atomic(store: RecordStore[Thing], cloud: Any) -> None:
    create_table(cloud, "other")
    thing = a_thing()
    there = Check("a", "b", RuleViolation("gone"), table="other")
    with pytest.raises(RuleViolation, match="gone"):
        save(store, ANN, None, thing, event(thing), also=[there])
    assert stored(cloud) == []
    Table(aws.client("dynamodb"), "other").put({"pk": "a", "sk": "b", "version": 1})
    save(store, ANN, None, thing, event(thing), also=[there])
    assert len(stored(cloud)) == 2


@pytest.mark.parametrize(("version", "holds"), [(None, True), (3, True), (2, False), (4, False)])
def test_a_check_succeeds_while_the_item_has_the_version(
    store: RecordStore[Thing], cloud: Any, version: int | None, holds: bool
) -> None:
    store.table.put({"pk": "a", "sk": "b", "version": 3})
    thing = a_thing()
    check = Check("a", "b", Busy("changed"), version=version)
    if holds:
        save(store, ANN, None, thing, also=[check])
        return
    with pytest.raises(CrmError, match="changed"):
        save(store, ANN, None, thing, also=[check])
    assert store.find("acme", thing.id) is None


def test_an_event_too_large_for_the_bus_is_rejected_and_nothing_is_stored(
    store: RecordStore[Thing], cloud: Any
) -> None:
    thing = a_thing()
    # Two and six bytes per character: the size of the JSON text counts.
    for character, size in (("ä", 2), ("\x01", 6)):
        fits = character * ((MAX_EVENT_BYTES - 2000) // size)
        save(store, ANN, None, a_thing(), event(thing, fits))
        before = stored(cloud)
        with pytest.raises(TooLarge, match="240,000"):
            save(store, ANN, None, thing, event(thing, fits + character * 1000))
        assert stored(cloud) == before


def test_a_sent_event_expires_after_a_week(store: RecordStore[Thing], cloud: Any) -> None:
    thing = a_thing()
    save(store, ANN, None, thing, event(thing))
    items = cloud.scan(TableName="table")["Items"]
    (outboxed,) = (i for i in items if i["sk"]["S"].startswith("EVENT#"))
    age = int(outboxed["ttl"]["N"]) - utc_now().timestamp()
    assert 6.9 * 86400 < age < 7.1 * 86400
    (state,) = (i for i in items if i["sk"]["S"] == "STATE")
    assert "ttl" not in state
