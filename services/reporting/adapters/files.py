"""Finished reports in object storage: the first file of a run stays, and links to it.

A report may be made twice: a worker that seemed lost may finish after all. The first file stored
stays, with its outcome as metadata, so that the second worker can answer with the same outcome.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from kernel.domain.clock import Clock
from kernel.domain.errors import Busy
from reporting.events import ReportResult
from reporting.model import ReportRun

LINK_SECONDS = 15 * 60
_ATTEMPTS = 3
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_OUTCOME = "outcome"
"""The metadata entry; S3 takes 2 KB of metadata, ReportResult's limit on totals keeps below."""


@dataclass(frozen=True, slots=True)
class Link:
    """An address anyone can fetch the file from until it expires."""

    url: str
    expires_at: datetime


class ReportFiles:
    """The files bucket, as far as it is about reports."""

    def __init__(self, s3: Any, bucket: str, clock: Clock) -> None:
        self._s3, self._bucket, self._now = s3, bucket, clock

    def stored(self, run: ReportRun) -> ReportResult | None:
        """What was stored for a run; None when nothing was."""
        try:
            found = self._s3.head_object(Bucket=self._bucket, Key=key(run, run.file_name))
        except ClientError as fault:
            if fault.response["Error"]["Code"] in _ABSENT:
                return None
            raise
        return ReportResult.model_validate_json(found["Metadata"][_OUTCOME])

    def store(self, run: ReportRun, path: Path, outcome: ReportResult) -> ReportResult:
        """Store a run's file unless there is one; returns the outcome of the file that is there."""
        for _ in range(_ATTEMPTS):
            try:
                with path.open("rb") as body:
                    self._s3.put_object(
                        Bucket=self._bucket,
                        Key=key(run, run.file_name),
                        Body=body,
                        IfNoneMatch="*",
                        ContentType=outcome.media_type,
                        # Metadata is a header: ASCII, which json.dumps keeps to.
                        Metadata={_OUTCOME: json.dumps(outcome.model_dump(mode="json"))},
                    )
                return outcome
            except ClientError as fault:
                if fault.response["Error"]["Code"] not in _TAKEN:
                    raise
                if first := self.stored(run):
                    return first
                # A conflict with an upload that has not ended: it may yet fail.
        raise Busy("Someone else is storing this report; try again.")

    def link(self, run: ReportRun, outcome: ReportResult) -> Link:
        """A link to a run's file; made here, without asking the service."""
        url = self._s3.generate_presigned_url(
            "get_object",
            Params={
                "Bucket": self._bucket,
                "Key": key(run, outcome.file_name),
                "ResponseContentDisposition": f'attachment; filename="{outcome.file_name}"',
                "ResponseContentType": outcome.media_type,
            },
            ExpiresIn=LINK_SECONDS,
        )
        return Link(str(url), self._now() + timedelta(seconds=LINK_SECONDS))


def key(run: ReportRun, file_name: str) -> str:
    """Where a run's file is: the same place however often it is made."""
    return f"tenants/{run.tenant_id}/reports/{run.id}/{file_name}"
