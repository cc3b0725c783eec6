"""A projection's position in the events of each subject, and the events that wait for earlier ones.

  TENANT#<t>#POSITION#<projection>#<subject>   POSITION            sequence, ids, memory, reports
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
from itertools import batched
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy, Conflict
from kernel.messaging.sequencing import Applied
from kernel.storage.references import complete_put, position_key
from kernel.storage.table import READ_LIMIT, Action, Delete, Item, Put, Table

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
    applied: Applied = field(default_factory=Applied)
    """The last events that were applied."""
    memory: Memory = field(default_factory=dict)
    reports: int = 0
    """Reports so far; the sequence of the last StreamGapDetected or StreamDiverged."""
    reported: int = 0
    """The highest missing sequence reported; every lower one was reported or has arrived."""
    parked: int = 0
    """The number of parked events."""
    diverged: str = ""
    """The id of the last event of a lost history that was reported."""


@dataclass(frozen=True, slots=True)
class Parked:
    """An event that arrived too early."""

    key: str
    """Its sort key."""
    event: CloudEvent

    @property
    def id(self) -> str:
        """The id of the event."""
        return self.event.id

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
        pk = self._key(event.tenant_id, event.subject)
        item = self._table().get(pk, "POSITION", consistent=True)
        return _position(item) if item else Position(pk)

    def load_all(self, events: Iterable[CloudEvent]) -> list[Position]:
        """The positions for the subjects of these events, in their order."""
        return self._load([self._key(event.tenant_id, event.subject) for event in events])

    def load_subjects(self, tenant_id: str, subjects: Iterable[str]) -> list[Position]:
        """The positions for these subjects, in their order."""
        return self._load([self._key(tenant_id, subject) for subject in subjects])

    def _load(self, keys: list[str]) -> list[Position]:
        stored: dict[str, Position] = {}
        for some in batched(keys, READ_LIMIT, strict=False):
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
        """Store an event that arrived too early, unless it is parked already.

        It replaces a parked event with the same sequence and an earlier id, of a lost history.
        """
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
            for parked in self.parked(position, first=event.sequence, last=event.sequence):
                if parked.id < event.id:
                    return self.move(position, Put(item))
            return position

    def unpark(self, position: Position, parked: Parked) -> Position:
        """Remove a parked event that was applied or sent to the queue again."""
        moved = replace(position, parked=position.parked - 1)
        return self.move(moved, Delete(position.pk, parked.key))

    def none_parked(self, position: Position) -> Position:
        """Correct the count of parked events after the last of them have expired."""
        return self.move(replace(position, parked=0))

    def parked(
        self, position: Position, *, first: int = 0, last: int = _MAX_SEQUENCE
    ) -> Iterator[Parked]:
        """The parked events from sequence `first` to `last`, in order."""
        after: Item | None = None
        while True:
            page = self._table().query(
                position.pk,
                between=(f"{_PARKED}{first:012d}", f"{_PARKED}{last:012d}"),
                after=after,
                consistent=True,
            )
            for item in page.items:
                detail = json.loads(str(item["detail"]))
                event = CloudEvent.parse(detail, replayed=bool(item["replayed"]))
                yield Parked(str(item["sk"]), event)
            if (after := page.last_key) is None:
                return

    def complete(self, tenant_id: str) -> None:
        """Store that there is a position for every record of a tenant."""
        self._table().transact([complete_put(tenant_id, self._projection)])

    def _key(self, tenant_id: str, subject: str) -> str:
        return position_key(tenant_id, self._projection, subject)


def _position(item: Item) -> Position:
    return Position(
        str(item["pk"]),
        int(item["version"]),
        Applied(int(item["sequence"]), tuple(str(item.get("recent", "")).split())),
        json.loads(str(item["memory"])),
        int(item["gaps"]),
        int(item["reported"]),
        int(item.get("parked", 0)),
        str(item.get("diverged", "")),
    )


def _put(position: Position) -> Put:
    memory = json.dumps(position.memory, separators=(",", ":"), ensure_ascii=False)
    return Put(
        {
            "pk": position.pk,
            "sk": "POSITION",
            "version": position.version + 1,
            "sequence": position.applied.sequence,
            "recent": " ".join(position.applied.recent),
            "memory": memory,
            "gaps": position.reports,
            "reported": position.reported,
            "parked": position.parked,
            **({"diverged": position.diverged} if position.diverged else {}),
        },
        absent=position.version == 0,
        version=position.version or None,
        error=Busy("Another consumer changed this subject's position."),
    )
