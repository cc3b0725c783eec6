"""The outbox: events in the table of the record they are about, until the Relay publishes them.

`TENANT#<t>#<KIND>#<id>`, `EVENT#<sequence>`. The relay reads the table's stream.
"""

import time

from kernel.domain.cloud_events import Envelope, to_json
from kernel.domain.errors import StaleVersion, TooLarge
from kernel.storage.packing import pack
from kernel.storage.table import Put

PREFIX = "EVENT#"
TTL_SECONDS = 7 * 24 * 3600
"""A published event stays readable here for a week; the lake keeps it for good."""
MAX_EVENT_BYTES = 240_000
"""EventBridge takes 256 KB, including what it adds itself. No record is larger than its event, so
none comes near DynamoDB's 400 KB an item either."""


def outbox_entry(pk: str, sequence: int, envelope: Envelope) -> Put:
    """The outbox item of an event; `absent` makes a repeated sequence impossible.

    Raises TooLarge for an event that EventBridge would never take.
    """
    detail = to_json(envelope)
    if (size := len(detail.encode())) > MAX_EVENT_BYTES:
        raise TooLarge(
            f"The event of this change would have {size:,} bytes; it may have "
            f"{MAX_EVENT_BYTES:,}. Shorten the record's longest texts (the values in "
            "custom_fields, as a rule), or change fewer of them at once."
        )
    return Put(
        {
            "pk": pk,
            "sk": f"{PREFIX}{sequence:012d}",
            "detail": pack(detail),
            "ttl": int(time.time()) + TTL_SECONDS,
        },
        absent=True,
        refused=StaleVersion("Someone changed this record meanwhile; read it again."),
    )
