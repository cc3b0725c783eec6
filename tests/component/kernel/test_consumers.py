"""Consumers under duplicates, reordering, gaps, races, crashes, poison and replay."""

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Conflict
from kernel.domain.ids import new_id
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.messaging.reactor import Reactor
from kernel.runtime import aws
from kernel.storage.table import Action, Add, Put, Table
from opportunities.events.streams import StreamGapDetected
from tests.component.conftest import create_table
from tests.component.conftest import published as outbox
from tests.component.kernel.interleaving import StepTable, interleave
from tests.component.kernel.queues import Queue, body, event, lambda_event

MODULUS = 1_000_003
PROPERTY = settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "8")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # an example takes half a second: no shrinking
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Poisoned(Exception):
    """Raised by the toy consumer for an event that it cannot handle."""


class Chain:
    """A toy projection whose state shows any event applied twice, out of turn or not at all."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.poisonous = True
        self.projection = Projection(
            "chain",
            record_types=["opportunity"],
            table=lambda: table,
            apply=self.apply,
            gap=StreamGapDetected,
        )

    def apply(self, event: CloudEvent, memory: Memory) -> list[Action]:
        """Fold the event's value into the memory, and add it to a sum in the table."""
        if event.data.get("poison") and self.poisonous:
            raise Poisoned
        value = event.data["value"]
        memory["chain"] = (memory.get("chain", 7) * 31 + value) % MODULUS
        return [Add(f"TENANT#{event.tenant_id}#SUM", event.subject, {"events": 1, "sum": value})]

    def state(self, tenant: str) -> dict[str, Any]:
        """The projection's state of a tenant by subject: count, sum, chain, position."""
        found: dict[str, Any] = {}
        for item in self.table.query(f"TENANT#{tenant}#SUM", limit=100).items:
            pk = f"TENANT#{tenant}#POSITION#chain#{item['sk']}"
            position = self.table.get(pk, "POSITION")
            assert position
            found[str(item["sk"])] = (
                item["events"],
                item["sum"],
                json.loads(position["memory"])["chain"],
                position["sequence"],
            )
        return found

    def parked(self, tenant: str, subject: str) -> list[str]:
        """The keys of the parked events."""
        pk = f"TENANT#{tenant}#POSITION#chain#{subject}"
        return [str(i["sk"]) for i in self.table.query(pk, prefix="PARKED#", limit=100).items]


def expected(history: list[dict[str, Any]]) -> dict[str, Any]:
    """What `Chain.state` must be, computed by folding events one by one."""
    found: dict[str, Any] = {}
    for envelope in sorted(history, key=lambda one: int(one["sequence"])):
        count, total, chain, _ = found.get(envelope["subject"], (0, 0, 7, 0))
        value = envelope["data"]["value"]
        found[envelope["subject"]] = (
            count + 1,
            total + value,
            (chain * 31 + value) % MODULUS,
            int(envelope["sequence"]),
        )
    return found


def missing_runs(history: list[dict[str, Any]], withheld: set[int]) -> set[tuple[str, int, int]]:
    """Each range of missing events before a delivered one.

    As (subject, first missing sequence, the sequence that waits).
    """
    runs = set()
    by_subject = defaultdict(list)
    for number, envelope in enumerate(history):
        by_subject[envelope["subject"]].append((int(envelope["sequence"]), number in withheld))
    for subject, sequences in by_subject.items():
        start = None
        for sequence, is_missing in sorted(sequences):
            if is_missing and start is None:
                start = sequence
            elif not is_missing and start is not None:
                runs.add((subject, start, sequence))
                start = None
    return runs


def reported(cloud: Any, tenant: str) -> list[tuple[str, int, int]]:
    """The gaps published for a tenant: (subject, missing, waiting), one entry per event."""
    gaps = [f for f in outbox(cloud) if f["tenantid"] == tenant]
    assert {f["type"] for f in gaps} <= {"StreamGapDetected"}
    for subject, group in itertools.groupby(gaps, key=lambda f: f["subject"]):
        assert [f["sequence"] for f in group] == [
            str(n + 1) for n in range(sum(f["subject"] == subject for f in gaps))
        ]
    found = [f["data"]["current"] for f in gaps]
    return [(c["subject"], c["missing_sequence"], c["waiting_sequence"]) for c in found]


def batches[T](things: list[T], sizes: list[int]) -> Iterator[list[T]]:
    """Things in groups of these sizes, which are repeated."""
    sizes_for_ever = itertools.cycle(sizes)
    rest = things
    while rest:
        size = next(sizes_for_ever)
        yield rest[:size]
        rest = rest[size:]


Prepare = Callable[[], tuple[Chain, Queue]]


@st.composite
def histories(draw: st.DrawFn, subjects: int = 2, most: int = 6) -> list[dict[str, Any]]:
    """All events of a few records of a new tenant, in their order."""
    tenant = f"t{new_id().lower()}"
    return [
        event(tenant, f"opportunity/{name}", sequence, value=draw(st.integers(1, 1000)))
        for name in "ab"[:subjects]
        for sequence in range(1, draw(st.integers(1, most)) + 1)
    ]


def deliveries(count: int) -> st.SearchStrategy[list[int]]:
    """Indexes of `count` events in any order, some of them more than once."""
    return st.lists(st.integers(0, count - 1), max_size=6).flatmap(
        lambda again: st.permutations([*range(count), *again])
    )


def invocation(chain: Chain, event: dict[str, Any]) -> Callable[[], Any]:
    """One Lambda invocation, to be interleaved with others."""
    return lambda: chain.projection(event, None)


SIZES = st.lists(st.integers(1, 10), min_size=1, max_size=4)


@pytest.fixture
def prepare(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[Chain, Queue]]:
    """Prepares one example: an empty table and an empty queue."""
    # Gap checks arrive when the queue is drained, after all events that were delivered by then.
    monkeypatch.setenv("GAP_GRACE_SECONDS", "0")

    def fresh() -> tuple[Chain, Queue]:
        # moto copies tables for every transaction, so they must be small.
        cloud.delete_table(TableName="table")
        create_table(cloud, "table")
        queue = Queue()
        monkeypatch.setenv("QUEUE_URL", queue.url)
        return Chain(StepTable(aws.client("dynamodb"), "table")), queue

    return fresh


@PROPERTY
@given(st.data())
def test_any_order_with_duplicates_ends_in_the_same_state(
    prepare: Prepare, cloud: Any, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories())
    tenant = history[0]["tenantid"]
    order = data.draw(deliveries(len(history)))
    for batch in batches([body(history[i]) for i in order], data.draw(SIZES)):
        assert chain.projection(lambda_event(batch), None) == {"batchItemFailures": []}
    queue.drain(chain.projection)
    assert chain.state(tenant) == expected(history)
    assert [chain.parked(tenant, s) for s in expected(history)] == [[]] * len(expected(history))
    assert reported(cloud, tenant) == []
    assert queue.dead_letters() == []


@PROPERTY
@given(st.data())
def test_every_gap_is_reported_once_and_closes_when_the_missing_events_arrive(
    prepare: Prepare, cloud: Any, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories(most=7))
    tenant = history[0]["tenantid"]
    withheld = data.draw(st.sets(st.integers(0, len(history) - 1), max_size=5))
    order = [i for i in data.draw(deliveries(len(history))) if i not in withheld]
    sizes = data.draw(SIZES)
    for batch in batches([body(history[i]) for i in order], sizes):
        chain.projection(lambda_event(batch), None)
    queue.drain(chain.projection)
    gaps = reported(cloud, tenant)
    assert set(gaps) == missing_runs(history, withheld)
    assert len(gaps) == len(set(gaps))
    # In order, with a check after each batch: a gap that closes gradually is not a new gap.
    bit_by_bit = data.draw(st.booleans())
    late = sorted(withheld) if bit_by_bit else data.draw(st.permutations(sorted(withheld)))
    for batch in batches([body(history[i]) for i in late], sizes):
        chain.projection(lambda_event(batch), None)
        if bit_by_bit:
            queue.drain(chain.projection)
    queue.drain(chain.projection)
    assert chain.state(tenant) == expected(history)
    assert set(reported(cloud, tenant)) == set(gaps)
    assert len(reported(cloud, tenant)) == len(gaps)
    assert queue.dead_letters() == []


@PROPERTY
@given(st.data())
def test_a_full_replay_changes_nothing_and_rebuilds_a_wiped_projection(
    prepare: Prepare, cloud: Any, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories())
    tenant = history[0]["tenantid"]
    chain.projection(lambda_event(map(body, history)), None)
    before = chain.state(tenant)
    assert before == expected(history)
    for wiped in (False, True):
        if wiped:
            for item in cloud.scan(TableName="table")["Items"]:
                if tenant in item["pk"]["S"]:
                    chain.table.delete(item["pk"]["S"], item["sk"]["S"])
            assert chain.state(tenant) == {}
        order = data.draw(deliveries(len(history)))
        for batch in batches([body(history[i], replayed=True) for i in order], data.draw(SIZES)):
            assert chain.projection(lambda_event(batch), None) == {"batchItemFailures": []}
        queue.drain(chain.projection)
        assert chain.state(tenant) == before


@PROPERTY
@given(st.data())
def test_workers_that_race_or_die_apply_every_event_once(
    prepare: Prepare, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories(subjects=1))
    tenant = history[0]["tenantid"]
    order = data.draw(deliveries(len(history)))
    shares = [[body(history[i]) for i in order[n::3]] for n in range(3)]
    turns = data.draw(st.lists(st.integers(0, 2), min_size=60, max_size=60))
    deaths = data.draw(st.tuples(*[st.none() | st.integers(0, 8)] * 3))
    events = [lambda_event(share) for share in shares if share]

    answers = interleave(
        [invocation(chain, event) for event in events],
        itertools.cycle(turns),
        list(deaths)[: len(events)],
    )
    for sent, answer in zip(events, answers, strict=True):
        # Messages that a worker did not acknowledge become visible again.
        failed = (
            {f["itemIdentifier"] for f in answer["batchItemFailures"]}
            if isinstance(answer, dict)
            else {r["messageId"] for r in sent["Records"]}
        )
        queue.send(*(r["body"] for r in sent["Records"] if r["messageId"] in failed))
    queue.drain(chain.projection)
    assert chain.state(tenant) == expected(history)
    assert chain.parked(tenant, history[0]["subject"]) == []
    assert queue.dead_letters() == []


def test_concurrent_workers_leave_no_event_parked(prepare: Prepare) -> None:
    """The second of three events is parked; one worker receives the first, another the third."""
    for before, between in itertools.product(range(9), range(7)):
        chain, _ = prepare()
        first, second, third = history = [
            event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3)
        ]
        chain.projection(lambda_event([body(second)]), None)
        works = [invocation(chain, lambda_event([body(one)])) for one in (first, third)]
        turns = itertools.chain([0] * before, [1] * between, itertools.repeat(0))
        interleave(works, turns, [None, None])
        assert chain.state("acme") == expected(history), (before, between)
        assert chain.parked("acme", "opportunity/a") == [], (before, between)


@PROPERTY
@given(st.data())
def test_a_gap_check_concurrent_with_the_missing_event_loses_no_event(
    prepare: Prepare, cloud: Any, data: st.DataObject
) -> None:
    chain, queue = prepare()
    tenant = f"t{new_id().lower()}"
    history = [event(tenant, "opportunity/a", n, value=n) for n in range(1, 6)]
    first, second, third, _, fifth = history
    chain.projection(lambda_event([body(first), body(third)]), None)
    check = lambda_event([json.dumps({"gap_check": third})])
    missing = lambda_event([body(second)])
    turns = data.draw(st.lists(st.integers(0, 1), min_size=40, max_size=40))
    answers: Any = interleave(
        [invocation(chain, check), invocation(chain, missing)],
        itertools.cycle(turns),
        [None, None],
    )
    for lost, answer in zip((check, missing), answers, strict=True):
        if answer["batchItemFailures"]:
            queue.send(lost["Records"][0]["body"])
    queue.drain(chain.projection)
    assert chain.state(tenant) == expected(history[:3])
    earlier = reported(cloud, tenant)
    assert earlier in ([], [("opportunity/a", 2, 3)])
    chain.projection(lambda_event([body(fifth)]), None)
    queue.drain(chain.projection)
    assert reported(cloud, tenant) == [*earlier, ("opportunity/a", 4, 5)]


@pytest.mark.parametrize("check_first", [True, False])
def test_an_event_in_the_same_batch_as_its_gap_check_is_not_reported(
    prepare: Prepare, cloud: Any, check_first: bool
) -> None:
    chain, _ = prepare()
    first, second, third = history = [event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3)]
    chain.projection(lambda_event([body(first), body(third)]), None)
    batch = [body(second), json.dumps({"gap_check": third})]
    chain.projection(lambda_event(batch[::-1] if check_first else batch), None)
    assert (chain.state("acme"), reported(cloud, "acme")) == (expected(history), [])


def test_the_gap_that_a_parked_poison_event_leaves_is_reported_too(
    prepare: Prepare, cloud: Any
) -> None:
    chain, queue = prepare()
    history = [event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3, 4)]
    history[2]["data"]["poison"] = True
    for bodies in ([history[0]], history[2:], [history[1]]):
        queue.send(*map(body, bodies))
        queue.drain(chain.projection)
    assert [message["detail"]["sequence"] for message in queue.dead_letters()] == ["3"]
    assert chain.state("acme") == expected(history[:2])
    assert reported(cloud, "acme") == [("opportunity/a", 2, 3), ("opportunity/a", 3, 4)]


def test_a_replayed_event_that_was_parked_is_applied_once(prepare: Prepare) -> None:
    chain, queue = prepare()
    first, second, third = (event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3))
    third["data"]["poison"] = True
    for one in (first, third, second):
        chain.projection(lambda_event([body(one, replayed=True)]), None)
    chain.poisonous, seen = False, list[tuple[int, bool]]()
    apply = chain.projection._apply
    chain.projection._apply = lambda event, memory: (
        seen.append((event.sequence, event.replayed)) or apply(event, memory)
    )
    queue.drain(chain.projection)
    assert seen == [(3, True)]


def test_a_repeated_event_schedules_its_lost_gap_check_again(
    prepare: Prepare, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker parked the event and died before it could send the check."""
    chain, queue = prepare()
    first, second, third = history = [event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3)]
    monkeypatch.setenv("QUEUE_URL", queue.url + "-that-does-not-exist")
    invocation = lambda_event([body(third)])
    failed = chain.projection(invocation, None)["batchItemFailures"]
    assert [f["itemIdentifier"] for f in failed] == [invocation["Records"][0]["messageId"]]
    assert len(chain.parked("acme", "opportunity/a")) == 1
    monkeypatch.setenv("QUEUE_URL", queue.url)
    queue.send(body(third), body(first))
    queue.drain(chain.projection)
    assert reported(cloud, "acme") == [("opportunity/a", 2, 3)]
    queue.send(body(second))
    queue.drain(chain.projection)
    assert chain.state("acme") == expected(history)
    assert chain.parked("acme", "opportunity/a") == []


@PROPERTY
@given(st.data())
def test_a_poison_event_affects_no_other_and_is_applied_after_a_redrive(
    prepare: Prepare, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories())
    tenant = history[0]["tenantid"]
    poison = data.draw(st.sampled_from(history))
    poison["data"]["poison"] = True
    behind = [
        one
        for one in history
        if one["subject"] == poison["subject"] and int(one["sequence"]) >= int(poison["sequence"])
    ]
    chain.poisonous = True
    queue.send(*(body(history[i]) for i in data.draw(deliveries(len(history)))))
    queue.drain(chain.projection, size=data.draw(st.integers(1, 10)))
    healthy = [one for one in history if one not in behind]
    assert chain.state(tenant) == expected(healthy)
    dead = queue.dead_letters()
    assert {message["detail"]["id"] for message in dead} == {poison["id"]}
    assert len(chain.parked(tenant, poison["subject"])) == len(behind) - 1
    chain.poisonous = False
    queue.send(*map(json.dumps, dead))
    queue.drain(chain.projection)
    assert chain.state(tenant) == expected(history)
    assert chain.parked(tenant, poison["subject"]) == []
    assert queue.dead_letters() == []


class Notes(Chain):
    """The toy with the effects of a timeline: five entries for each event."""

    def apply(self, event: CloudEvent, memory: Memory) -> list[Action]:
        """The effects of the chain, and the entries."""
        entries = (Put({"pk": f"NOTES#{n}", "sk": event.id, "text": "x"}) for n in range(5))
        return [*super().apply(event, memory), *entries]


def test_events_with_more_effects_than_a_transaction_allows_are_split(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Notes(prepare()[0].table)
    history = [event("acme", "opportunity/a", n, value=n) for n in range(1, 25)]
    sizes: list[int] = []
    aws.client("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: sizes.append(len(params["TransactItems"])),
    )
    failures: list[Any] = []
    monkeypatch.setattr(
        "kernel.messaging.projection.log_failure", lambda *failure: failures.append(failure)
    )
    answer = chain.projection(lambda_event(map(body, history)), None)
    assert (answer, failures) == ({"batchItemFailures": []}, [])
    assert chain.state("acme") == expected(history)
    # A transaction has the position, the sum, and as many groups of five entries as fit.
    assert sizes == [2 + 19 * 5, 2 + 5 * 5]


def test_events_of_one_batch_are_applied_in_one_transaction(prepare: Prepare) -> None:
    chain, _ = prepare()
    history = [event("acme", "opportunity/a", n, value=n) for n in range(1, 7)]
    calls: list[str] = []
    aws.client("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda model, **_: calls.append(model.name),
    )
    chain.projection(lambda_event(map(body, [*reversed(history), history[2]])), None)
    assert chain.state("acme") == expected(history)
    assert len(calls) == 1


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", "{}", '{"detail": {}}', '{"detail": null}', '{"gap_check": {"id": "x"}}'],
)
def test_a_message_that_is_not_an_event_does_not_affect_the_others(
    prepare: Prepare, text: str
) -> None:
    chain, _ = prepare()
    good = event("acme", "opportunity/a", 1, value=5)
    invocation = lambda_event([text, body(good)])
    answer = chain.projection(invocation, None)
    assert answer == {
        "batchItemFailures": [{"itemIdentifier": invocation["Records"][0]["messageId"]}]
    }
    assert chain.state("acme") == expected([good])


def test_equal_subjects_of_two_tenants_are_two_subjects(prepare: Prepare) -> None:
    chain, _ = prepare()
    acme = event("acme", "opportunity/a", 1, value=5)
    globex = event("globex", "opportunity/a", 1, value=9)
    chain.projection(lambda_event([body(acme), body(globex)]), None)
    assert chain.state("acme") == expected([acme])
    assert chain.state("globex") == expected([globex])


class Diary:
    """A toy reactor that stores every event under its id."""

    def __init__(self, table: Table, *types: str) -> None:
        self.table = table
        self.reactor = Reactor("diary", types=types, react=self.react)

    def react(self, event: CloudEvent) -> None:
        """Store the event; idempotent, because the table refuses a repeated one."""
        if event.data.get("poison"):
            raise Poisoned
        item = {
            "pk": f"TENANT#{event.tenant_id}#DIARY",
            "sk": event.id,
            "value": event.data["value"],
        }
        try:
            self.table.transact([Put(item, absent=True, refused=Conflict("seen"))])
        except Conflict:
            return

    def pages(self, tenant: str) -> dict[str, int]:
        """The stored values, by event id."""
        found = self.table.query(f"TENANT#{tenant}#DIARY", limit=100)
        return {item["sk"]: item["value"] for item in found.items}


@PROPERTY
@given(st.data())
def test_a_reactor_acts_once_on_every_event_in_any_order(
    prepare: Prepare, data: st.DataObject
) -> None:
    _, queue = prepare()
    history = data.draw(histories())
    poison = data.draw(st.sets(st.integers(0, len(history) - 1), max_size=2))
    for number in poison:
        history[number]["data"]["poison"] = True
    diary = Diary(Table(aws.client("dynamodb"), "table"), "OpportunityUpdated")
    queue.send(*(body(history[i]) for i in data.draw(deliveries(len(history)))))
    queue.drain(diary.reactor, size=data.draw(st.integers(1, 10)))
    healthy = [one for number, one in enumerate(history) if number not in poison]
    seen = {one["id"]: one["data"]["value"] for one in healthy}
    assert diary.pages(history[0]["tenantid"]) == seen
    dead = {message["detail"]["id"] for message in queue.dead_letters()}
    assert dead == {history[n]["id"] for n in poison}


def test_a_reactor_ignores_events_that_it_does_not_consume(cloud: Any) -> None:
    diary = Diary(Table(aws.client("dynamodb"), "table"), "OpportunityWon")
    invocation = lambda_event([body(event("acme", "opportunity/a", 1, value=5))])
    assert diary.reactor(invocation, None) == {"batchItemFailures": []}
    assert diary.pages("acme") == {}
