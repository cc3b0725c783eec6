"""Finished reports in object storage, and links to them; the first file of a run stays.

A report may be created twice, because a worker that seemed lost may still finish. The first stored
file stays, with its outcome as metadata, so that the second worker returns the same outcome.

Every file is compressed: XLSX and PDF by their format (a PDF except for its structure, which screen
readers need), text by `Content-Encoding: gzip`, which browsers and HTTP clients undo. Size and hash
of the outcome are those of the file they get.
"""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from kernel.domain.clock import Clock
from kernel.domain.errors import Busy
from kernel.runtime.log import logger
from kernel.runtime.metrics import STORED_BYTES
from kernel.storage.objects import Link, is_absent, is_conflict, presigned
from reporting.events import ReportResult
from reporting.model import ReportRun

LINK_SECONDS = 15 * 60
_ATTEMPTS = 3
_OUTCOME = "outcome"
"""The metadata entry; the limit on totals in ReportResult keeps it below S3's 2 KB."""
_TEXT = ("text/", "application/json")
"""How the media types of text begin."""


class ReportFiles:
    """The report files in the files bucket."""

    def __init__(self, s3: Any, bucket: str, clock: Clock) -> None:
        self._s3, self._bucket, self._now = s3, bucket, clock

    def stored(self, run: ReportRun) -> ReportResult | None:
        """The outcome of a run's stored file, or None without one."""
        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=key(run, run.file_name))
        except ClientError as fault:
            if is_absent(fault):
                return None
            raise
        return ReportResult.model_validate_json(head["Metadata"][_OUTCOME])

    def store(self, run: ReportRun, path: Path, outcome: ReportResult) -> ReportResult:
        """Store a run's file unless one exists; returns the outcome of the stored file."""
        encoding = {}
        if outcome.media_type.startswith(_TEXT):
            path, encoding = _gzipped(path), {"ContentEncoding": "gzip"}
        for _ in range(_ATTEMPTS):
            try:
                with path.open("rb") as body:
                    self._s3.put_object(
                        Bucket=self._bucket,
                        Key=key(run, run.file_name),
                        Body=body,
                        IfNoneMatch="*",
                        ContentType=outcome.media_type,
                        # Metadata is sent as a header and must be ASCII, as json.dumps writes it.
                        Metadata={_OUTCOME: json.dumps(outcome.model_dump(mode="json"))},
                        **encoding,
                    )
                _log_stored(run, path.stat().st_size)
                return outcome
            except ClientError as fault:
                if not is_conflict(fault):
                    raise
                if first := self.stored(run):
                    return first
                # It may be a conflict with an unfinished upload, which may still fail.
        raise Busy("Another worker is storing this report; try again.")

    def link(self, run: ReportRun, outcome: ReportResult) -> Link:
        """A presigned link to a run's file, made without a call to S3."""
        params = {
            "Bucket": self._bucket,
            "Key": key(run, outcome.file_name),
            "ResponseContentDisposition": f'attachment; filename="{outcome.file_name}"',
            "ResponseContentType": outcome.media_type,
        }
        return presigned(self._s3, "get_object", params, LINK_SECONDS, self._now())


def _log_stored(run: ReportRun, size: int) -> None:
    """Log how much was stored, for whom."""
    metric = STORED_BYTES.fields(size, "files")
    logger().info("report file stored", tenant=run.tenant_id, run_id=run.id, **metric)


def key(run: ReportRun, file_name: str) -> str:
    """The object key of a run's file; it begins with its kind, by which the bucket's rules go."""
    return f"reports/{run.tenant_id}/{run.id}/{file_name}"


def _gzipped(path: Path) -> Path:
    """A compressed copy beside a file; the same content gives the same bytes."""
    copy = path.with_name(f"{path.name}.gz")
    with (
        path.open("rb") as plain,
        copy.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as packed,
    ):
        shutil.copyfileobj(plain, packed)
    return copy
