"""Records as their tables have them: the state, and the last entry of the outbox."""

import json
from typing import Any

from zebros.client.connection import Deployment
from zebros.operations.outbox import Envelope, Item, event_of, outbox_query, unpack


def document_of(item: Item) -> dict[str, Any]:
    """The document of a record, by the item of its state."""
    document: dict[str, Any] = json.loads(unpack(item["doc"]["B"]))
    return document


def sequence_of(item: Item | None) -> int:
    """The sequence of the last event of a record, by the item of its state; 0 without one."""
    return int(document_of(item).get("sequence", 0)) if item else 0


def last_event(deployment: Deployment, tenant: str, subject: str) -> tuple[int, Envelope | None]:
    """The sequence of a record's last event, and the event unless it is older than a week.

    The sequence is 0 when there is no such record.
    """
    record_type, _, record_id = subject.partition("/")
    client = deployment.aws("dynamodb")
    query = outbox_query(deployment, tenant, record_type, record_id)
    if entries := client.query(**query, ScanIndexForward=False, Limit=1)["Items"]:
        event = event_of(entries[0])
        return int(event["sequence"]), event
    key = {"pk": query["ExpressionAttributeValues"][":pk"], "sk": {"S": "STATE"}}
    state = client.get_item(TableName=query["TableName"], Key=key, ConsistentRead=True)
    return sequence_of(state.get("Item")), None
