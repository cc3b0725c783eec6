"""Consumers under duplicates, reordering, gaps, races, crashes, poison and replay."""

import itertools
import json
import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.domain.clock import utc_now
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy, Conflict
from kernel.domain.ids import new_id
from kernel.messaging.positions import Memory, Position
from kernel.messaging.projection import Projection
from kernel.messaging.reactor import Reactor
from kernel.messaging.sequencing import Decision
from kernel.runtime import aws
from kernel.storage.table import Action, Add, Put, Table
from opportunities.events.streams import StreamDiverged, StreamGapDetected
from tests.component.conftest import create_table
from tests.component.conftest import published as outbox
from tests.component.kernel.interleaving import StepTable, interleave
from tests.component.kernel.queues import MAX_RECEIVES, Queue, body, event, lambda_event

MODULUS = 1_000_003
PROPERTY = settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "8")),
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # without shrinking: an example takes 0.5 s
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class Poisoned(Exception):
    """Raised by the toy consumer for an event that it cannot handle."""


class Chain:
    """A toy projection: its state shows if an event was applied twice, out of order or never."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.fails_on_poison = True
        self.projection = Projection(
            "chain",
            record_types=["opportunity"],
            table=lambda: table,
            apply=self.apply,
            gap=StreamGapDetected,
            pause=self._pause,
            divergence=StreamDiverged,
        )
        self.paused_s = 0.0

    def _pause(self, seconds: float) -> None:
        self.paused_s += seconds

    def apply(self, event: CloudEvent, memory: Memory) -> list[Action]:
        """Combine the event's value with the memory, and add it to a sum in the table."""
        if event.data.get("poison") and self.fails_on_poison:
            raise Poisoned
        value = event.data["value"]
        memory["chain"] = (memory.get("chain", 7) * 31 + value) % MODULUS
        return [Add(f"TENANT#{event.tenant_id}#SUM", event.subject, {"events": 1, "sum": value})]

    def state(self, tenant: str) -> dict[str, Any]:
        """For each subject of a tenant: event count, sum, chain and position."""
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
    """What `Chain.state` must return after these events."""
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


def missing_ranges(history: list[dict[str, Any]], withheld: set[int]) -> set[tuple[str, int, int]]:
    """The gaps before delivered events: (subject, first missing sequence, waiting sequence)."""
    gaps = set()
    by_subject = defaultdict(list)
    for number, envelope in enumerate(history):
        by_subject[envelope["subject"]].append((int(envelope["sequence"]), number in withheld))
    for subject, sequences in by_subject.items():
        start = None
        for sequence, is_missing in sorted(sequences):
            if is_missing and start is None:
                start = sequence
            elif not is_missing and start is not None:
                gaps.add((subject, start, sequence))
                start = None
    return gaps


def reported(cloud: Any, tenant: str) -> list[tuple[str, int, int]]:
    """The published gaps of a tenant: (subject, first missing sequence, waiting sequence)."""
    gaps = [f for f in outbox(cloud) if f["tenantid"] == tenant]
    assert {f["type"] for f in gaps} <= {"StreamGapDetected"}
    for subject, group in itertools.groupby(gaps, key=lambda f: f["subject"]):
        assert [f["sequence"] for f in group] == [
            str(n + 1) for n in range(sum(f["subject"] == subject for f in gaps))
        ]
    found = [f["data"]["current"] for f in gaps]
    return [(c["subject"], c["missing_sequence"], c["waiting_sequence"]) for c in found]


def batches[T](things: list[T], sizes: list[int]) -> Iterator[list[T]]:
    """Split things into groups; the sizes are repeated as needed."""
    repeated_sizes = itertools.cycle(sizes)
    rest = things
    while rest:
        size = next(repeated_sizes)
        yield rest[:size]
        rest = rest[size:]


Prepare = Callable[[], tuple[Chain, Queue]]


@st.composite
def histories(draw: st.DrawFn, subjects: int = 2, longest: int = 6) -> list[dict[str, Any]]:
    """The events of one or two records of a new tenant, ordered by sequence."""
    tenant = f"t{new_id().lower()}"
    return [
        event(tenant, f"opportunity/{name}", sequence, value=draw(st.integers(1, 1000)))
        for name in "ab"[:subjects]
        for sequence in range(1, draw(st.integers(1, longest)) + 1)
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
    # Gap checks are in the queue, so they run only when the queue is drained.
    monkeypatch.setenv("GAP_GRACE_SECONDS", "0")

    def fresh() -> tuple[Chain, Queue]:
        # moto copies tables for every transaction, so they must be small.
        cloud.delete_table(TableName="table")
        create_table(cloud, "table")
        queue = Queue()
        monkeypatch.setenv("QUEUE_URL", queue.url)
        return Chain(StepTable(aws.client("dynamodb"), "table")), queue

    return fresh


def test_events_of_an_older_version_are_applied_and_rebuilt_as_the_current_one(
    prepare: Prepare,
) -> None:
    chain, _ = prepare()

    def with_value(data: dict[str, Any]) -> dict[str, Any]:
        return {"value": int(data["text"])}

    chain.projection = Projection(
        "chain",
        record_types=["opportunity"],
        table=lambda: chain.table,
        apply=chain.apply,
        gap=StreamGapDetected,
        divergence=StreamDiverged,
        upcasters={"OpportunityUpdated": [with_value]},
    )
    schema = "urn:zebros:schema:opportunities/OpportunityUpdated.v{}"
    old = {**event("acme", "opportunity/a", 1, text="4"), "dataschema": schema.format(1)}
    new = {**event("acme", "opportunity/a", 2, value=5), "dataschema": schema.format(2)}
    chain.projection(lambda_event([body(old), body(new)]), None)
    assert chain.state("acme")["opportunity/a"][:2] == (2, 9)
    part = {
        "events": [old, new],
        "before": {"memory": {}, "sequence": 0, "recent": []},
        "last": True,
    }
    request = {"tenant": "acme", "subjects": [part], "write": False}
    answer = chain.projection({"rebuild": request}, None)
    assert answer["states"] == ["same"]
    assert answer["counters"] == [["TENANT#acme#SUM", "opportunity/a", {"events": 2, "sum": 9}]]


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
    history = data.draw(histories(longest=7))
    tenant = history[0]["tenantid"]
    withheld = data.draw(st.sets(st.integers(0, len(history) - 1), max_size=5))
    order = [i for i in data.draw(deliveries(len(history))) if i not in withheld]
    sizes = data.draw(SIZES)
    for batch in batches([body(history[i]) for i in order], sizes):
        chain.projection(lambda_event(batch), None)
    queue.drain(chain.projection)
    gaps = reported(cloud, tenant)
    assert set(gaps) == missing_ranges(history, withheld)
    assert len(gaps) == len(set(gaps))
    # With a gap check after each batch: a gap that becomes smaller is not a new gap.
    check_each_batch = data.draw(st.booleans())
    late = sorted(withheld) if check_each_batch else data.draw(st.permutations(sorted(withheld)))
    for batch in batches([body(history[i]) for i in late], sizes):
        chain.projection(lambda_event(batch), None)
        if check_each_batch:
            queue.drain(chain.projection)
    queue.drain(chain.projection)
    assert chain.state(tenant) == expected(history)
    assert set(reported(cloud, tenant)) == set(gaps)
    assert len(reported(cloud, tenant)) == len(gaps)
    assert queue.dead_letters() == []


@PROPERTY
@given(st.data())
def test_a_full_replay_changes_nothing_and_rebuilds_a_deleted_projection(
    prepare: Prepare, cloud: Any, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories())
    tenant = history[0]["tenantid"]
    chain.projection(lambda_event(map(body, history)), None)
    before = chain.state(tenant)
    assert before == expected(history)
    for deleted in (False, True):
        if deleted:
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
def test_concurrent_workers_that_may_crash_apply_every_event_once(
    prepare: Prepare, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories(subjects=1))
    tenant = history[0]["tenantid"]
    order = data.draw(deliveries(len(history)))
    shares = [[body(history[i]) for i in order[n::3]] for n in range(3)]
    turns = data.draw(st.lists(st.integers(0, 2), min_size=60, max_size=60))
    crashes = data.draw(st.tuples(*[st.none() | st.integers(0, 8)] * 3))
    events = [lambda_event(share) for share in shares if share]

    answers = interleave(
        [invocation(chain, event) for event in events],
        itertools.cycle(turns),
        list(crashes)[: len(events)],
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


class ContendedTable(StepTable):
    """A table in which, before each of the first transactions, another worker wins the race."""

    def __init__(self, client: Any, name: str, races: int) -> None:
        super().__init__(client, name)
        self.races = races

    def transact(self, actions: Sequence[Action]) -> None:
        """Lose a race, or carry out the transaction."""
        if self.races:
            self.races -= 1
            raise Busy("Another consumer changed this subject's position.")
        super().transact(actions)


def contended(prepare: Prepare, races: int) -> tuple[Chain, Queue]:
    """A projection that loses its first races for a position."""
    _, queue = prepare()
    return Chain(ContendedTable(aws.client("dynamodb"), "table", races)), queue


def test_a_race_for_a_position_is_repeated_within_the_invocation(
    prepare: Prepare, caplog: pytest.LogCaptureFixture
) -> None:
    """One transaction for all, then six attempts for the event alone."""
    chain, _ = contended(prepare, races=6)
    one = event("acme", "opportunity/a", 1, value=5)
    assert chain.projection(lambda_event([body(one)]), None) == {"batchItemFailures": []}
    assert chain.state("acme") == expected([one])
    assert 0 < chain.paused_s < 1.3, "a consumer has 30 s"
    assert [line.levelname for line in caplog.records if line.levelno > logging.INFO] == []


@pytest.mark.parametrize("replayed", [False, True])
def test_an_event_of_a_contended_record_returns_in_a_second_and_costs_no_receive(
    prepare: Prepare, caplog: pytest.LogCaptureFixture, replayed: bool
) -> None:
    chain, queue = contended(prepare, races=7)
    one = event("acme", "opportunity/a", 1, value=5)
    for _ in range(MAX_RECEIVES + 1):
        chain.table.races = 7  # type: ignore[attr-defined]
        answer = chain.projection(lambda_event([body(one, replayed)]), None)
        assert answer == {"batchItemFailures": []}
    assert [line.levelname for line in caplog.records if line.levelno > logging.INFO] == []
    queue.drain(chain.projection)
    assert chain.state("acme") == {}, "it is not received at once"
    time.sleep(1.1)
    queue.drain(chain.projection)
    assert chain.state("acme") == expected([one])
    assert queue.dead_letters() == []


def test_a_contended_event_fails_where_no_queue_is_configured(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain, _ = contended(prepare, races=7)
    monkeypatch.delenv("QUEUE_URL")
    sent = lambda_event([body(event("acme", "opportunity/a", 1, value=5))])
    failed = [{"itemIdentifier": sent["Records"][0]["messageId"]}]
    assert chain.projection(sent, None) == {"batchItemFailures": failed}


def test_a_table_that_does_not_answer_fails_every_event_by_its_name(
    prepare: Prepare, caplog: pytest.LogCaptureFixture
) -> None:
    prepare()
    chain = Chain(Table(aws.client("dynamodb"), "no-such-table"))
    events = [event("acme", f"opportunity/{name}", 1, value=1) for name in "ab"]
    answer = chain.projection(lambda_event([body(one) for one in events]), None)
    assert len(answer["batchItemFailures"]) == len(events)
    (line,) = (one for one in caplog.records if one.message == "event failed")
    assert vars(line)["event_ids"] == [one["id"] for one in events]
    assert "ResourceNotFoundException" in vars(line)["fault"]


def test_a_race_for_parked_events_fails_none_that_was_applied(prepare: Prepare) -> None:
    chain, queue = contended(prepare, races=0)
    first, second = history = [event("acme", "opportunity/a", n, value=n) for n in (1, 2)]
    chain.projection(lambda_event([body(second)]), None)
    unpark = chain.projection._step

    def lose(decision: Decision, position: Position, one: CloudEvent, parked: Any) -> Position:
        if parked:
            raise Busy("Another consumer changed this subject's position.")
        return unpark(decision, position, one, parked)

    chain.projection._step = lose  # type: ignore[method-assign]
    assert chain.projection(lambda_event([body(first)]), None) == {"batchItemFailures": []}
    chain.projection._step = unpark  # type: ignore[method-assign]
    queue.drain(chain.projection)  # the gap check of the second event
    assert chain.state("acme") == expected(history)
    assert chain.parked("acme", "opportunity/a") == []


def test_concurrent_workers_leave_no_event_parked(prepare: Prepare) -> None:
    """The second of three events is parked; two workers receive the first and the third."""
    for before, between in itertools.product(range(9), range(7)):
        chain, _ = prepare()
        first, second, third = history = [
            event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3)
        ]
        chain.projection(lambda_event([body(second)]), None)
        invocations = [invocation(chain, lambda_event([body(one)])) for one in (first, third)]
        turns = itertools.chain([0] * before, [1] * between, itertools.repeat(0))
        interleave(invocations, turns, [None, None])
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
    for sent, answer in zip((check, missing), answers, strict=True):
        if answer["batchItemFailures"]:
            queue.send(sent["Records"][0]["body"])
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


def test_a_poison_event_that_was_parked_is_reported_as_a_gap(prepare: Prepare, cloud: Any) -> None:
    chain, queue = prepare()
    history = [event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3, 4)]
    history[2]["data"]["poison"] = True
    for bodies in ([history[0]], history[2:], [history[1]]):
        queue.send(*map(body, bodies))
        queue.drain(chain.projection)
    assert [message["detail"]["sequence"] for message in queue.dead_letters()] == ["3"]
    assert chain.state("acme") == expected(history[:2])
    assert reported(cloud, "acme") == [("opportunity/a", 2, 3), ("opportunity/a", 3, 4)]


@pytest.mark.parametrize("expired", [{2}, {2, 3}, {3}])
def test_parked_events_that_expired_are_looked_for_once_and_can_be_replayed(
    prepare: Prepare, cloud: Any, expired: set[int]
) -> None:
    chain, queue = prepare()
    history = [event("acme", "opportunity/a", n + 1, value=n) for n in range(4)]
    queue.send(*(body(history[n]) for n in (2, 3)))
    queue.drain(chain.projection)
    assert len(chain.parked("acme", "opportunity/a")) == 2
    for item in cloud.scan(TableName="table")["Items"]:
        if item["sk"]["S"].startswith("PARKED#"):
            assert abs(int(item["ttl"]["N"]) - utc_now().timestamp() - 365 * 86400) < 60
    pk = "TENANT#acme#POSITION#chain#opportunity/a"
    for number in expired:
        chain.table.delete(pk, f"PARKED#{number + 1:012d}")
    queue.send(body(history[0]), body(history[1]))
    queue.drain(chain.projection)
    queue.send(*(body(one, replayed=True) for one in history))
    queue.drain(chain.projection)
    assert chain.state("acme") == expected(history)
    assert chain.parked("acme", "opportunity/a") == []
    position = chain.table.get(pk, "POSITION")
    assert position
    assert position["parked"] == 0
    assert queue.dead_letters() == []


def test_a_replayed_event_that_was_parked_is_applied_once(prepare: Prepare) -> None:
    chain, queue = prepare()
    first, second, third = (event("acme", "opportunity/a", n, value=n) for n in (1, 2, 3))
    third["data"]["poison"] = True
    for one in (first, third, second):
        chain.projection(lambda_event([body(one, replayed=True)]), None)
    chain.fails_on_poison, seen = False, list[tuple[int, bool]]()
    apply = chain.projection._apply
    chain.projection._apply = lambda event, memory: (
        seen.append((event.sequence, event.replayed)) or apply(event, memory)
    )
    queue.drain(chain.projection)
    assert seen == [(3, True)]


def test_a_repeated_event_schedules_its_lost_gap_check_again(
    prepare: Prepare, cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker parked the event and crashed before it sent the gap check."""
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
def test_a_poison_event_blocks_only_its_subject_until_a_redrive(
    prepare: Prepare, data: st.DataObject
) -> None:
    chain, queue = prepare()
    history = data.draw(histories())
    tenant = history[0]["tenantid"]
    poison = data.draw(st.sampled_from(history))
    poison["data"]["poison"] = True
    blocked = [
        one
        for one in history
        if one["subject"] == poison["subject"] and int(one["sequence"]) >= int(poison["sequence"])
    ]
    queue.send(*(body(history[i]) for i in data.draw(deliveries(len(history)))))
    queue.drain(chain.projection, size=data.draw(st.integers(1, 10)))
    healthy = [one for one in history if one not in blocked]
    assert chain.state(tenant) == expected(healthy)
    dead = queue.dead_letters()
    assert {message["detail"]["id"] for message in dead} == {poison["id"]}
    assert len(chain.parked(tenant, poison["subject"])) == len(blocked) - 1
    chain.fails_on_poison = False
    queue.send(*map(json.dumps, dead))
    queue.drain(chain.projection)
    assert chain.state(tenant) == expected(history)
    assert chain.parked(tenant, poison["subject"]) == []
    assert queue.dead_letters() == []


def count_calls() -> Counter[str]:
    """Counts the calls to DynamoDB from now on, by their names."""
    calls = Counter[str]()
    aws.client("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.*", lambda model, **_: calls.update([model.name])
    )
    return calls


def transaction_sizes() -> list[int]:
    """Lists the number of actions of every transaction from now on."""
    sizes: list[int] = []
    aws.client("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems",
        lambda params, **_: sizes.append(len(params["TransactItems"])),
    )
    return sizes


class Notes(Chain):
    """A toy projection that also writes five entries for each event, as a timeline does."""

    def apply(self, event: CloudEvent, memory: Memory) -> list[Action]:
        """The effects of the chain, and the entries."""
        entries = (Put({"pk": f"NOTES#{n}", "sk": event.id, "text": "x"}) for n in range(5))
        return [*super().apply(event, memory), *entries]


def test_effects_that_exceed_one_transaction_are_split(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = Notes(prepare()[0].table)
    history = [event("acme", "opportunity/a", n, value=n) for n in range(1, 25)]
    sizes = transaction_sizes()
    failures: list[Any] = []
    monkeypatch.setattr(
        "kernel.messaging.projection.log_failure", lambda *failure: failures.append(failure)
    )
    answer = chain.projection(lambda_event(map(body, history)), None)
    assert (answer, failures) == ({"batchItemFailures": []}, [])
    assert chain.state("acme") == expected(history)
    # The position, the sum, and five entries for each event that fits into the transaction.
    assert sizes == [2 + 19 * 5, 2 + 5 * 5]


def test_events_of_one_batch_are_applied_in_one_transaction(prepare: Prepare) -> None:
    chain, _ = prepare()
    history = [event("acme", "opportunity/a", n, value=n) for n in range(1, 7)]
    calls = count_calls()
    chain.projection(lambda_event(map(body, [*reversed(history), history[2]])), None)
    assert chain.state("acme") == expected(history)
    assert calls["TransactWriteItems"] == 1


def test_events_of_many_subjects_cost_one_read_and_one_write(prepare: Prepare) -> None:
    chain, _ = prepare()
    history = [event("acme", f"opportunity/{n}", 1, value=n) for n in range(10)]
    calls = count_calls()
    answer = chain.projection(lambda_event(map(body, history)), None)
    assert answer == {"batchItemFailures": []}
    assert calls == {"BatchGetItem": 1, "TransactWriteItems": 1}
    assert chain.state("acme") == expected(history)


def test_positions_that_a_throttled_read_leaves_out_are_read_again(prepare: Prepare) -> None:
    chain, _ = prepare()
    first, second = (
        [event("acme", f"opportunity/{n}", sequence, value=n) for n in range(3)]
        for sequence in (1, 2)
    )
    chain.projection(lambda_event(map(body, first)), None)

    def throttle(parsed: dict[str, Any], **_: Any) -> None:
        left_out = parsed["Responses"]["table"].pop()
        key = {name: left_out[name] for name in ("pk", "sk")}
        parsed["UnprocessedKeys"] = {"table": {"Keys": [key]}}

    aws.client("dynamodb").meta.events.register("after-call.dynamodb.BatchGetItem", throttle)
    calls = count_calls()
    chain.projection(lambda_event(map(body, second)), None)
    assert calls == {"BatchGetItem": 1, "GetItem": 1, "TransactWriteItems": 1}
    assert chain.state("acme") == expected([*first, *second])


class Board(Chain):
    """A toy projection in which all subjects change one counter."""

    def apply(self, _event: CloudEvent, _memory: Memory) -> list[Action]:
        """Count the event."""
        return [Add("TENANT#acme#COUNT", "all", {"events": 1})]


def test_changes_of_one_counter_by_many_subjects_are_merged(prepare: Prepare) -> None:
    chain = Board(prepare()[0].table)
    history = [event("acme", f"opportunity/{n}", 1, value=n) for n in range(10)]
    sizes = transaction_sizes()
    chain.projection(lambda_event(map(body, history)), None)
    assert sizes == [10 + 1]
    counter = chain.table.get("TENANT#acme#COUNT", "all")
    assert counter
    assert counter["events"] == 10


def test_duplicates_cost_one_read(prepare: Prepare) -> None:
    chain, _ = prepare()
    history = [event("acme", f"opportunity/{n}", 1, value=n) for n in range(10)]
    chain.projection(lambda_event(map(body, history)), None)
    calls = count_calls()
    answer = chain.projection(lambda_event(map(body, history)), None)
    assert answer == {"batchItemFailures": []}
    assert calls == {"BatchGetItem": 1}


def test_subjects_that_exceed_one_transaction_are_split(prepare: Prepare) -> None:
    """DynamoDB allows 100 actions in a transaction, and 100 keys in a read."""
    chain = Board(prepare()[0].table)
    history = [event("acme", f"opportunity/{n}", 1, value=n) for n in range(101)]
    sizes = transaction_sizes()
    calls = count_calls()
    chain.projection(lambda_event(map(body, history)), None)
    # A position for each subject, and their counter.
    assert sizes == [99 + 1, 2 + 1]
    assert calls == {"BatchGetItem": 2, "TransactWriteItems": 2}
    counter = chain.table.get("TENANT#acme#COUNT", "all")
    assert counter
    assert counter["events"] == 101


def test_a_poison_event_does_not_prevent_the_one_transaction_of_the_others(
    prepare: Prepare,
) -> None:
    chain, _ = prepare()
    history = [event("acme", f"opportunity/{n}", 1, value=n) for n in range(5)]
    history[2]["data"]["poison"] = True
    calls = count_calls()
    answer = chain.projection(lambda_event(map(body, history)), None)
    assert len(answer["batchItemFailures"]) == 1
    assert calls["TransactWriteItems"] == 1
    assert chain.state("acme") == expected([*history[:2], *history[3:]])


def test_a_transaction_that_fails_is_applied_one_subject_at_a_time(prepare: Prepare) -> None:
    """Another worker moves one of the positions after they were read."""
    for turn in range(4):
        chain, _ = prepare()
        history = [event("acme", f"opportunity/{n}", 1, value=n) for n in range(3)]
        both = invocation(chain, lambda_event(map(body, history)))
        other = invocation(chain, lambda_event([body(history[1])]))
        turns = itertools.chain([0] * turn, [1] * 4, itertools.repeat(0))
        answers = interleave([both, other], turns, [None, None])
        assert answers == [{"batchItemFailures": []}] * 2, turn
        assert chain.state("acme") == expected(history), turn


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


def test_equal_subjects_of_two_tenants_are_independent(prepare: Prepare) -> None:
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
        """Store the event; a repeated event is rejected by the table and ignored."""
        if event.data.get("poison"):
            raise Poisoned
        item = {
            "pk": f"TENANT#{event.tenant_id}#DIARY",
            "sk": event.id,
            "value": event.data["value"],
        }
        try:
            self.table.transact([Put(item, absent=True, error=Conflict("seen"))])
        except Conflict:
            return

    def stored(self, tenant: str) -> dict[str, int]:
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
    assert diary.stored(history[0]["tenantid"]) == seen
    dead = {message["detail"]["id"] for message in queue.dead_letters()}
    assert dead == {history[n]["id"] for n in poison}


def test_a_reactor_ignores_events_that_it_does_not_consume(cloud: Any) -> None:
    diary = Diary(Table(aws.client("dynamodb"), "table"), "OpportunityWon")
    invocation = lambda_event([body(event("acme", "opportunity/a", 1, value=5))])
    assert diary.reactor(invocation, None) == {"batchItemFailures": []}
    assert diary.stored("acme") == {}
