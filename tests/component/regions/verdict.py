"""What must be true of two regions when everything has arrived: nothing lost, nothing doubled."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.sequencing import Applied, Decision, decide
from kernel.storage.packing import unpack
from tests.component.regions.world import EAST, WEST, Acknowledged, World
from zebros.operations.outbox import event_of
from zebros.operations.records import sequence_of

_APPLIES = (Decision.APPLY, Decision.DIVERGED)


@dataclass(slots=True)
class Subscriber:
    """A subscriber of both regions' events, in the order in which they were published."""

    applied: dict[str, Applied] = field(default_factory=dict)
    decisions: dict[Decision, int] = field(default_factory=dict)
    _waiting: dict[str, list[CloudEvent]] = field(default_factory=dict)

    def receive(self, event: CloudEvent) -> None:
        """Apply an event, and those that waited for it."""
        subject = f"{event.tenant_id} {event.subject}"
        waiting = self._waiting.setdefault(subject, [])
        waiting.append(event)
        while ready := [one for one in waiting if self._decide(subject, one) is not Decision.PARK]:
            one = min(ready, key=lambda event: (event.sequence, event.id))
            waiting.remove(one)
            decision = self._decide(subject, one)
            self.decisions[decision] = self.decisions.get(decision, 0) + 1
            if decision in _APPLIES:
                self.applied[subject] = self._applied(subject).after(one)

    @property
    def waiting(self) -> list[str]:
        """The events that wait for one that is missing."""
        return [
            f"{subject} {event.sequence} {event.id}"
            for subject, events in self._waiting.items()
            for event in events
        ]

    def _applied(self, subject: str) -> Applied:
        return self.applied.get(subject, Applied())

    def _decide(self, subject: str, event: CloudEvent) -> Decision:
        return decide(self._applied(subject), event)


@dataclass(slots=True)
class Verdict:
    """Figures of a round that ended."""

    acknowledged: int
    lost: list[Acknowledged]
    doubled: int
    """Events that a subscriber saw a second time."""
    seconds_without_writes: float
    """The longest pause between two acknowledged writes."""

    def __str__(self) -> str:
        return (
            f"{self.acknowledged} writes, {len(self.lost)} lost, {self.doubled} events seen twice, "
            f"{self.seconds_without_writes:.0f} s without writes"
        )


def judge(world: World) -> Verdict:
    """Check what must be true, and count the rest."""
    east, west = (world.sites[name].replica.all_items() for name in (EAST, WEST))
    assert east == west, "both regions are the same"
    outboxes: dict[str, dict[int, dict[str, Any]]] = {}
    for (pk, sk), item in west.items():
        if sk.startswith("EVENT#"):
            event = event_of(item)
            assert int(event["sequence"]) == int(sk.removeprefix("EVENT#"))
            outboxes.setdefault(pk, {})[int(event["sequence"])] = event
    states = {pk: item for (pk, sk), item in west.items() if sk == "STATE"}
    assert outboxes.keys() == states.keys(), "every record has events, and no event is alone"
    for pk, events in outboxes.items():
        assert sorted(events) == [*range(1, sequence_of(states[pk]) + 1)], f"{pk} has a gap"
        _check_items(west, pk, json.loads(unpack(states[pk]["doc"]["B"])))
    doubled = _doubled(world, outboxes)
    return Verdict(
        len(world.acknowledged),
        [one for one in world.acknowledged if not _is_there(one, outboxes)],
        doubled,
        max(
            (b.at - a.at for a, b in zip(world.acknowledged, world.acknowledged[1:], strict=False)),
            default=0.0,
        ),
    )


def _is_there(write: Acknowledged, outboxes: dict[str, dict[int, dict[str, Any]]]) -> bool:
    """Whether a write is in the history that survived, itself or in a later state of it.

    The state of a write is in its event. In place of an event that was lost with the region there
    is one with the state afterwards, which was built upon it.
    """
    events = outboxes.get(write.key, {})
    by_version = sorted((int(e["data"]["current"]["version"]), n) for n, e in events.items())
    for version, number in by_version:
        current = events[number]["data"]["current"]
        if version == write.version:
            return datetime.fromisoformat(current["updated_at"]) == write.updated_at
        if version > write.version:
            # Only events that replaced missing ones leave a version out.
            return events[number]["correlationid"].startswith("region-move-")
    return False


def _check_items(items: dict[tuple[str, str], Any], pk: str, document: dict[str, Any]) -> None:
    """Every external id leads to its record."""
    _, tenant, kind, record_id = pk.split("#")
    for system, value in document.get("external_ids", {}).items():
        claim = items.get((f"TENANT#{tenant}#EXTERNAL#{kind}#{system}#{value}", "EXTERNAL"))
        assert claim is not None, f"{pk} has no item of its external id"
        assert claim["record_id"]["S"] == record_id


def _doubled(world: World, outboxes: dict[str, dict[int, dict[str, Any]]]) -> int:
    """Check that a subscriber ends with every record's last event; returns what it skipped."""
    subscriber = Subscriber()
    published = {one["id"]: one for one in map(json.loads, world.published)}
    for detail in world.published:
        subscriber.receive(CloudEvent.parse(json.loads(detail)))
    assert subscriber.waiting == [], "no event waits for another"
    for pk, events in outboxes.items():
        _, tenant, kind, record_id = pk.split("#")
        applied = subscriber.applied[f"{tenant} {kind.lower()}/{record_id}"]
        assert applied.sequence == max(events), _history(world, tenant, record_id, events)
        # In place of a missing event that had been published, another one has the same state.
        seen = published[applied.recent[-1]]["data"]["current"]
        last = events[max(events)]["data"]["current"]
        assert seen["version"] == last["version"], "the last event is the record's"
        assert seen["updated_at"] == last["updated_at"], "the last event is the record's"
    return sum(n for decision, n in subscriber.decisions.items() if decision not in _APPLIES)


def _history(world: World, tenant: str, record_id: str, events: dict[int, dict[str, Any]]) -> str:
    """What was published about a record, and what its outbox has, for a failed check."""
    published = [one for one in map(json.loads, world.published) if one["tenantid"] == tenant]
    lines = [
        f"published {one['sequence']} {one['id']} {one['time']} {one['correlationid']}"
        for one in published
        if one["subject"].endswith(record_id)
    ]
    lines += [f"outbox {n} {one['id']} {one['time']}" for n, one in sorted(events.items())]
    return "\n".join(lines)
