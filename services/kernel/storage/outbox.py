"""The outbox: events wait in the table of the record they are about until the relay publishes them.

`TENANT#<t>#<KIND>#<id>`, `EVENT#<sequence>`. The relay reads the table's stream.

In a system with two regions an entry has the epoch of the fence in which it was written
(docs/adr/0048): of two histories of a record, the one with the higher epoch survives.
"""

import time

from kernel.domain.cloud_events import Envelope, from_json, to_json
from kernel.domain.errors import StaleVersion, TooLarge
from kernel.runtime.aws import write_epoch
from kernel.storage.packing import pack, unpack
from kernel.storage.table import Item, Put, Table

PREFIX = "EVENT#"
TTL_SECONDS = 7 * 24 * 3600
"""Events stay here for a week after publication; the lake keeps them permanently."""
MAX_EVENT_BYTES = 240_000
"""EventBridge accepts 256 KB, including what it adds. A record is never larger than its event, so
it also stays below DynamoDB's 400 KB per item."""


def read_outbox(table: Table, pk: str, sequence: int) -> Envelope | None:
    """A stored event; None when it does not exist any more."""
    item = table.get(pk, sort_key(sequence), consistent=True)
    return None if item is None else from_json(unpack(item["detail"]))


def last_of_outbox(table: Table, pk: str) -> Envelope | None:
    """The event with the highest sequence that is still stored about a record."""
    page = table.query(pk, prefix=PREFIX, limit=1, newest_first=True, consistent=True)
    return from_json(unpack(page.items[0]["detail"])) if page.items else None


def sort_key(sequence: int) -> str:
    """The sort key of the entry with this sequence."""
    return f"{PREFIX}{sequence:012d}"


def outbox_entry(pk: str, sequence: int, envelope: Envelope) -> Put:
    """The write of an event's outbox item; it fails if the sequence is used already.

    Raises TooLarge for an event that EventBridge would not accept, ReadOnlyRegion in a region that
    does not write.
    """
    detail = to_json(envelope)
    if (size := len(detail.encode())) > MAX_EVENT_BYTES:
        raise TooLarge(
            f"The event of this change would have {size:,} bytes; it may have "
            f"{MAX_EVENT_BYTES:,}. Shorten the record's longest texts, usually in "
            "custom_fields, or change fewer of them at once."
        )
    item: Item = {
        "pk": pk,
        "sk": sort_key(sequence),
        "detail": pack(detail),
        "ttl": int(time.time()) + TTL_SECONDS,
    }
    if epoch := write_epoch():
        item["epoch"] = epoch
    # The state's own condition comes first in a transaction: where only this one fails, the record
    # is as it was read, and has an event that another region's change has left here.
    error = StaleVersion(
        "Someone changed this record meanwhile; read it again.", incomplete=pk if epoch else ""
    )
    return Put(item, absent=True, error=error)
