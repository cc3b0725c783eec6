"""The writes at stake of a region that was lost, by what the other region has."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.storage.packing import pack
from zebros.regions.region import Item, Key, StreamChange
from zebros.regions.replication import writes_at_stake

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
SUBJECT, PK = "stream/timeline.opportunity.1", "TENANT#acme#STREAM#timeline.opportunity.1"


def entry(sequence: int, by: str = "ann") -> Item:
    """An outbox entry of version `sequence` of the record."""
    at = f"2026-03-01T09:00:{sequence:02d}+00:00"
    event = {
        "tenantid": "acme",
        "subject": SUBJECT,
        "sequence": str(sequence),
        "type": "StreamGapDetected",
        "time": at,
        "actor": by,
        "data": {"current": {"version": sequence, "updated_at": at, "updated_by": by}},
    }
    return {
        "pk": {"S": PK},
        "sk": {"S": f"EVENT#{sequence:012d}"},
        "detail": {"B": pack(json.dumps(event))},
        "epoch": {"N": "0"},
    }


class Site:
    """A region that has these outbox entries, and no state of the record."""

    def __init__(self, *entries: Item) -> None:
        self._entries = list(entries)

    def changes(self, _since: datetime) -> list[StreamChange]:
        return [StreamChange(("t", PK, one["sk"]["S"]), None, one) for one in self._entries]

    def items(self, keys: Any) -> dict[Key, Item | None]:
        return dict.fromkeys(keys)

    def outbox(self, _table: str, _pk: str) -> list[Item]:
        return self._entries


@pytest.mark.parametrize(
    ("there", "outcomes"),
    [
        ([entry(1), entry(2)], []),
        ([entry(1)], [("pending", 2)]),
        ([entry(1), entry(2, "bob")], [("lost", 2)]),
    ],
)
def test_an_event_without_a_state_is_pending_until_it_has_arrived(
    there: list[Item], outcomes: list[tuple[str, int]]
) -> None:
    lost: Any = Site(entry(1), entry(2))
    writer: Any = Site(*there)
    found = writes_at_stake(lost, writer, range(1), SINCE)
    assert [(one.outcome, one.sequence) for one in found] == outcomes
