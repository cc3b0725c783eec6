"""The events of a record: from its outbox, which has those of a week, else from the event lake."""

import zlib
from typing import NamedTuple

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.errors import BadInput
from zebros.operations import lake
from zebros.operations.outbox import Envelope, event_of, read_outbox


class RecordEvents(NamedTuple):
    """The events of one record."""

    subject: str
    """`opportunity/<id>`."""
    events: list[Envelope]
    """In sequence."""
    unreadable: list[int]
    """The sequences of outbox entries that cannot be read."""


def events_of_record(deployment: Deployment, tenant: str, target: str) -> RecordEvents:
    """The events of a record.

    `target` is a subject, a record's id, or an event's id. Raises BadInput when there are none.
    """
    subject, entries = read_outbox(deployment, tenant, target)
    if entries:
        events, unreadable = [], []
        for entry in entries:
            try:
                events.append(event_of(entry))
            except (KeyError, IndexError, ValueError, zlib.error):
                unreadable.append(int(entry["sk"]["S"].removeprefix("EVENT#")))
        return RecordEvents(subject, events, unreadable)
    record_type, _, record_id = target.rpartition("/")
    events = lake.events_of(deployment, tenant, record_type, record_id)
    if events:
        return RecordEvents(str(events[0]["subject"]), events, [])
    if not _exists(deployment, tenant, record_type, record_id):
        raise BadInput(
            f"Tenant {tenant} has no record {target}, and never had: there is no event about it.",
            hint="`--tenant` names another tenant.",
        )
    raise BadInput(
        f"The record {target} exists, but no event about it is stored.",
        hint="Its outbox keeps a week. Older events are in the lake, unless they never reached the "
        "bus: `zebros events dead-letters` shows what was not delivered.",
    )


def _exists(deployment: Deployment, tenant: str, record_type: str, record_id: str) -> bool:
    """Whether a table has the record, of one type or of any."""
    records = contract().records
    for name in (record_type,) if record_type else records:
        found = deployment.aws("dynamodb").get_item(
            TableName=deployment.resources.table(records[name].table),
            Key={
                "pk": {"S": f"TENANT#{tenant}#{name.upper()}#{record_id}"},
                "sk": {"S": "STATE"},
            },
            ConsistentRead=True,
            ProjectionExpression="pk",
        )
        if "Item" in found:
            return True
    return False
