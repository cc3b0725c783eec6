"""Builds a projection again: `zebros events rebuild` invokes its function with events of the lake.

A request has one of these members, each of one tenant:
  ends       The last events of subjects. The answer names those of which the projection has applied
             later ones.
  subjects   Parts of the histories of subjects, in order. What their events write is computed from
             an empty memory. With `write`, entries (Put) are written, those of lost events are
             deleted, and positions that differ are replaced. Counters (Add) are only added up.
  counters   The right counters of partitions. They replace what the partitions have, until a time
             (`until`) at which the projection may continue.
  clock      The answer is the time by the clock of the functions, in seconds since 1970.
  compare    Ranges of partitions, each with the sort keys to keep. Other items before a sort key
             (`horizon`) are deleted; the answer has the keys of those after it.
  delete     The keys of items to delete.
  complete   The projection has a position for every record now: references to others are refused.
Every request can be repeated. `counters` needs a projection that is paused: an event that is
applied meanwhile would be counted twice. An invocation whose caller has given up may still run. It
must not replace counters when the projection has continued, so each is written only if it is as it
was read, and read only before `until`.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any, Self

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.errors import Busy
from kernel.messaging.positions import Memory, Position, PositionStore
from kernel.messaging.sequencing import Applied, Decision, decide
from kernel.storage.table import (
    TRANSACTION_LIMIT,
    Action,
    Add,
    Delete,
    Item,
    Put,
    Table,
)

Apply = Callable[[CloudEvent, Memory], list[Action]]
"""Returns the effects of one event; it may change the memory in place."""
type Key = tuple[str, str]
"""The partition key and the sort key of an item."""

_MAX_FOUND = 5_000
"""Keys of one answer, which may have 6 MB."""


@dataclass(slots=True)
class _Part:
    """A part of the surviving history of a subject."""

    events: list[CloudEvent]
    lost: list[CloudEvent]
    """Events of lost histories."""
    memory: Memory
    """What the projection remembers after the earlier parts."""
    applied: Applied
    last: bool
    """Whether the history ends with this part, and has no gap."""
    highest: int
    """The highest sequence in any history of the subject."""
    ahead: bool
    """Whether the position is ahead by events that were lost with a region: it is replaced."""

    @classmethod
    def parse(cls, part: dict[str, Any]) -> Self:
        """Read a part of a request."""
        before = part.get("before") or {"memory": {}, "sequence": 0, "recent": []}
        return cls(
            [CloudEvent.parse(one, replayed=True) for one in part["events"]],
            [CloudEvent.parse(one, replayed=True) for one in part.get("lost", ())],
            before["memory"],
            Applied(before["sequence"], tuple(before["recent"])),
            part["last"],
            part.get("highest", 0),
            part.get("ahead", False),
        )

    def after(self) -> dict[str, Any]:
        """The member `before` of the next part."""
        recent = list(self.applied.recent)
        return {"memory": self.memory, "sequence": self.applied.sequence, "recent": recent}


class Rebuild:
    """Answers the requests of one projection."""

    def __init__(self, positions: PositionStore, table: Callable[[], Table], apply: Apply) -> None:
        self._positions, self._table, self._apply = positions, table, apply

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request. Raises ValueError for a partition of another tenant."""
        tenant = f"TENANT#{request['tenant']}#"
        if "ends" in request:
            return {"behind": self._behind(request["tenant"], request["ends"])}
        if "subjects" in request:
            parts = [_Part.parse(part) for part in request["subjects"]]
            return self._fold(parts, write=request["write"])
        if "complete" in request:
            self._positions.complete(request["tenant"])
            return {"complete": True}
        if "counters" in request:
            return {"changed": self._replace(_of(tenant, request["counters"]), request["until"])}
        if "clock" in request:
            return {"now": time.time()}
        if "compare" in request:
            return self._remove_others(_of(tenant, request["compare"]), request["horizon"])
        keys = _of(tenant, ({"pk": pk, "sk": sk} for pk, sk in request["delete"]))
        return {"deleted": self._delete((one["pk"], one["sk"]) for one in keys)}

    def _behind(self, tenant: str, ends: list[dict[str, Any]]) -> list[str]:
        """The subjects of which the projection has applied events after these."""
        subjects = [one["subject"] for one in ends]
        stored = self._positions.load_subjects(tenant, subjects)
        return [
            one["subject"]
            for one, position in zip(ends, stored, strict=True)
            if _ahead(position, Applied(one["sequence"], tuple(one["recent"])), one["highest"])
        ]

    def _fold(self, parts: list[_Part], *, write: bool) -> dict[str, Any]:
        """Apply the events of each part; returns what they write, and how the positions differ."""
        counters: dict[Key, dict[str, int]] = {}
        entries: dict[Key, Action] = {}
        for part in parts:
            for event in part.events:
                effects = self._apply(event, part.memory)
                part.applied = part.applied.after(event)
                _collect(effects, counters, entries)
        states = self._compare([part for part in parts if part.last], write=write)
        written = list(entries)
        for part in parts:
            for event in part.lost:
                for action in self._apply(event, {}):
                    if isinstance(action, Put):
                        key = _key(action)
                        entries.setdefault(key, Delete(*key))
        if write:
            for some in batched(entries.values(), TRANSACTION_LIMIT, strict=False):
                self._table().transact(some)
        return {
            "after": [part.after() for part in parts],
            "states": [states.get(id(part)) for part in parts],
            "counters": [[pk, sk, amounts] for (pk, sk), amounts in counters.items()],
            "entries": [list(key) for key in written],
        }

    def _compare(self, parts: list[_Part], *, write: bool) -> dict[int, str]:
        """Compare the ends of histories with the stored positions, by the identity of the part.

        `same`; `differs` (with `write` it is replaced); `behind`: events are missing here that the
        projection has applied.
        """
        ends = [(part, part.events[-1]) for part in parts if part.events]
        states: dict[int, str] = {}
        tenants = {event.tenant_id for _, event in ends}
        if len(tenants) > 1:
            raise ValueError("a request is about one tenant")
        subjects = [event.subject for _, event in ends]
        stored = self._positions.load_subjects(next(iter(tenants), ""), subjects)
        for (part, event), position in zip(ends, stored, strict=True):
            state = _state(position, part, event)
            if write and state == "differs":
                reported = min(position.reported, part.applied.sequence)
                moved = replace(
                    position, applied=part.applied, memory=part.memory, reported=reported
                )
                self._positions.move(moved)
            states[id(part)] = state
        return states

    def _replace(self, partitions: list[dict[str, Any]], until: float) -> int:
        """Replace the counters of partitions; returns how many items changed.

        Counters that are zero are deleted. Raises TooLate, Busy when others change them.
        """
        changed = 0
        for partition in partitions:
            pk = partition["pk"]
            right = {sk: one for sk, one in partition["items"].items() if any(one.values())}
            stored = {str(item["sk"]): item for item in self._items(pk, "", _END)}
            if time.time() >= until:
                raise TooLate("the counters may not be replaced any more")
            actions: list[Action] = [
                Put(item, absent=sk not in stored, unchanged=stored.get(sk), error=_CHANGED)
                for sk, amounts in right.items()
                if (item := {"pk": pk, "sk": sk, **amounts}) != stored.get(sk)
            ]
            actions += [
                Delete(pk, sk, unchanged=item, error=_CHANGED)
                for sk, item in stored.items()
                if sk not in right
            ]
            for some in batched(actions, TRANSACTION_LIMIT, strict=False):
                self._table().transact(some)
            changed += len(actions)
        return changed

    def _remove_others(self, ranges: list[dict[str, Any]], horizon: str) -> dict[str, Any]:
        """Delete the items before a horizon that are not to be kept; returns the keys of others.

        One Query reads both, because most partitions have few items.
        """
        after: list[Key] = []

        def before() -> Iterator[Key]:
            for key in self._others(ranges):
                if key[1] < horizon:
                    yield key
                elif len(after) < _MAX_FOUND:
                    after.append(key)

        return {"deleted": self._delete(before()), "found": after}

    def _others(self, ranges: list[dict[str, Any]]) -> Iterator[Key]:
        """The items of ranges that are not to be kept."""
        for one in ranges:
            keep = set(one["keep"])
            for item in self._items(one["pk"], one["first"], one["last"]):
                if item["sk"] not in keep:
                    yield one["pk"], str(item["sk"])

    def _delete(self, keys: Iterable[Key]) -> int:
        """Delete items; returns how many."""
        deleted = 0
        for some in batched(keys, TRANSACTION_LIMIT, strict=False):
            self._table().transact([Delete(*key) for key in some])
            deleted += len(some)
        return deleted

    def _items(self, pk: str, first: str, last: str) -> Iterator[Item]:
        """The items of a partition from one sort key to another."""
        after: Item | None = None
        while True:
            page = self._table().query(
                pk, between=(first or " ", last), limit=1000, after=after, consistent=True
            )
            yield from page.items
            if (after := page.last_key) is None:
                return


class TooLate(Exception):
    """The projection may have continued."""


_CHANGED = Busy("Others change these counters.")
_END = "\U0010ffff"
"""After every sort key."""


def _of(tenant: str, things: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same things. Raises ValueError for one of another tenant."""
    found = list(things)
    if wrong := [one["pk"] for one in found if not one["pk"].startswith(tenant)]:
        raise ValueError(f"{wrong[0]} is not of the tenant")
    return found


def _key(action: Put) -> Key:
    return str(action.item["pk"]), str(action.item["sk"])


def _collect(
    effects: Iterable[Action], counters: dict[Key, dict[str, int]], entries: dict[Key, Action]
) -> None:
    """Add the effects of an event to those of the events before it."""
    for action in effects:
        match action:
            case Add():
                sums = counters.setdefault((action.pk, action.sk), defaultdict(int))
                for name, amount in action.amounts.items():
                    sums[name] += amount
            case Put():
                entries[_key(action)] = action
            case _:
                raise TypeError(f"a projection cannot be built again with {action!r}")


def _state(position: Position, part: _Part, end: CloudEvent) -> str:
    """How a stored position compares with the end of a history."""
    known = position.applied
    if (known.sequence, known.recent[-1:]) == (end.sequence, (end.id,)):
        as_stored = json.loads(json.dumps(part.memory))
        return "same" if position.memory == as_stored else "differs"
    if not part.ahead and _ahead(position, part.applied, part.highest):
        return "behind"
    return "differs"


def _ahead(position: Position, end: Applied, highest: int) -> bool:
    """Whether a projection has applied later events than a history has."""
    known = position.applied
    if not known.recent:
        return known.sequence > highest
    return decide(end, _Last(known.recent[-1], known.sequence)) in _AHEAD


_AHEAD = frozenset({Decision.APPLY, Decision.PARK, Decision.DIVERGED})
"""Decisions about an event that is later than what was applied."""


@dataclass(frozen=True, slots=True)
class _Last:
    """The last event of a position."""

    id: str
    sequence: int
