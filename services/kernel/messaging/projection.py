"""Projections: every event of a subject applied once and in sequence.

An event that arrives before an earlier one is parked; the gap is reported (StreamGapDetected) when
the earlier event does not arrive within the grace period. An event of another history of its
subject is reported (StreamDiverged), and the history with the later ids survives.

The events of one batch are applied in one transaction if they fit: one read and one write, in which
changes of one counter are merged. If it fails they are applied one by one. sequencing.py decides
and positions.py stores.
"""

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from kernel.domain.clock import Clock, utc_now
from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy, StaleVersion
from kernel.domain.events import StreamDivergence, StreamGap
from kernel.messaging.gap_checks import requeue, schedule_gap_check
from kernel.messaging.messages import Message, MessageBatch, log_consumed, log_failure
from kernel.messaging.naming import names_in_event
from kernel.messaging.positions import Parked, Position, PositionStore
from kernel.messaging.rebuilding import Apply, Rebuild
from kernel.messaging.sequencing import Decision, Gap, decide, gaps, next_events
from kernel.messaging.stream_reports import StreamReports
from kernel.messaging.upcasting import EventUpcasters, upcast
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.metrics import STREAM_DIVERGENCES
from kernel.runtime.work import working_on
from kernel.storage.table import TRANSACTION_LIMIT, Action, Add, Delete, Put, Table

_MAX_EVENTS = 20
"""The maximum number of events of a subject in a transaction; fewer if they have many effects."""
_ATTEMPTS = 6
"""Attempts to change a position while other workers change it, with pauses of half a second in
total; then the event is sent to the queue again, without an attempt of its message being lost."""
_FIRST_PAUSE_S = 0.02
_NOT_APPLIED = {
    Decision.SKIP: "duplicate",
    Decision.OVERTAKEN: "overtaken",
    Decision.SUPERSEDED: "superseded",
}
"""The outcomes of events that are not applied, as the log has them."""


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
        divergence: type[StreamDivergence],
        upcasters: EventUpcasters | None = None,
        clock: Clock = utc_now,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name, self.record_types = name, frozenset(record_types)
        self._positions = PositionStore(name, table)
        self._reports = StreamReports(name, gap, divergence)
        self._upcasters = upcasters or {}
        self._apply = _of_any_version(apply, self._upcasters)
        self._rebuild = Rebuild(self._positions, table, self._apply)
        self._now, self._pause = clock, pause

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """Apply every event; the partial batch response names those that failed.

        A request of `zebros events rebuild` is answered (rebuilding.py).
        """
        if "rebuild" in event:
            with working_on(partial(names_in_event, event)):
                return self._rebuild(event["rebuild"])
        batch = MessageBatch(self.name, event)
        by_subject: dict[tuple[str, str], list[Message]] = defaultdict(list)
        checks: list[Message] = []
        for message in batch.messages():
            if message.is_gap_check:
                checks.append(message)
            else:
                by_subject[message.event.tenant_id, message.event.subject].append(message)
        left = list[tuple[Position, list[Message]]]()
        with batch.isolate(*(one for messages in by_subject.values() for one in messages)):
            left = self._apply_together(list(by_subject.values()))
        for position, messages in left:
            with batch.isolate(*messages):
                self._apply_subject(batch, position, messages)
        # Gap checks run last, because the missing event may be in the same batch.
        for check in checks:
            with batch.isolate(check):
                self._contended(self._check_gap, self._positions.load(check.event), check.event)
        return batch.response()

    def _apply_together(
        self, subjects: list[list[Message]]
    ) -> list[tuple[Position, list[Message]]]:
        """Apply the events that follow their subject's position, as many per transaction as fit.

        Returns the position and the messages of each subject that remain to be applied one by one:
        duplicates, those after a gap, those of a subject with parked events or with an event that
        fails, and all of a transaction that failed.
        """
        remaining = [sorted(messages, key=_order) for messages in subjects]
        positions = self._positions.load_all(messages[0].event for messages in remaining)
        while steps := self._next_steps(positions, remaining):
            try:
                moved = self._positions.move_all(
                    [step.position for step in steps.values()], _merged(steps.values())
                )
            except Exception as error:
                logger().info(
                    "events are applied one by one", consumer=self.name, fault=describe(error)
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
            events = next_events(events, position.applied, _MAX_EVENTS)
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
                position = self._contended(self._apply_one, position, message.event)
            except Busy as error:
                self._send_again(batch, message, error)
                position = self._positions.load(message.event)
            except Exception as error:
                batch.fail([message], error)
                position = self._positions.load(message.event)
        # Whoever moved the position meanwhile applies the parked events; so does their gap check.
        with suppress(Busy):
            self._contended(self._apply_parked, position, messages[0].event)

    def _contended[R](
        self, change: Callable[[Position, CloudEvent], R], position: Position, event: CloudEvent
    ) -> R:
        """Change a subject's position, again while other workers change it. Raises Busy."""
        for attempt in range(1, _ATTEMPTS):
            try:
                return change(position, event)
            except Busy:
                self._pause(random.uniform(0, _FIRST_PAUSE_S * 2**attempt))  # noqa: S311
                position = self._positions.load(event)
            except StaleVersion as stale:
                if not stale.incomplete:
                    raise
                # A region was lost that had sent a report, and not the position that counts it.
                position = replace(position, reports=position.reports + 1)
        return change(position, event)

    def _send_again(self, batch: MessageBatch, message: Message, error: Busy) -> None:
        """Send the event of a message to the queue as a new one, which is received in a second.

        As a failure the message would return only after its visibility timeout, and five such
        returns would move it to the dead-letter queue.
        """
        if requeue(message.event, delay_s=1):
            log_consumed(self.name, message.event, "delayed")
        else:
            batch.fail([message], error)

    def _apply_one(self, position: Position, event: CloudEvent) -> Position:
        """Apply, park or skip an event; returns the position afterwards."""
        return self._carry_out(decide(position.applied, event), position, event)

    def _carry_out(
        self,
        decision: Decision,
        position: Position,
        event: CloudEvent,
        parked: Parked | None = None,
    ) -> Position:
        """Carry out a decision on an event; returns the position afterwards.

        `parked` is the event's entry when it was parked.
        """
        match decision:
            case Decision.PARK:
                return self._park(position, event)
            case Decision.APPLY | Decision.DIVERGED:
                return self._step(decision, position, event, parked)
            case Decision.OVERTAKEN:
                position = self._report_overtaken(position, event)
        log_consumed(self.name, event, _NOT_APPLIED[decision])
        return self._positions.unpark(position, parked) if parked else position

    def _step(
        self, decision: Decision, position: Position, event: CloudEvent, parked: Parked | None
    ) -> Position:
        """Apply an event and move the position in one transaction."""
        effects: list[Action] = [Delete(position.pk, parked.key)] if parked else []
        step = self._plan(position, [event])
        moved = replace(step.position, parked=position.parked - len(effects))
        if decision is Decision.DIVERGED:
            lost = position.applied.recent[-1]
            effects.append(self._reports.divergence(moved, event, lost, self._now()))
            # Gaps of the lost history were other gaps.
            reported = min(moved.reported, event.sequence)
            moved = replace(moved, reports=moved.reports + 1, reported=reported, diverged=lost)
        moved = self._positions.move(moved, *_merged([step]), *effects)
        if decision is Decision.DIVERGED:
            _warn_of_divergence(self.name, event, moved.diverged)
        log_consumed(self.name, event)
        return moved

    def _report_overtaken(self, position: Position, event: CloudEvent) -> Position:
        """Report the histories of an event that was overtaken, unless they were reported."""
        lost = position.applied.id_of(event.sequence)
        if lost is None or lost <= position.diverged:
            return position
        report = self._reports.divergence(position, event, lost, self._now())
        # What was committed before this event is of the lost history, or of both.
        diverged = max(one for one in position.applied.recent if one < event.id)
        moved = replace(position, reports=position.reports + 1, diverged=diverged)
        moved = self._positions.move(moved, report)
        _warn_of_divergence(self.name, event, lost)
        return moved

    def _plan(self, position: Position, events: list[CloudEvent]) -> _Step:
        """The step that applies the next events, at least one and as many as fit."""
        memory, effects, applied = position.memory, list[Action](), list[CloudEvent]()
        for event in events:
            next_memory = json.loads(json.dumps(memory))
            next_effects = [*effects, *self._apply(event, next_memory)]
            if applied and 1 + len(one_action_per_item(next_effects)) > TRANSACTION_LIMIT:
                break
            memory, effects = next_memory, next_effects
            applied.append(event)
        after = position.applied
        for event in applied:
            after = after.after(event)
        return _Step(replace(position, applied=after, memory=memory), applied, effects)

    def _park(self, position: Position, event: CloudEvent) -> Position:
        position = self._positions.park(position, event)
        # Even if it was parked before: that worker may have died before it scheduled the check.
        schedule_gap_check(event)
        log_consumed(self.name, event, "parked")
        return position

    def _apply_parked(self, position: Position, _event: CloudEvent) -> None:
        """Apply the parked events that are next, and remove those that are not to be applied."""
        while position.parked:
            moved = False
            for parked in self._positions.parked(position):
                decision = decide(position.applied, parked)
                if decision is Decision.PARK:
                    return
                moved = True
                if decision in _NOT_APPLIED:
                    position = self._carry_out(decision, position, parked.event, parked)
                    continue
                try:
                    position = self._carry_out(decision, position, parked.event, parked)
                except Busy:
                    raise
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
        log_failure(self.name, error, [], [parked.event])
        position = self._positions.unpark(position, parked)
        # It leaves a gap before the later events, which no other check would find.
        if behind := next(self._positions.parked(position), None):
            schedule_gap_check(behind.event)

    def _check_gap(self, position: Position, waiting: CloudEvent) -> None:
        """Report every gap before a parked event that was not reported yet."""
        self._apply_parked(position, waiting)
        position = self._positions.load(waiting)
        parked = [one.event for one in self._positions.parked(position, last=waiting.sequence)]
        for gap in gaps(position.applied.sequence, parked, position.reported):
            position = self._report(position, gap)

    def _report(self, position: Position, gap: Gap[CloudEvent]) -> Position:
        """Publish StreamGapDetected for a gap."""
        report = self._reports.gap(position, gap, self._now())
        reported = gap.waiting.sequence - 1
        moved = replace(position, reports=position.reports + 1, reported=reported)
        return self._positions.move(moved, report)


def _of_any_version(apply: Apply, upcasters: EventUpcasters) -> Apply:
    """The same for events of every version."""
    return lambda event, memory: apply(upcast(event, upcasters), memory)


def _order(message: Message) -> tuple[int, str]:
    return message.event.sequence, message.event.id


def _warn_of_divergence(projection: str, event: CloudEvent, lost_event_id: str) -> None:
    logger().warning(
        "stream diverged",
        consumer=projection,
        event_id=event.id,
        lost_event_id=lost_event_id,
        subject=event.subject,
        sequence=event.sequence,
        tenant=event.tenant_id,
        correlation_id=event.correlation_id,
        **STREAM_DIVERGENCES.fields(1, projection),
    )


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
