"""Projections: every event of a subject applied once, in sequence, in one transaction each.

A projection keeps one position item per subject:
  TENANT#<t>#POSITION#<projection>#<subject>   POSITION            sequence, memory, gaps reported
  the same                                     PARKED#<sequence>   an event that came too early
The position moves in the same transaction as the effect, and only from the version that was read
(compare and set), so an event can be neither applied twice nor skipped, whoever else runs. Parking
moves the position's version too and counts what is parked: nobody can park and pass unseen, and
where nothing is parked nothing is looked for.

Events of one subject that arrive together are applied in one transaction, as many as it takes: one
read and one write.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kernel.domain.auth import system
from kernel.domain.clock import Clock, utc_now
from kernel.domain.envelope import CloudEvent, seal, unseal
from kernel.domain.errors import Busy, Conflict
from kernel.domain.events import StreamGap, StreamState
from kernel.domain.ids import new_id
from kernel.messaging.consumer import Message, consumed, failures, report
from kernel.runtime.aws import client
from kernel.storage.dynamo import TRANSACTION_LIMIT, Action, Add, Delete, Item, Put, Table
from kernel.storage.store import outbox

Memory = dict[str, Any]
"""What a projection remembers about a subject between events, as JSON."""
Apply = Callable[[CloudEvent, Memory], list[Action]]
"""The effect of one event; it may change the memory in place."""

GAP_GRACE_SECONDS = 60
"""How long an event may wait for an earlier one before the gap is reported: queues reorder."""
_PARKED = "PARKED#"
_LAST = 10**12 - 1
"""Beyond any sequence; it has the digits of a sort key."""
_TOGETHER = 20
"""Events of one subject in one transaction at most; fewer where their effects are many."""
_TRIES = 4
"""Attempts to apply one event while other workers move its subject on."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a projection is with one subject."""

    pk: str
    version: int = 0
    """Grows with every write; 0: not stored yet."""
    sequence: int = 0
    """The sequence of the last event that was applied."""
    memory: Memory = field(default_factory=dict)
    gaps: int = 0
    """Gaps reported so far; the sequence of the last StreamGapDetected."""
    reported: int = 0
    """The highest missing sequence that was reported; all below it were reported or have come."""
    parked: int = 0
    """How many events wait."""

    def write(self) -> Put:
        """Store it, provided nobody moved it since it was read."""
        return Put(
            {
                "pk": self.pk,
                "sk": "POSITION",
                "version": self.version + 1,
                "sequence": self.sequence,
                "memory": json.dumps(self.memory, separators=(",", ":"), ensure_ascii=False),
                "gaps": self.gaps,
                "reported": self.reported,
                "parked": self.parked,
            },
            absent=self.version == 0,
            version=self.version or None,
            refused=Busy("Another consumer moved this subject on."),
        )

    def stored(self) -> "Position":
        """As it is once `write` was carried out."""
        return replace(self, version=self.version + 1)


class Projection:
    """Applies events to a table; `gap` is its context's StreamGapDetected."""

    def __init__(
        self,
        name: str,
        *,
        types: Iterable[str],
        table: Callable[[], Table],
        apply: Apply,
        gap: type[StreamGap],
        clock: Clock = utc_now,
    ) -> None:
        self.name, self.types = name, frozenset(types)
        self._table, self._apply, self._gap, self._now = table, apply, gap, clock

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """The Lambda handler (SQS, partial batch failures)."""
        failed: list[str] = []
        by_subject: dict[tuple[str, str], list[tuple[str, CloudEvent]]] = defaultdict(list)
        checks: list[tuple[dict[str, Any], CloudEvent]] = []
        for record in event["Records"]:
            try:
                message = Message(record)
                if "gap_check" in message.body:
                    checks.append((record, unseal(message.body["gap_check"])))
                    continue
                cloud_event = message.event()
                by_subject[cloud_event.tenant_id, cloud_event.subject].append(
                    (message.id, cloud_event)
                )
            except Exception as fault:
                report(self.name, record, fault)
                failed.append(record["messageId"])
        for waiting in by_subject.values():
            try:
                failed += self.advance(
                    [cloud_event for _, cloud_event in waiting], [m for m, _ in waiting]
                )
            except Exception as fault:
                report(self.name, {"messageId": waiting[0][0]}, fault)
                failed += [message_id for message_id, _ in waiting]
        # Last: the missing event may have been in this very batch.
        for record, parked in checks:
            try:
                self._check_gap(parked)
            except Exception as fault:
                report(self.name, record, fault)
                failed.append(record["messageId"])
        return failures(failed)

    def advance(self, events: list[CloudEvent], messages: list[str]) -> list[str]:
        """Apply events of one subject; returns the messages of those that failed.

        An event that fails stops the ones behind it (they park), not other subjects.
        """
        order = sorted(zip(events, messages, strict=True), key=lambda pair: pair[0].sequence)
        position = self._position(order[0][0])
        failed: list[str] = []
        while len(together := _run([event for event, _ in order], position.sequence)) > 1:
            try:
                moved = self._step(position, together)
            except Exception as fault:
                # One by one then: whose fault it was shows, and the others are not held up.
                report(self.name, {"messageId": order[0][1]}, fault)
                position = self._position(together[0])
                break
            applied = together[: moved.sequence - position.sequence]
            order = [pair for pair in order if pair[0] not in applied]
            position = moved
        for event, message in order:
            try:
                position = self._take(position, event)
            except Exception as fault:
                report(self.name, {"messageId": message}, fault)
                failed.append(message)
                position = self._position(event)
        self._drain(position)
        return failed

    def _take(self, position: Position, event: CloudEvent) -> Position:
        """Apply an event, or park it, or see that it was applied before; where we are then."""
        for _ in range(_TRIES):
            if event.sequence <= position.sequence:
                consumed(self.name, event, "duplicate")
                return position
            try:
                if event.sequence > position.sequence + 1:
                    return self._park(position, event)
                return self._step(position, [event])
            except Busy:
                position = self._position(event)
        raise Busy("Other consumers kept moving this subject on.")

    def _step(self, position: Position, events: list[CloudEvent], *parked: str) -> Position:
        """Apply the next events of a subject together with its position: as many as fit.

        `parked` are the sort keys these events were parked under.
        """
        room = TRANSACTION_LIMIT - 1 - len(parked)
        memory, effects, applied = position.memory, list[Action](), list[CloudEvent]()
        for event in events:
            memory_then = json.loads(json.dumps(memory))
            effects_then = [*effects, *self._apply(event, memory_then)]
            if applied and len(merged(effects_then)) > room:
                break
            memory, effects = memory_then, effects_then
            applied.append(event)
        moved = replace(
            position,
            sequence=applied[-1].sequence,
            memory=memory,
            parked=position.parked - len(parked),
        )
        freed = [Delete(position.pk, key) for key in parked]
        self._table().transact([moved.write(), *merged(effects), *freed])
        for event in applied:
            consumed(self.name, event)
        return moved.stored()

    def _drain(self, position: Position) -> None:
        """Apply what was parked and is next now; forget what was parked and is done."""
        while position.parked:
            moved = False
            for key, event in self._parked(position):
                if event.sequence > position.sequence + 1:
                    return
                moved = True
                if event.sequence <= position.sequence:
                    position = self._forget(position, key)
                    continue
                try:
                    position = self._step(position, [event], key)
                except Exception as fault:
                    self._send_back(position, key, event, fault)
                    return
            if not moved:
                return

    def _forget(self, position: Position, key: str) -> Position:
        """A parked event has nothing to wait for any more."""
        moved = replace(position, parked=position.parked - 1)
        self._table().transact([moved.write(), Delete(position.pk, key)])
        return moved.stored()

    def _send_back(self, position: Position, key: str, event: CloudEvent, fault: Exception) -> None:
        """A parked event that fails when its turn has come is a message of its own again.

        So it is retried, and in the end kept as a dead letter, by itself: the message that made it
        the next one has done its work.
        """
        queue = os.environ.get("QUEUE_URL")
        if not queue:
            raise fault
        report(self.name, {"messageId": f"parked {event.id}"}, fault)
        body: dict[str, Any] = {"detail": json.loads(event.detail)}
        if event.replayed:
            body["replay-name"] = "parked"
        client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))
        position = self._forget(position, key)
        # It leaves a gap before those behind it, about which nobody would ask any more.
        if behind := next(self._parked(position), None):
            _ask_later(behind[1])

    def _park(self, position: Position, event: CloudEvent) -> Position:
        """Keep an event that came too early, and ask later whether the missing one came."""
        moved = replace(position, parked=position.parked + 1)
        item: Item = {
            "pk": position.pk,
            "sk": f"{_PARKED}{event.sequence:012d}",
            "detail": event.detail,
            "replayed": int(event.replayed),
        }
        waits = Put(item, absent=True, refused=Conflict("It waits already."))
        try:
            self._table().transact([moved.write(), waits])
            position = moved.stored()
        except Busy:
            raise
        except Conflict:
            # Whoever parked it may have died before the question was sent: it is asked again.
            pass
        _ask_later(event)
        consumed(self.name, event, "parked")
        return position

    def _parked(self, position: Position, last: int = _LAST) -> Iterator[tuple[str, CloudEvent]]:
        """Parked events up to sequence `last`, in order, each with its sort key."""
        after: Item | None = None
        while True:
            found = self._table().query(
                position.pk,
                between=(_PARKED, f"{_PARKED}{last:012d}"),
                after=after,
                consistent=True,
            )
            for item in found.items:
                detail = json.loads(str(item["detail"]))
                yield str(item["sk"]), unseal(detail, replayed=bool(item["replayed"]))
            if (after := found.last_key) is None:
                return

    def _check_gap(self, waiting: CloudEvent) -> None:
        """Report what is still missing before a parked event, every gap once."""
        self._drain(self._position(waiting))
        position = self._position(waiting)
        expected = position.sequence + 1
        for _, event in self._parked(position, last=waiting.sequence):
            if event.sequence > expected and event.sequence - 1 > position.reported:
                position = self._report(position, expected, event)
            expected = event.sequence + 1

    def _report(self, position: Position, missing: int, waiting: CloudEvent) -> Position:
        """Publish that the events from `missing` to just before `waiting` have not come."""
        now = self._now()
        event = self._gap(
            current=StreamState(
                id=new_id(),
                version=1,
                created_at=now,
                created_by="system",
                updated_at=now,
                updated_by="system",
                projection=self.name,
                subject=waiting.subject,
                missing_sequence=missing,
                waiting_sequence=waiting.sequence,
                waiting_event_id=waiting.id,
            )
        )
        moved = replace(position, gaps=position.gaps + 1, reported=waiting.sequence - 1)
        envelope = seal(
            event,
            subject=f"stream/{self.name}.{waiting.subject.replace('/', '.')}",
            sequence=moved.gaps,
            caller=system(
                waiting.tenant_id, correlation_id=waiting.correlation_id, causation_id=waiting.id
            ),
            at=now,
        )
        self._table().transact([moved.write(), outbox(position.pk, moved.gaps, envelope)])
        return moved.stored()

    def _position(self, event: CloudEvent) -> Position:
        pk = f"TENANT#{event.tenant_id}#POSITION#{self.name}#{event.subject}"
        item = self._table().get(pk, "POSITION", consistent=True)
        if item is None:
            return Position(pk)
        return Position(
            pk,
            int(item["version"]),
            int(item["sequence"]),
            json.loads(str(item["memory"])),
            int(item["gaps"]),
            int(item["reported"]),
            int(item.get("parked", 0)),
        )


def _ask_later(parked: CloudEvent) -> None:
    """Let the queue ask, after a while, whether the events before a parked one have come."""
    if queue := os.environ.get("QUEUE_URL"):
        client("sqs").send_message(
            QueueUrl=queue,
            DelaySeconds=int(os.environ.get("GAP_GRACE_SECONDS", GAP_GRACE_SECONDS)),
            MessageBody=json.dumps({"gap_check": json.loads(parked.detail)}),
        )


def _run(events: list[CloudEvent], after: int) -> list[CloudEvent]:
    """The events, in order, that come next after a sequence without a gap, each once."""
    found: list[CloudEvent] = []
    for event in events:
        if event.sequence == after + len(found) + 1:
            found.append(event)
        elif event.sequence > after + len(found) + 1:
            break
    return found[:_TOGETHER]


def merged(actions: list[Action]) -> list[Action]:
    """The same effect with one action per item, which is all a transaction allows."""
    by_item: dict[tuple[str, str, str], Action] = {}
    for action in actions:
        pk, sk = (
            (str(action.item["pk"]), str(action.item["sk"]))
            if isinstance(action, Put)
            else (action.pk, action.sk)
        )
        key = (action.table, pk, sk)
        before = by_item.get(key)
        if isinstance(before, Add) and isinstance(action, Add):
            names = before.amounts.keys() | action.amounts.keys()
            amounts = {n: before.amounts.get(n, 0) + action.amounts.get(n, 0) for n in names}
            action = replace(action, amounts=amounts, fixed={**before.fixed, **action.fixed})
        by_item[key] = action
    return [a for a in by_item.values() if not isinstance(a, Add) or any(a.amounts.values())]
