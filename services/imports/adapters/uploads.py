"""Links to upload files and to download rejected lines, and the sizes of uploaded files.

A link to upload a file signs its size, so that S3 takes no larger one.
"""

from typing import Any

from botocore.exceptions import ClientError

from imports.adapters.keys import rejected_key, upload_key
from imports.model import ImportRun
from kernel.domain.clock import Clock
from kernel.storage.objects import Link, is_absent, presigned

UPLOAD_SECONDS = 60 * 60
LINK_SECONDS = 15 * 60
REJECTED_NAME = "rejected.jsonl"


class Uploads:
    """The uploaded files and the rejected lines in the files bucket."""

    def __init__(self, s3: Any, bucket: str, clock: Clock) -> None:
        self._s3, self._bucket, self._now = s3, bucket, clock

    def upload_link(self, tenant_id: str, upload_id: str, size_bytes: int) -> Link:
        """A presigned PUT of a file with exactly this size, made without a call to S3."""
        params = {
            "Bucket": self._bucket,
            "Key": upload_key(tenant_id, upload_id),
            "ContentLength": size_bytes,
        }
        return presigned(self._s3, "put_object", params, UPLOAD_SECONDS, self._now())

    def size(self, tenant_id: str, upload_id: str) -> int | None:
        """The size of an uploaded file in bytes, or None when nothing was uploaded."""
        try:
            head = self._s3.head_object(Bucket=self._bucket, Key=upload_key(tenant_id, upload_id))
        except ClientError as fault:
            if is_absent(fault):
                return None
            raise
        return int(head["ContentLength"])

    def rejected_link(self, run: ImportRun) -> Link:
        """A presigned link to the rejected lines of a run, made without a call to S3."""
        params = {
            "Bucket": self._bucket,
            "Key": rejected_key(run.tenant_id, run.id),
            "ResponseContentDisposition": f'attachment; filename="{REJECTED_NAME}"',
            "ResponseContentType": "application/jsonl",
        }
        return presigned(self._s3, "get_object", params, LINK_SECONDS, self._now())
