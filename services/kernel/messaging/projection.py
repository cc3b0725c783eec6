"""Projections: every event of a subject applied once and in sequence.

An event that arrives before an earlier one is parked; the gap is reported (StreamGapDetected) when
the earlier event does not arrive within the grace period. Events of one subject that arrive in one
batch are applied in one transaction, as many as fit: one read and one write. sequencing.py decides
and positions.py stores.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from kernel.domain.clock import Clock, utc_now
from kernel.domain.cloud_events import CloudEvent, envelope
from kernel.domain.errors import Busy
from kernel.domain.events import StreamGap, StreamState
from kernel.domain.ids import new_id
from kernel.domain.principal import SYSTEM_USER, system_request
from kernel.messaging.gap_checks import requeue, schedule_gap_check
from kernel.messaging.messages import Message, MessageBatch, log_consumed, log_failure
from kernel.messaging.positions import Memory, Parked, Position, PositionStore
from kernel.messaging.sequencing import Decision, Gap, decide, gaps, next_events
from kernel.storage.outbox import outbox_entry
from kernel.storage.table import TRANSACTION_LIMIT, Action, Add, Delete, Put, Table

Apply = Callable[[CloudEvent, Memory], list[Action]]
"""Returns the effects of one event; it may change the memory in place."""

_MAX_EVENTS = 20
"""The maximum number of events of a subject in a transaction; fewer if they have many effects."""
_ATTEMPTS = 4
"""Attempts to apply one event while other workers change its subject's position."""


class Projection:
    """Applies the events of certain record types to a table; a Lambda handler (SQS)."""

    def __init__(
        self,
        name: str,
        *,
        record_types: Iterable[str],
        table: Callable[[], Table],
        apply: Apply,
        gap: type[StreamGap],
        clock: Clock = utc_now,
    ) -> None:
        self.name, self.record_types = name, frozenset(record_types)
        self._positions = PositionStore(name, table)
        self._apply, self._gap, self._now = apply, gap, clock

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """Apply every event; the partial batch response names those that failed."""
        batch = MessageBatch(self.name, event)
        by_subject: dict[tuple[str, str], list[Message]] = defaultdict(list)
        checks: list[Message] = []
        for message in batch.messages():
            if message.is_gap_check:
                checks.append(message)
            else:
                by_subject[message.event.tenant_id, message.event.subject].append(message)
        for messages in by_subject.values():
            with batch.isolate(*messages):
                self._apply_subject(batch, messages)
        # Gap checks run last, because the missing event may be in the same batch.
        for check in checks:
            with batch.isolate(check):
                self._check_gap(check.event)
        return batch.response()

    def _apply_subject(self, batch: MessageBatch, messages: list[Message]) -> None:
        """Apply events of one subject; those after one that fails are parked."""
        waiting = sorted(messages, key=lambda message: message.event.sequence)
        position = self._positions.load(waiting[0].event)
        position, waiting = self._apply_together(position, waiting)
        for message in waiting:
            try:
                position = self._apply_one(position, message.event)
            except Exception as error:
                batch.fail([message.id], error)
                position = self._positions.load(message.event)
        self._apply_parked(position)

    def _apply_together(
        self, position: Position, waiting: list[Message]
    ) -> tuple[Position, list[Message]]:
        """Apply the events that follow without a gap, several per transaction.

        Returns the new position and the messages that were not applied.
        """
        events = [message.event for message in waiting]
        while len(together := next_events(events, position.sequence, _MAX_EVENTS)) > 1:
            try:
                moved = self._step(position, together)
            except Exception as error:
                # One by one, the event that fails is found and the others are applied.
                log_failure(self.name, [waiting[0].id], error)
                position = self._positions.load(together[0])
                break
            applied = together[: moved.sequence - position.sequence]
            waiting = [message for message in waiting if message.event not in applied]
            events = [message.event for message in waiting]
            position = moved
        return position, waiting

    def _apply_one(self, position: Position, event: CloudEvent) -> Position:
        """Apply, park or skip an event; returns the position afterwards."""
        for _ in range(_ATTEMPTS):
            try:
                match decide(position.sequence, event.sequence):
                    case Decision.SKIP:
                        log_consumed(self.name, event, "duplicate")
                        return position
                    case Decision.PARK:
                        return self._park(position, event)
                    case Decision.APPLY:
                        return self._step(position, [event])
            except Busy:
                position = self._positions.load(event)
        raise Busy("Other consumers kept changing this subject's position.")

    def _step(
        self, position: Position, events: list[CloudEvent], parked: Parked | None = None
    ) -> Position:
        """Apply the next events of a subject and move its position in one transaction.

        Applies as many events as fit. `parked` is the parked entry when it is a single one.
        """
        removed = [Delete(position.pk, parked.key)] if parked else []
        room = TRANSACTION_LIMIT - 1 - len(removed)
        memory, effects, applied = position.memory, list[Action](), list[CloudEvent]()
        for event in events:
            next_memory = json.loads(json.dumps(memory))
            next_effects = [*effects, *self._apply(event, next_memory)]
            if applied and len(one_action_per_item(next_effects)) > room:
                break
            memory, effects = next_memory, next_effects
            applied.append(event)
        moved = replace(
            position,
            sequence=applied[-1].sequence,
            memory=memory,
            parked=position.parked - len(removed),
        )
        moved = self._positions.move(moved, *one_action_per_item(effects), *removed)
        for event in applied:
            log_consumed(self.name, event)
        return moved

    def _park(self, position: Position, event: CloudEvent) -> Position:
        position = self._positions.park(position, event)
        # Even if it was parked before: that worker may have died before it scheduled the check.
        schedule_gap_check(event)
        log_consumed(self.name, event, "parked")
        return position

    def _apply_parked(self, position: Position) -> None:
        """Apply the parked events that are next, and remove those that were applied since."""
        while position.parked:
            moved = False
            for parked in self._positions.parked(position):
                decision = decide(position.sequence, parked.sequence)
                if decision is Decision.PARK:
                    return
                moved = True
                if decision is Decision.SKIP:
                    position = self._positions.unpark(position, parked)
                    continue
                try:
                    position = self._step(position, [parked.event], parked)
                except Exception as error:
                    self._requeue(position, parked, error)
                    return
            if not moved:
                return

    def _requeue(self, position: Position, parked: Parked, error: Exception) -> None:
        """Send a parked event that fails to the queue again, as its own message.

        SQS then retries and finally dead-letters it separately: the message that made it the next
        one has succeeded.
        """
        if not requeue(parked.event):
            raise error
        log_failure(self.name, [f"parked {parked.event.id}"], error)
        position = self._positions.unpark(position, parked)
        # It leaves a gap before the later events, which no other check would find.
        if behind := next(self._positions.parked(position), None):
            schedule_gap_check(behind.event)

    def _check_gap(self, waiting: CloudEvent) -> None:
        """Report every gap before a parked event that was not reported yet."""
        self._apply_parked(self._positions.load(waiting))
        position = self._positions.load(waiting)
        parked = [one.event for one in self._positions.parked(position, last=waiting.sequence)]
        for gap in gaps(position.sequence, parked, position.reported):
            position = self._report(position, gap)

    def _report(self, position: Position, gap: Gap[CloudEvent]) -> Position:
        """Publish StreamGapDetected for a gap."""
        now, waiting = self._now(), gap.waiting
        event = self._gap(
            current=StreamState(
                id=new_id(),
                version=1,
                created_at=now,
                created_by=SYSTEM_USER,
                updated_at=now,
                updated_by=SYSTEM_USER,
                projection=self.name,
                subject=waiting.subject,
                missing_sequence=gap.first,
                waiting_sequence=waiting.sequence,
                waiting_event_id=waiting.id,
            )
        )
        moved = replace(position, gaps=position.gaps + 1, reported=waiting.sequence - 1)
        document = envelope(
            event,
            subject=f"stream/{self.name}.{waiting.subject.replace('/', '.')}",
            sequence=moved.gaps,
            request=system_request(
                waiting.tenant_id, correlation_id=waiting.correlation_id, causation_id=waiting.id
            ),
            at=now,
        )
        return self._positions.move(moved, outbox_entry(position.pk, moved.gaps, document))


def one_action_per_item(actions: Iterable[Action]) -> list[Action]:
    """The same effects with at most one action per item, as DynamoDB's transactions require."""
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
