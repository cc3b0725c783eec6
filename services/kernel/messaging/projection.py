"""Projections: every event of a subject applied once and in sequence.

An event that arrives before an earlier one is parked; the gap is reported (StreamGapDetected) when
the earlier event does not arrive within the grace period. The events of one batch are applied in
one transaction if they fit: one read and one write, in which changes of one counter are merged. If
it fails they are applied one by one. sequencing.py decides and positions.py stores.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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
from kernel.messaging.upcasting import EventUpcasters, upcast
from kernel.runtime.log import logger
from kernel.storage.outbox import outbox_entry
from kernel.storage.table import TRANSACTION_LIMIT, Action, Add, Delete, Put, Table

Apply = Callable[[CloudEvent, Memory], list[Action]]
"""Returns the effects of one event; it may change the memory in place."""

_MAX_EVENTS = 20
"""The maximum number of events of a subject in a transaction; fewer if they have many effects."""
_ATTEMPTS = 4
"""Attempts to apply one event while other workers change its subject's position."""


@dataclass(frozen=True, slots=True)
class _Step:
    """Events of one subject that are applied in one transaction."""

    position: Position
    """The position after these events."""
    events: list[CloudEvent]
    effects: list[Action]


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
        upcasters: EventUpcasters | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.name, self.record_types = name, frozenset(record_types)
        self._positions = PositionStore(name, table)
        self._apply, self._gap, self._now = apply, gap, clock
        self._upcasters = upcasters or {}

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
        for position, messages in self._apply_together(list(by_subject.values())):
            with batch.isolate(*messages):
                self._apply_subject(batch, position, messages)
        # Gap checks run last, because the missing event may be in the same batch.
        for check in checks:
            with batch.isolate(check):
                self._check_gap(check.event)
        return batch.response()

    def _apply_together(
        self, subjects: list[list[Message]]
    ) -> list[tuple[Position, list[Message]]]:
        """Apply the events that follow their subject's position, as many per transaction as fit.

        Returns the position and the messages of each subject that remain to be applied one by one:
        duplicates, those after a gap, those of a subject with parked events or with an event that
        fails, and all of a transaction that failed.
        """
        remaining = [sorted(messages, key=_sequence) for messages in subjects]
        positions = self._positions.load_all(messages[0].event for messages in remaining)
        while steps := self._next_steps(positions, remaining):
            try:
                moved = self._positions.move_all(
                    [step.position for step in steps.values()], _merged(steps.values())
                )
            except Exception as error:
                logger().warning(
                    "events are applied one by one", consumer=self.name, fault=repr(error)
                )
                break
            for (number, step), position in zip(steps.items(), moved, strict=True):
                positions[number] = position
                applied = {event.id for event in step.events}
                remaining[number] = [
                    one for one in remaining[number] if one.event.id not in applied
                ]
                for event in step.events:
                    log_consumed(self.name, event)
        return [one for one in zip(positions, remaining, strict=True) if one[1]]

    def _next_steps(
        self, positions: list[Position], remaining: list[list[Message]]
    ) -> dict[int, _Step]:
        """The next step of every subject that fits into one transaction, by the subject's number.

        Subjects with an event that fails are left out.
        """
        steps: dict[int, _Step] = {}
        for number, (position, messages) in enumerate(zip(positions, remaining, strict=True)):
            events = [message.event for message in messages]
            events = next_events(events, position.sequence, _MAX_EVENTS)
            if not events or position.parked:
                continue
            try:
                step = self._plan(position, events)
            except Exception:  # noqa: S112  # applied one by one, the event that fails is logged
                continue
            together = [*steps.values(), step]
            if len(together) + len(_merged(together)) > TRANSACTION_LIMIT:
                break
            steps[number] = step
        return steps

    def _apply_subject(
        self, batch: MessageBatch, position: Position, messages: list[Message]
    ) -> None:
        """Apply events of one subject one by one; those after one that fails are parked."""
        for message in messages:
            try:
                position = self._apply_one(position, message.event)
            except Exception as error:
                batch.fail([message.id], error)
                position = self._positions.load(message.event)
        self._apply_parked(position)

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
                        return self._step(position, event)
            except Busy:
                position = self._positions.load(event)
        raise Busy("Other consumers kept changing this subject's position.")

    def _step(
        self, position: Position, event: CloudEvent, parked: Parked | None = None
    ) -> Position:
        """Apply the next event and move the position in one transaction.

        `parked` is the event's entry when it was parked.
        """
        removed = [Delete(position.pk, parked.key)] if parked else []
        step = self._plan(position, [event])
        moved = replace(step.position, parked=position.parked - len(removed))
        moved = self._positions.move(moved, *_merged([step]), *removed)
        log_consumed(self.name, event)
        return moved

    def _plan(self, position: Position, events: list[CloudEvent]) -> _Step:
        """The step that applies the next events, at least one and as many as fit."""
        memory, effects, applied = position.memory, list[Action](), list[CloudEvent]()
        for event in events:
            next_memory = json.loads(json.dumps(memory))
            next_effects = [*effects, *self._apply(upcast(event, self._upcasters), next_memory)]
            if applied and 1 + len(one_action_per_item(next_effects)) > TRANSACTION_LIMIT:
                break
            memory, effects = next_memory, next_effects
            applied.append(event)
        moved = replace(position, sequence=applied[-1].sequence, memory=memory)
        return _Step(moved, applied, effects)

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
                    position = self._step(position, parked.event, parked)
                except Exception as error:
                    self._requeue(position, parked, error)
                    return
            if not moved:
                self._positions.none_parked(position)
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


def _sequence(message: Message) -> int:
    return message.event.sequence


def _merged(steps: Iterable[_Step]) -> list[Action]:
    """The effects of all steps."""
    return one_action_per_item(effect for step in steps for effect in step.effects)


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
