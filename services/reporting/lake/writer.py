"""Writes the event lake: every event, in immutable files of gzipped JSON lines (layout.py).

A batch that is delivered again rewrites its file with the same bytes. Events that are delivered
again in another batch are in two files: readers count each id once.
"""

import gzip
from collections.abc import Callable
from typing import Any

from kernel.domain.envelope import CloudEvent
from kernel.messaging.consumer import ALL, Message, consumed, failures, report
from reporting.lake.layout import Folder


class LakeBucket:
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

    types = frozenset({ALL})

    def __init__(self, bucket: Callable[[], LakeBucket]) -> None:
        self._bucket = bucket

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """One file per tenant, context and day; what cannot be read or written fails alone."""
        failed: list[str] = []
        folders: dict[Folder, list[tuple[dict[str, Any], CloudEvent]]] = {}
        for record in event["Records"]:
            try:
                cloud_event = Message(record).event()
                # What a file or its metadata cannot contain fails here, alone.
                cloud_event.detail.encode()
                cloud_event.time.encode("ascii")
                folders.setdefault(Folder.of(cloud_event), []).append((record, cloud_event))
            except Exception as fault:
                report("lake", record, fault)
                failed.append(record["messageId"])
        for folder, batch in folders.items():
            try:
                self._bucket().write(
                    folder, {cloud_event.id: cloud_event for _, cloud_event in batch}
                )
            except Exception as fault:
                for record, _ in batch:
                    report("lake", record, fault)
                    failed.append(record["messageId"])
                continue
            for _, cloud_event in batch:
                consumed("lake", cloud_event)
        return failures(failed)
