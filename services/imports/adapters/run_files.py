"""The files of an import that a worker reads and writes: upload, checkpoint, rejected lines.

A worker that seemed lost may still be at work, beside the one that took its place. So a checkpoint
replaces exactly the one that its worker has read, and the slower worker goes on from the other's.
"""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field

from imports.adapters.keys import checkpoint_key, part_key, rejected_key, upload_key
from imports.events import ImportCounts, ImportResult
from imports.model import ImportRun
from kernel.runtime.log import logger
from kernel.runtime.metrics import STORED_BYTES
from kernel.storage.objects import is_absent, is_conflict

_CHUNK_BYTES = 1 << 18
JSON_LINES = "application/jsonl"


class Checkpoint(BaseModel):
    """How far an import is: everything before `next_line` is done."""

    model_config = ConfigDict(frozen=True)

    next_line: int = Field(1, ge=1)
    """The number of a line of the file, counted from 1."""
    counts: ImportCounts = ImportCounts()
    parts: int = Field(0, ge=0)
    """How many parts of rejected lines are stored."""
    upload_etag: str = ""
    """That of the uploaded file, whose lines have these numbers."""
    result: ImportResult | None = None
    """Set when the file with the rejected lines is stored, too."""


class Stored(NamedTuple):
    """A checkpoint as it is stored."""

    checkpoint: Checkpoint
    etag: str | None = None
    """None before the first one."""


class UploadGone(Exception):
    """The uploaded file no longer exists."""


class Superseded(Exception):
    """Another worker has stored a checkpoint of the same run meanwhile."""


class RunFiles:
    """The files of imports in the files bucket."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3, self._bucket = s3, bucket

    def download(self, run: ImportRun, path: Path, tick: Callable[[], None]) -> str:
        """Write a run's uploaded file to `path`; returns its ETag. Raises UploadGone.

        `tick` is called on the way.
        """
        key = upload_key(run.tenant_id, run.parameters.upload_id)
        found = self._get(key)
        if found is None:
            raise UploadGone(key)
        body = found["Body"]
        # As a context manager it gives its raw stream, which has no chunks.
        with body, path.open("wb") as file:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                file.write(chunk)
                tick()
        return str(found["ETag"])

    def checkpoint(self, run: ImportRun) -> Stored:
        """How far a run is; at the beginning when nothing is stored."""
        found = self._get(checkpoint_key(run.tenant_id, run.id))
        if found is None:
            return Stored(Checkpoint())
        with found["Body"] as body:
            return Stored(Checkpoint.model_validate_json(body.read()), found["ETag"])

    def store_checkpoint(self, run: ImportRun, before: Stored, after: Checkpoint) -> Stored:
        """Replace a checkpoint. Raises Superseded when it is not the stored one."""
        condition = {"IfMatch": before.etag} if before.etag else {"IfNoneMatch": "*"}
        try:
            answer = self._s3.put_object(
                Bucket=self._bucket,
                Key=checkpoint_key(run.tenant_id, run.id),
                Body=after.model_dump_json(exclude_none=True).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as fault:
            # S3 answers 404 to a condition on an object that is gone.
            if is_conflict(fault) or is_absent(fault):
                raise Superseded(run.id) from fault
            raise
        return Stored(after, answer["ETag"])

    def store_part(self, run: ImportRun, number: int, lines: bytes) -> None:
        """Store a part of the rejected lines; the same one may be stored again."""
        self._s3.put_object(
            Bucket=self._bucket,
            Key=part_key(run.tenant_id, run.id, number),
            Body=gzip.compress(lines, mtime=0),
            ContentType=JSON_LINES,
            ContentEncoding="gzip",
        )

    def part(self, run: ImportRun, number: int) -> bytes:
        """The lines of a part. Raises LookupError when it is gone."""
        found = self._get(part_key(run.tenant_id, run.id, number))
        if found is None:
            raise LookupError(f"part {number} of the rejected lines is gone")
        with found["Body"] as body:
            return gzip.decompress(body.read())

    def store_rejected(self, run: ImportRun, path: Path) -> None:
        """Store the file with all rejected lines; `path` is compressed by gzip."""
        with path.open("rb") as body:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=rejected_key(run.tenant_id, run.id),
                Body=body,
                ContentType=JSON_LINES,
                ContentEncoding="gzip",
            )
        metric = STORED_BYTES.fields(path.stat().st_size, "files")
        logger().info("rejected lines stored", tenant=run.tenant_id, run_id=run.id, **metric)

    def _get(self, key: str) -> Any:
        """The answer to a GET of an object, or None when there is none."""
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as fault:
            if is_absent(fault):
                return None
            raise
