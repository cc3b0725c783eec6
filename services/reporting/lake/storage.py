"""Reading the lake's objects from an object store."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class LakeObject:
    """A file of the lake: its key and its size in bytes."""

    key: str
    size: int


class LakeReader(Protocol):
    """An object store; both methods may be called from several threads."""

    def list(self, prefix: str) -> Iterator[LakeObject]:
        """Every object whose key starts with `prefix`."""

    def download(self, key: str, path: Path) -> None:
        """Write the object's bytes to `path`."""


class S3LakeReader:
    """A LakeReader for one S3 bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def list(self, prefix: str) -> Iterator[LakeObject]:
        """Every object whose key starts with `prefix`; one request per 1,000 objects."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield LakeObject(item["Key"], item["Size"])

    def download(self, key: str, path: Path) -> None:
        """Stream the object's bytes to `path` in one request."""
        body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        with body, path.open("wb") as file:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                file.write(chunk)
