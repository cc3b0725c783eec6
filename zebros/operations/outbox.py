"""The outbox of a record: its events of the last week, in the record's own table."""

import json
import re
import zlib
from typing import Any

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.errors import BadInput

Envelope = dict[str, Any]
"""An event: a CloudEvents envelope."""
Item = dict[str, dict[str, Any]]
"""An item in the format of DynamoDB's API: `{"sk": {"S": "…"}}`."""

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_WINDOW = -13
"""DEFLATE without header and checksum, in a window of 8 KB (services/kernel/storage/packing.py)."""


def read_outbox(deployment: Deployment, tenant: str, target: str) -> tuple[str, list[Item]]:
    """The subject (`opportunity/<id>`) of a record and its outbox entries, in sequence.

    `target` is a subject or a record's id. Raises BadInput when it is neither.
    """
    record_types = contract().records
    record_type, slash, record_id = target.rpartition("/")
    if not _ULID.fullmatch(record_id) and record_id != "default":
        raise BadInput(
            f"{record_id} is not an id.",
            hint="An id has 26 characters, such as 01J9ZK4V3W8Q5D2T7Y6R1XNMHB.",
        )
    if slash and record_type not in record_types:
        raise BadInput(
            f"There is no record type {record_type}.", hint=f"There are {', '.join(record_types)}."
        )
    for name in (record_type,) if slash else record_types:
        entries = _entries(deployment, tenant, name, record_id)
        if entries:
            return f"{name}/{record_id}", entries
    return target, []


def outbox_query(
    deployment: Deployment, tenant: str, record_type: str, record_id: str
) -> dict[str, Any]:
    """The arguments of a Query for the outbox entries of a record, in sequence."""
    return {
        "TableName": deployment.resources.table(contract().records[record_type].table),
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
        "ExpressionAttributeValues": {
            ":pk": {"S": f"TENANT#{tenant}#{record_type.upper()}#{record_id}"},
            ":prefix": {"S": "EVENT#"},
        },
        "ConsistentRead": True,
    }


def _entries(deployment: Deployment, tenant: str, record_type: str, record_id: str) -> list[Item]:
    query = outbox_query(deployment, tenant, record_type, record_id)
    pages = deployment.aws("dynamodb").get_paginator("query").paginate(**query)
    return [item for page in pages for item in page["Items"]]


def event_of(entry: Item) -> Envelope:
    """The event in an outbox entry."""
    detail = entry["detail"]
    text = unpack(detail["B"]) if "B" in detail else detail["S"]
    event: Envelope = json.loads(text)
    return event


def unpack(packed: bytes) -> str:
    """The text of a compressed attribute, whose first byte is the number of its dictionary."""
    dictionary = contract().dictionaries[packed[0]]
    return zlib.decompressobj(wbits=_WINDOW, zdict=dictionary).decompress(packed[1:]).decode()
