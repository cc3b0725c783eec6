"""Writes the event lake: every event, in immutable files of gzipped JSON lines (layout.py).

A batch that is delivered again rewrites its file with the same bytes. An event that is delivered
again in another batch is in two files; readers count each id once.
"""

import gzip
from collections.abc import Callable
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.messages import Message, MessageBatch, log_consumed
from kernel.runtime.log import logger
from kernel.runtime.metrics import STORED_BYTES
from reporting.lake.layout import Folder


class LakeBucket:
    """The lake's bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def write(self, folder: Folder, events: dict[str, CloudEvent]) -> int:
        """Write one file with these events (by id); returns its size in bytes."""
        ordered = [events[one] for one in sorted(events)]
        lines = "".join(f"{event.detail}\n" for event in ordered)
        times = sorted(event.time for event in ordered)
        # Without a timestamp, the same events give the same bytes.
        content = gzip.compress(lines.encode(), mtime=0)
        self._s3.put_object(
            Bucket=self._bucket,
            Key=folder.key(events),
            Body=content,
            ContentType="application/x-ndjson",
            ContentEncoding="gzip",
            Metadata={"count": str(len(ordered)), "first-time": times[0], "last-time": times[-1]},
        )
        return len(content)


class LakeWriter:
    """Writes batches of events; a Lambda handler (SQS, partial batch failures)."""

    def __init__(self, bucket: Callable[[], LakeBucket]) -> None:
        self._bucket = bucket

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """Write one file per tenant, context and day; unreadable events fail separately."""
        batch = MessageBatch("lake", event)
        folders: dict[Folder, list[Message]] = {}
        for message in batch.messages():
            with batch.isolate(message):
                # An event that cannot be written fails without affecting the others.
                message.event.detail.encode()
                message.event.time.encode("ascii")
                folders.setdefault(Folder.of(message.event), []).append(message)
        for folder, messages in folders.items():
            with batch.isolate(*messages):
                size = self._bucket().write(folder, {one.event.id: one.event for one in messages})
                logger().info(
                    "lake file written",
                    tenant=folder.tenant,
                    **STORED_BYTES.fields(size, "lake"),
                )
                for message in messages:
                    log_consumed("lake", message.event)
        return batch.response()
