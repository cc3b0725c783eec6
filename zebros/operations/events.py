"""The events about a record: from its table's outbox (a week), else from the lake (for good)."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ulid import ULID

from kernel.domain.ids import PATTERN
from kernel.storage.packing import unpack
from kernel.storage.table import Item, Table
from zebros.client.connection import Deployment
from zebros.errors import BadInput

Envelope = dict[str, Any]

CONTEXTS = {
    "account": ("customers", "CustomersTable"),
    "contact": ("customers", "ContactsTable"),
    "pipeline": ("opportunities", "OpportunitiesTable"),
    "product": ("opportunities", "OpportunitiesTable"),
    "opportunity": ("opportunities", "OpportunitiesTable"),
    "task": ("activities", "ActivitiesTable"),
    "report": ("reporting", "ReportingTable"),
    "notification": ("notifications", "NotificationsTable"),
}
"""The context and the table (logical id) of each kind of subject."""
_SCHEMAS = Path(__file__).resolve().parents[2] / "events" / "schemas"
_ID = re.compile(PATTERN)
_LAKE_DAYS = 2
"""Days searched on each side of an event's day: lake files are named by the events' own day."""
_PAGE = 1000


def types() -> frozenset[str]:
    """The events that have a schema, by name (`OpportunityWon`)."""
    return frozenset(file.name.partition(".")[0] for file in _SCHEMAS.glob("*/*.json"))


@dataclass(frozen=True, slots=True)
class Located:
    """Where an event lies in the lake."""

    key: str
    written_at: datetime


def of_record(deployment: Deployment, tenant: str, target: str) -> tuple[str, list[Envelope]]:
    """The subject (`opportunity/<id>`) and its events in sequence.

    `target` is a subject, a record's id, or an event's id. Raises BadInput when nothing is known of
    it.
    """
    subject, items = in_outbox(deployment, tenant, target)
    if items:
        return subject, [_sealed(item["detail"]) for item in items]
    kind, _, record_id = target.rpartition("/")
    found = in_lake(deployment, tenant, kind, record_id)
    if found:
        return str(found[0]["subject"]), found
    raise BadInput(
        f"Tenant {tenant} has no events about {target}.",
        hint="`--tenant` names another tenant; a change a moment ago may not be stored yet.",
    )


def in_outbox(deployment: Deployment, tenant: str, target: str) -> tuple[str, list[Item]]:
    """The subject, and what the outbox of its table still holds about it, in sequence.

    `target` is a subject or a record's id. Raises BadInput when it can be neither.
    """
    kind, slash, record_id = target.rpartition("/")
    if not _ID.match(record_id) and record_id != "default":
        raise BadInput(
            f"{record_id} is no id.",
            hint="An id has 26 characters, such as 01J9ZK4V3W8Q5D2T7Y6R1XNMHB.",
        )
    if slash and kind not in CONTEXTS:
        raise BadInput(
            f"There is no kind of record called {kind}.", hint=f"There are {', '.join(CONTEXTS)}."
        )
    for name in (kind,) if slash else CONTEXTS:
        found = _outbox(deployment, tenant, name, record_id)
        if found:
            return f"{name}/{record_id}", found
    return target, []


def _outbox(deployment: Deployment, tenant: str, kind: str, record_id: str) -> list[Item]:
    table = Table(deployment.aws("dynamodb"), deployment.resources.table(CONTEXTS[kind][1]))
    pk = f"TENANT#{tenant}#{kind.upper()}#{record_id}"
    items: list[Item] = []
    after: Item | None = None
    while True:
        page = table.query(pk, prefix="EVENT#", limit=_PAGE, after=after, consistent=True)
        items += page.items
        after = page.last_key
        if after is None:
            return items


def _sealed(detail: str | int | bytes) -> Envelope:
    """The envelope of an outbox item."""
    found: Envelope = json.loads(unpack(detail) if isinstance(detail, bytes) else str(detail))
    return found


def in_lake(deployment: Deployment, tenant: str, kind: str, record_id: str) -> list[Envelope]:
    """A record's events in the lake (or one event), from the day of its id on, in sequence."""
    if record_id == "default":
        return []
    born = ULID.from_str(record_id).datetime.astimezone(UTC)
    contexts = {CONTEXTS[kind][0]} if kind else {context for context, _ in CONTEXTS.values()}
    events: dict[str, Envelope] = {}
    for context in sorted(contexts):
        for key, _ in files(deployment, tenant, context, born - timedelta(days=_LAKE_DAYS)):
            for envelope in lines(deployment, key):
                if envelope["subject"].endswith(f"/{record_id}") or envelope["id"] == record_id:
                    events[envelope["id"]] = envelope
    return sorted(events.values(), key=lambda event: int(event["sequence"]))


def files(
    deployment: Deployment, tenant: str, context: str, since: datetime
) -> Iterator[tuple[str, datetime]]:
    """Lake files with events from a day on: key and when it was written, oldest day first."""
    s3, bucket = deployment.aws("s3"), deployment.resources.bucket("LakeBucket")
    prefix = f"tenant={tenant}/context={context}/"
    # Keys sort by day, so listing starts where the events can first be.
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, StartAfter=f"{prefix}date={since:%Y-%m-%d}"
    )
    for page in pages:
        for one in page.get("Contents", []):
            yield one["Key"], one["LastModified"]


def lines(deployment: Deployment, key: str) -> Iterator[Envelope]:
    """The envelopes in one lake file."""
    found = deployment.aws("s3").get_object(
        Bucket=deployment.resources.bucket("LakeBucket"), Key=key
    )
    for line in gzip.decompress(found["Body"].read()).splitlines():
        yield json.loads(line)


def located(deployment: Deployment, event: Envelope) -> Located | None:
    """The lake file that has an event; None when it has not been written (yet)."""
    context = str(event["source"]).removeprefix("zebros.")
    at = datetime.fromisoformat(event["time"])
    day = f"/date={at.astimezone(UTC):%Y-%m-%d}/"
    for key, written_at in files(deployment, event["tenantid"], context, at - timedelta(days=1)):
        # A file written before the event happened cannot hold it (S3 tells whole seconds).
        if day not in key or written_at < at - timedelta(seconds=1):
            continue
        if any(envelope["id"] == event["id"] for envelope in lines(deployment, key)):
            return Located(key, written_at)
    return None
