"""The event lake: every event, in files by tenant, context and day."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ulid import ULID

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.operations.outbox import Envelope

_MARGIN = timedelta(days=2)
"""How long before a record's creation files are searched."""


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of the lake."""

    key: str
    written_at: datetime
    """The time in whole seconds."""


def events_of(
    deployment: Deployment, tenant: str, record_type: str, record_id: str
) -> list[Envelope]:
    """A record's events in sequence, or the one event with this id.

    An empty `record_type` searches all contexts.
    """
    if record_id == "default":
        return []
    created = ULID.from_str(record_id).datetime.astimezone(UTC)
    known = contract()
    contexts = {known.records[record_type].context} if record_type else known.contexts
    events: dict[str, Envelope] = {}
    for context in sorted(contexts):
        for file in files(deployment, tenant, context, created - _MARGIN):
            for event in read(deployment, file.key):
                if event["subject"].endswith(f"/{record_id}") or event["id"] == record_id:
                    events[event["id"]] = event
    return sorted(events.values(), key=lambda event: int(event["sequence"]))


def files(deployment: Deployment, tenant: str, context: str, since: datetime) -> Iterator[LakeFile]:
    """The files with events since a day, oldest day first."""
    bucket = deployment.resources.bucket("LakeBucket")
    prefix = f"tenant={tenant}/context={context}/"
    # Keys sort by day, so the list can start at the first day.
    pages = (
        deployment.aws("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix=prefix, StartAfter=f"{prefix}date={since:%Y-%m-%d}")
    )
    for page in pages:
        for entry in page.get("Contents", []):
            yield LakeFile(entry["Key"], entry["LastModified"])


def read(deployment: Deployment, key: str) -> Iterator[Envelope]:
    """The events in a file."""
    bucket = deployment.resources.bucket("LakeBucket")
    response = deployment.aws("s3").get_object(Bucket=bucket, Key=key)
    for line in gzip.decompress(response["Body"].read()).splitlines():
        yield json.loads(line)


def tenants(deployment: Deployment) -> list[str]:
    """The tenants with events in the lake."""
    bucket = deployment.resources.bucket("LakeBucket")
    pages = (
        deployment.aws("s3")
        .get_paginator("list_objects_v2")
        .paginate(Bucket=bucket, Prefix="tenant=", Delimiter="/")
    )
    prefixes = [one["Prefix"] for page in pages for one in page.get("CommonPrefixes", [])]
    return [prefix.removeprefix("tenant=").rstrip("/") for prefix in prefixes]


def file_of(deployment: Deployment, event: Envelope) -> LakeFile | None:
    """The file with an event; None when it is not written yet."""
    context = str(event["source"]).removeprefix("zebros.")
    at = datetime.fromisoformat(event["time"])
    day = f"/date={at.astimezone(UTC):%Y-%m-%d}/"
    for file in files(deployment, event["tenantid"], context, at - timedelta(days=1)):
        # A file that was written before the event cannot contain it.
        if day not in file.key or file.written_at < at - timedelta(seconds=1):
            continue
        if any(other["id"] == event["id"] for other in read(deployment, file.key)):
            return file
    return None
