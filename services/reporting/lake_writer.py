"""The event lake: every event, in immutable files of gzipped JSON lines, one folder per day.

    tenant=<t>/context=<c>/date=<YYYY-MM-DD of time>/<name>.jsonl.gz

A file's name is made of the ids of its events, so that a batch that comes again rewrites the same
file with the same bytes. A batch that comes again in other company makes events stand in two files:
readers count each id once. Names begin with the last id, so that they sort by time.
"""

import gzip
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.ids import PATTERN
from kernel.messaging.messages import Message, MessageBatch, log_consumed

_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CONTEXT = re.compile(r"[a-z]{1,40}")
_ID = re.compile(PATTERN)
_NAME_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Folder:
    """Where an event belongs."""

    tenant: str
    context: str
    day: str

    @classmethod
    def of(cls, event: CloudEvent) -> "Folder":
        """Raises ValueError for an envelope whose parts would not be one folder each."""
        at = datetime.fromisoformat(event.time)
        if at.tzinfo is None:
            raise ValueError(f"time {event.time!r} has no zone")
        for pattern, part in (
            (_TENANT, event.tenant_id),
            (_CONTEXT, event.context),
            (_ID, event.id),
        ):
            if not pattern.fullmatch(part):
                raise ValueError(f"{part[:80]!r} cannot be a part of a lake file's name")
        return cls(event.tenant_id, event.context, at.astimezone(UTC).date().isoformat())

    def key(self, ids: Iterable[str]) -> str:
        """The name of the file with these events."""
        ordered = sorted(ids)
        digest = hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:_NAME_DIGITS]
        return (
            f"tenant={self.tenant}/context={self.context}/date={self.day}/"
            f"{ordered[-1]}-{digest}.jsonl.gz"
        )


class LakeFolders:
    """The lake's bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def write(self, folder: Folder, events: dict[str, CloudEvent]) -> None:
        """One file with these events, by id."""
        ordered = [events[one] for one in sorted(events)]
        lines = "".join(f"{event.detail}\n" for event in ordered)
        times = sorted(event.time for event in ordered)
        self._s3.put_object(
            Bucket=self._bucket,
            Key=folder.key(events),
            # Without a time stamp in it, the same events are the same bytes.
            Body=gzip.compress(lines.encode(), mtime=0),
            ContentType="application/x-ndjson",
            ContentEncoding="gzip",
            Metadata={"count": str(len(ordered)), "first-time": times[0], "last-time": times[-1]},
        )


class LakeWriter:
    """Writes batches of events; a Lambda handler (SQS, partial batch failures)."""

    def __init__(self, folders: Callable[[], LakeFolders]) -> None:
        self._folders = folders

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """One file per tenant, context and day; what cannot be read or written fails alone."""
        batch = MessageBatch("lake", event)
        folders: dict[Folder, list[Message]] = {}
        for message in batch.messages():
            with batch.isolate(message):
                # What no file or its metadata can hold fails here, without the rest of its file.
                message.event.detail.encode()
                message.event.time.encode("ascii")
                folders.setdefault(Folder.of(message.event), []).append(message)
        for folder, messages in folders.items():
            with batch.isolate(*messages):
                self._folders().write(folder, {one.event.id: one.event for one in messages})
                for message in messages:
                    log_consumed("lake", message.event)
        return batch.response()
