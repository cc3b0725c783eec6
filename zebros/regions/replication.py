"""What has not been replicated yet, and what was lost when a region was.

Both are read from the stream of the region that wrote: it has every write of the last day, also one
that replication has replaced since.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from zebros.operations.outbox import Envelope
from zebros.operations.records import document_of, sequence_of
from zebros.regions.region import Item, Key, Region, event_of, is_entry

_EXPIRES = "ttl"


def differences(source: Region, target: Region, since: datetime) -> list[Key]:
    """The items that the source changed since then and that are not the same in both regions.

    An item that expires counts as the same while one region has deleted it already.
    """
    changed = {change.key: change.new or change.old or {} for change in source.changes(since)}
    return _differing(source, target, changed, since)


def _differing(
    source: Region, target: Region, changed: dict[Key, Item], since: datetime
) -> list[Key]:
    here, there = source.items(changed), target.items(changed)
    return sorted(
        key
        for key in changed
        if here[key] != there[key]
        and not (
            _EXPIRES in changed[key]
            and (here[key] is None or there[key] is None)
            and _has_expired(changed[key], since)
        )
    )


def _has_expired(item: Item, now: datetime) -> bool:
    return int(item[_EXPIRES]["N"]) <= now.timestamp()


def bases(region: Region, since: datetime) -> dict[str, dict[str, int]]:
    """By table and record: the sequence after which its events may have arrived in part.

    Those are the records of which a state or an event has arrived, or was written, since then.
    """
    found: dict[str, dict[str, int]] = {}
    for change in region.changes(since):
        table, pk, sk = change.key
        if sk == "STATE":
            base = sequence_of(change.old)
        elif is_entry(change.key) and change.new is not None:
            base = int(sk.removeprefix("EVENT#")) - 1
        else:
            continue
        of_table = found.setdefault(table, {})
        of_table[pk] = min(base, of_table.get(pk, base))
    return found


def own_writes(
    region: Region, epochs: range, since: datetime
) -> dict[tuple[str, str], dict[int, Envelope]]:
    """By table and record: the events that a region wrote in these epochs, by sequence."""
    written: dict[tuple[str, str], dict[int, Envelope]] = {}
    for change in region.changes(since):
        if is_entry(change.key) and change.new is not None and _epoch(change.new) in epochs:
            event = event_of(change.new)
            written.setdefault(change.key[:2], {})[int(event["sequence"])] = event
    return written


def not_arrived(
    lost: Region, writer: Region, written: dict[tuple[str, str], dict[int, Envelope]]
) -> list[Key]:
    """The states and events of these writes that are not the same in both regions."""
    keys = {
        (table, pk, sk)
        for (table, pk), events in written.items()
        for sk in ("STATE", *(f"EVENT#{number:012d}" for number in events))
    }
    here, there = lost.items(keys), writer.items(keys)
    return sorted(key for key in keys if here[key] != there[key])


@dataclass(frozen=True, slots=True)
class WriteAtStake:
    """An acknowledged write of the region that was lost, and what became of it."""

    outcome: str
    """`lost`: the other region has another history. `pending`: it has not arrived yet."""
    tenant: str
    subject: str
    sequence: int
    type: str
    time: str
    actor: str
    event: Envelope
    """The whole event: `data.current` is the record as it was."""

    def document(self) -> dict[str, Any]:
        """The write as JSON."""
        return asdict(self)


def writes_at_stake(
    lost: Region, writer: Region, epochs: range, since: datetime
) -> list[WriteAtStake]:
    """The writes of a region in these epochs that the region that writes now does not have."""
    written = own_writes(lost, epochs, since)
    found: list[WriteAtStake] = []
    states = writer.items((table, pk, "STATE") for table, pk in written)
    for (table, pk), events in written.items():
        there = {_state(event_of(one)["data"]["current"]) for one in writer.outbox(table, pk)}
        reached = 0
        if (item := states[table, pk, "STATE"]) is not None:
            stored = _state(document_of(item))
            reached = stored[0]
            there.add(stored)
        ours = {_state(one["data"]["current"]) for one in events.values()}
        first = min(version for version, _, _ in ours)
        # The first version that the other region wrote is built upon the one before it.
        theirs = [one[0] for one in there - ours if one[0] >= first]
        for event in events.values():
            version = int(event["data"]["current"]["version"])
            if theirs and version >= min(theirs):
                found.append(_at_stake("lost", event))
            elif version > reached and _state(event["data"]["current"]) not in there:
                # What is about a stream (a gap that a consumer reports) has events and no state.
                found.append(_at_stake("pending", event))
    return sorted(found, key=lambda one: (one.time, one.subject, one.sequence))


def _at_stake(outcome: str, event: Envelope) -> WriteAtStake:
    return WriteAtStake(
        outcome,
        str(event["tenantid"]),
        str(event["subject"]),
        int(event["sequence"]),
        str(event["type"]),
        str(event["time"]),
        str(event["actor"]),
        event,
    )


def _epoch(item: Item) -> int:
    return int(item.get("epoch", {}).get("N", 0))


def _state(record: dict[str, Any]) -> tuple[int, datetime, str]:
    """Which state of a record a document has."""
    at = datetime.fromisoformat(record["updated_at"])
    return int(record["version"]), at, str(record["updated_by"])
