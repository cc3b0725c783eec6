"""A projection's position in the events of each subject, and the events that wait for earlier ones.

  TENANT#<t>#POSITION#<projection>#<subject>   POSITION            sequence, memory, gaps reported
  the same                                     PARKED#<sequence>   an event that arrived too early
A position is written in the same transaction as the effects of the events it passes, on condition
that its version is unchanged: an event is neither applied twice nor skipped, however many workers
run. Parking increments the version too, so a worker that parks and one that passes the position
notice each other. It also counts the parked events; while the count is 0, none are queried.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy, Conflict
from kernel.storage.table import READ_LIMIT, Action, Delete, Item, Put, Table, in_batches

Memory = dict[str, Any]
"""What a projection remembers about a subject between events, as JSON."""

PARKED_TTL_SECONDS = 365 * 24 * 3600
"""How long an event waits for earlier ones: as long as the bus's archive, from which they could
be replayed."""
_PARKED = "PARKED#"
_MAX_SEQUENCE = 10**12 - 1
"""The largest sequence that fits the digits of a sort key."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a projection is with one subject."""

    pk: str
    version: int = 0
    """Incremented with every write; 0 when it is not stored yet."""
    sequence: int = 0
    """The sequence of the last event that was applied."""
    memory: Memory = field(default_factory=dict)
    gaps: int = 0
    """Gaps reported so far; the sequence of the last StreamGapDetected."""
    reported: int = 0
    """The highest missing sequence reported; every lower one was reported or has arrived."""
    parked: int = 0
    """The number of parked events."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that arrived too early."""

    key: str
    """Its sort key."""
    event: CloudEvent

    @property
    def sequence(self) -> int:
        """The sequence of the event."""
        return self.event.sequence


class PositionStore:
    """The positions of one projection."""

    def __init__(self, projection: str, table: Callable[[], Table]) -> None:
        self._projection, self._table = projection, table

    def load(self, event: CloudEvent) -> Position:
        """The position for the event's subject."""
        pk = self._key(event)
        item = self._table().get(pk, "POSITION", consistent=True)
        return _position(item) if item else Position(pk)

    def load_all(self, events: Iterable[CloudEvent]) -> list[Position]:
        """The positions for the subjects of these events, in their order."""
        keys = [self._key(event) for event in events]
        stored: dict[str, Position] = {}
        for some in in_batches(keys, READ_LIMIT):
            items = self._table().get_many([(pk, "POSITION") for pk in some], consistent=True)
            stored |= {str(item["pk"]): _position(item) for item in items}
        return [stored.get(pk) or Position(pk) for pk in keys]

    def move(self, position: Position, *effects: Action) -> Position:
        """Store a position with its effects; returns it as stored.

        Raises Busy when another worker moved it since it was read.
        """
        (moved,) = self.move_all([position], effects)
        return moved

    def move_all(self, positions: Sequence[Position], effects: Sequence[Action]) -> list[Position]:
        """Store positions with their effects in one transaction; returns them as stored.

        Raises Busy when another worker moved one of them since it was read.
        """
        self._table().transact([*map(_put, positions), *effects])
        return [replace(position, version=position.version + 1) for position in positions]

    def park(self, position: Position, event: CloudEvent) -> Position:
        """Store an event that arrived too early, unless it is parked already."""
        item: Item = {
            "pk": position.pk,
            "sk": f"{_PARKED}{event.sequence:012d}",
            "detail": event.detail,
            "replayed": int(event.replayed),
            "ttl": int(time.time()) + PARKED_TTL_SECONDS,
        }
        entry = Put(item, absent=True, error=Conflict("It is parked already."))
        try:
            return self.move(replace(position, parked=position.parked + 1), entry)
        except Busy:
            raise
        except Conflict:
            return position

    def unpark(self, position: Position, parked: Parked) -> Position:
        """Remove a parked event that was applied or sent to the queue again."""
        moved = replace(position, parked=position.parked - 1)
        return self.move(moved, Delete(position.pk, parked.key))

    def none_parked(self, position: Position) -> Position:
        """Correct the count of parked events after the last of them have expired."""
        return self.move(replace(position, parked=0))

    def parked(self, position: Position, last: int = _MAX_SEQUENCE) -> Iterator[Parked]:
        """The parked events up to sequence `last`, in order."""
        after: Item | None = None
        while True:
            page = self._table().query(
                position.pk,
                between=(_PARKED, f"{_PARKED}{last:012d}"),
                after=after,
                consistent=True,
            )
            for item in page.items:
                detail = json.loads(str(item["detail"]))
                event = CloudEvent.parse(detail, replayed=bool(item["replayed"]))
                yield Parked(str(item["sk"]), event)
            if (after := page.last_key) is None:
                return

    def _key(self, event: CloudEvent) -> str:
        return f"TENANT#{event.tenant_id}#POSITION#{self._projection}#{event.subject}"


def _position(item: Item) -> Position:
    return Position(
        str(item["pk"]),
        int(item["version"]),
        int(item["sequence"]),
        json.loads(str(item["memory"])),
        int(item["gaps"]),
        int(item["reported"]),
        int(item.get("parked", 0)),
    )


def _put(position: Position) -> Put:
    memory = json.dumps(position.memory, separators=(",", ":"), ensure_ascii=False)
    return Put(
        {
            "pk": position.pk,
            "sk": "POSITION",
            "version": position.version + 1,
            "sequence": position.sequence,
            "memory": memory,
            "gaps": position.gaps,
            "reported": position.reported,
            "parked": position.parked,
        },
        absent=position.version == 0,
        version=position.version or None,
        error=Busy("Another consumer changed this subject's position."),
    )
