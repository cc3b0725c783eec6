"""Projections: every fact of a subject applied once, in sequence, in one transaction each.

A projection keeps one position item per subject:
  TENANT#<t>#POSITION#<projection>#<subject>   POSITION            sequence, memory, gap
  the same                                     PARKED#<sequence>   a fact that came too early
The position moves in the same transaction as the effect and only from the sequence that was read
(compare and set), so a fact can be neither applied twice nor skipped, whoever else runs.
"""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from kernel.auth import system
from kernel.aws import client
from kernel.clock import Clock, utc_now
from kernel.consumer import Message, consumed, failures, report
from kernel.dynamo import Action, Delete, Item, Put, Table
from kernel.envelope import Fact, seal, unseal
from kernel.errors import Busy
from kernel.events import StreamGap, StreamState
from kernel.ids import new_id
from kernel.store import outbox

Memory = dict[str, Any]
"""What a projection remembers about a subject between facts, as JSON."""
Apply = Callable[[Fact, Memory], list[Action]]
"""The effect of one fact; it may change the memory in place."""

GAP_GRACE_SECONDS = 60
"""How long a fact may wait for an earlier one before the gap is reported: queues reorder."""
_DRAIN = 50


@dataclass(slots=True)
class Position:
    """How far a projection is with one subject."""

    pk: str
    sequence: int = 0
    memory: Memory = field(default_factory=dict)
    gaps: int = 0
    """Gaps reported so far; the sequence of the last StreamGapDetected."""
    reported: int = 0
    """The missing sequence that was reported last."""

    def item(self) -> Item:
        """As stored."""
        return {
            "pk": self.pk,
            "sk": "POSITION",
            "sequence": self.sequence,
            "memory": json.dumps(self.memory, separators=(",", ":"), ensure_ascii=False),
            "gaps": self.gaps,
            "reported": self.reported,
        }


class Projection:
    """Applies facts to a table; `gap` is its context's StreamGapDetected."""

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
        by_subject: dict[tuple[str, str], list[tuple[str, Fact]]] = defaultdict(list)
        for record in event["Records"]:
            try:
                message = Message(record)
                if "gap_check" in message.body:
                    self._check_gap(unseal(message.body["gap_check"]))
                    continue
                fact = message.fact()
                by_subject[fact.tenant_id, fact.subject].append((message.id, fact))
            except Exception as fault:
                report(self.name, record, fault)
                failed.append(record["messageId"])
        for waiting in by_subject.values():
            try:
                failed += self.advance([fact for _, fact in waiting], [m for m, _ in waiting])
            except Exception as fault:
                report(self.name, {"messageId": waiting[0][0]}, fault)
                failed += [message_id for message_id, _ in waiting]
        return failures(failed)

    def advance(self, facts: list[Fact], messages: list[str]) -> list[str]:
        """Apply facts of one subject; returns the messages of those that failed.

        A fact that fails stops the ones behind it (they park), not other subjects.
        """
        order = sorted(zip(facts, messages, strict=True), key=lambda pair: pair[0].sequence)
        position = self._position(order[0][0])
        failed: list[str] = []
        parked = False
        for fact, message in order:
            if fact.sequence <= position.sequence:
                consumed(self.name, fact, "duplicate")
            elif fact.sequence > position.sequence + 1:
                self._park(position, fact)
                parked = True
            else:
                try:
                    position = self._step(position, fact)
                except Exception as fault:
                    report(self.name, {"messageId": message}, fault)
                    failed.append(message)
                    position = self._position(fact)
        if parked:
            # The missing fact may have been applied between our read and our parking.
            position = self._position(order[0][0])
        self._drain(position)
        return failed

    def _step(self, position: Position, fact: Fact, *more: Action) -> Position:
        """Apply the next fact of a subject together with its position."""
        memory = json.loads(json.dumps(position.memory))
        effect = self._apply(fact, memory)
        moved = Position(position.pk, fact.sequence, memory, position.gaps, position.reported)
        self._table().transact(
            [
                Put(
                    moved.item(),
                    sequence=position.sequence,
                    refused=Busy("Another consumer moved this subject on."),
                ),
                *effect,
                *more,
            ]
        )
        consumed(self.name, fact)
        return moved

    def _drain(self, position: Position) -> None:
        """Apply what was parked and is next now; forget what was parked and is done."""
        while True:
            found = self._table().query(
                position.pk, prefix="PARKED#", limit=_DRAIN, consistent=True
            )
            moved = False
            for item in found.items:
                fact = unseal(json.loads(str(item["detail"])), replayed=bool(item["replayed"]))
                if fact.sequence == position.sequence + 1:
                    position = self._step(position, fact, Delete(position.pk, str(item["sk"])))
                    moved = True
                elif fact.sequence <= position.sequence:
                    self._table().delete(position.pk, str(item["sk"]))
                    moved = True
            if not moved:
                return

    def _park(self, position: Position, fact: Fact) -> None:
        """Keep a fact that came too early, and ask later whether the missing one came."""
        self._table().put(
            {
                "pk": position.pk,
                "sk": f"PARKED#{fact.sequence:012d}",
                "detail": fact.detail,
                "replayed": int(fact.replayed),
            }
        )
        if queue := os.environ.get("QUEUE_URL"):
            client("sqs").send_message(
                QueueUrl=queue,
                DelaySeconds=int(os.environ.get("GAP_GRACE_SECONDS", GAP_GRACE_SECONDS)),
                MessageBody=json.dumps({"gap_check": json.loads(fact.detail)}),
            )
        consumed(self.name, fact, "parked")

    def _check_gap(self, parked: Fact) -> None:
        """Report the gap before a parked fact, once, if it is still open."""
        position = self._position(parked)
        self._drain(position)
        position = self._position(parked)
        missing = position.sequence + 1
        if parked.sequence <= position.sequence or position.reported == missing:
            return
        now = self._now()
        fact = self._gap(
            current=StreamState(
                id=new_id(),
                version=1,
                created_at=now,
                created_by="system",
                updated_at=now,
                updated_by="system",
                projection=self.name,
                subject=parked.subject,
                missing_sequence=missing,
                waiting_sequence=parked.sequence,
                waiting_event_id=parked.id,
            )
        )
        reporter = system(
            parked.tenant_id, correlation_id=parked.correlation_id, causation_id=parked.id
        )
        number = position.gaps + 1
        envelope = seal(
            fact,
            subject=f"stream/{self.name}.{parked.subject.replace('/', '.')}",
            sequence=number,
            caller=reporter,
            at=now,
        )
        moved = Position(position.pk, position.sequence, position.memory, number, missing)
        self._table().transact(
            [
                Put(
                    moved.item(),
                    sequence=position.sequence,
                    refused=Busy("The gap closed meanwhile."),
                ),
                outbox(position.pk, number, envelope),
            ]
        )

    def _position(self, fact: Fact) -> Position:
        pk = f"TENANT#{fact.tenant_id}#POSITION#{self.name}#{fact.subject}"
        item = self._table().get(pk, "POSITION", consistent=True)
        if item is None:
            return Position(pk)
        return Position(
            pk,
            int(item["sequence"]),
            json.loads(str(item["memory"])),
            int(item["gaps"]),
            int(item["reported"]),
        )
