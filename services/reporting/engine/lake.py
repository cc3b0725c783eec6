"""The event lake on local disk: immutable files, fetched once, bounded, one folder per tenant.

The lake keeps `tenant=<t>/context=<c>/date=<YYYY-MM-DD>/<name>.jsonl.gz`; the cache mirrors those
names. Files never change, so what is there with the right size need not be fetched again.

Several processes may share a cache. One lock lets one of them at a time fetch and make room; each
tenant's folder has a lock that its readers share, and nothing is evicted from a folder being read.
Both are flock(2) locks, which end with the process that holds them, however it ends.
"""

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from reporting.engine.errors import LakeTooLarge, LakeUnreadable, ReportError
from reporting.engine.progress import Watch

CACHE_BYTES = 4 * 1024**3
"""Default bound of the cache: about 40 million events, a fifth of a Fargate task's free disk."""
THREADS = 8
"""Fetches at once: small files cost round trips, not bandwidth."""
_POLL_SECONDS = 0.1

_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_CONTEXT = re.compile(r"[a-z]{1,40}")
_NAME = re.compile(r"date=(\d{4}-\d{2}-\d{2})/[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.jsonl\.gz")


@dataclass(frozen=True, slots=True)
class LakeObject:
    """A file of the lake: its key and its size in bytes."""

    key: str
    size: int


@dataclass(frozen=True, slots=True)
class LakeFiles:
    """Files on this machine, all of them in the folder of one tenant."""

    tenant: str
    folder: Path
    paths: tuple[Path, ...]


class LakeReader(Protocol):
    """The two things this needs of an object store; both may be called from several threads."""

    def list(self, prefix: str) -> Iterator[LakeObject]:
        """Every object whose key starts with `prefix`."""

    def download(self, key: str, path: Path) -> None:
        """Write the object's bytes to `path`."""


class S3Reader:
    """A LakeReader over an S3 client and one bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

    def list(self, prefix: str) -> Iterator[LakeObject]:
        """1,000 objects per request."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=prefix):
            for item in page.get("Contents", ()):
                yield LakeObject(item["Key"], item["Size"])

    def download(self, key: str, path: Path) -> None:
        """One request; the body is streamed."""
        body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        with body, path.open("wb") as file:
            for chunk in body.iter_chunks(1 << 18):
                file.write(chunk)


class Lake:
    """Brings a tenant's files to `root` and keeps all tenants' files there under `limit_bytes`."""

    def __init__(
        self,
        reader: LakeReader,
        root: Path,
        *,
        limit_bytes: int = CACHE_BYTES,
        threads: int = THREADS,
    ) -> None:
        self._reader, self._root = reader, root.resolve()
        self._limit, self._threads = limit_bytes, threads

    def folder(self, tenant: str) -> Path:
        """The tenant's folder; ReportError when the name could be anything but one folder."""
        if not _TENANT.fullmatch(tenant):
            raise ReportError(f"{tenant[:80]!r} is not the name of a tenant.")
        return self._root / f"tenant={tenant}"

    @contextmanager
    def files(
        self,
        tenant: str,
        contexts: Sequence[str],
        *,
        as_of: datetime | None = None,
        watch: Watch | None = None,
    ) -> Iterator[LakeFiles]:
        """The tenant's files of these contexts, protected until the block ends.

        With `as_of`, the files of later days are left out. Raises LakeTooLarge when they exceed
        the cache's bound, LakeUnreadable when one cannot be fetched, ReportCancelled when asked.
        """
        watch = watch or Watch()
        folder = self.folder(tenant)
        watch.step(0.0, "Looking for the company's events")
        wanted = self._list(tenant, contexts, as_of)
        needed = sum(wanted.values())
        if needed > self._limit:
            raise LakeTooLarge(
                f"The company's events take {needed:,} bytes; this worker may keep {self._limit:,}."
            )
        folder.mkdir(parents=True, exist_ok=True)
        reading = (folder / ".lock").open("w")
        try:
            with self._alone(watch):
                missing = {p: size for p, size in wanted.items() if _size(p) != size}
                if missing:
                    self._make_room(wanted, sum(missing.values()), watch)
                    self._fetch(missing, watch)
                fcntl.flock(reading, fcntl.LOCK_SH)
            for path in wanted:
                os.utime(path)
            watch.step(1.0, f"{len(wanted):,} files at hand")
            yield LakeFiles(tenant, folder, tuple(sorted(wanted)))
        finally:
            reading.close()

    def _list(
        self, tenant: str, contexts: Sequence[str], as_of: datetime | None
    ) -> dict[Path, int]:
        last = as_of.astimezone(UTC).date().isoformat() if as_of else "9999"
        wanted: dict[Path, int] = {}
        for context in contexts:
            if not _CONTEXT.fullmatch(context):
                raise ReportError(f"{context[:80]!r} is not the name of a context.")
            prefix = f"tenant={tenant}/context={context}/"
            for item in self._reader.list(prefix):
                name = _NAME.fullmatch(item.key.removeprefix(prefix))
                # Anything else under the prefix is no lake file, and its name must not be trusted.
                if name and name[1] <= last:
                    wanted[self._root / item.key] = item.size
        return wanted

    @contextmanager
    def _alone(self, watch: Watch) -> Iterator[None]:
        with (self._root / ".lock").open("w") as lock:
            while not _try_exclusively(lock.fileno()):
                watch.step(0.0, "Waiting for another report that fetches events")
                time.sleep(_POLL_SECONDS)
            yield

    def _make_room(self, wanted: dict[Path, int], coming: int, watch: Watch) -> None:
        """Evict the longest unused files that nobody reads, until `coming` bytes fit."""
        while True:
            used, idle = self._used(wanted)
            for path, size in idle:
                if used + coming <= self._limit:
                    break
                if self._evict(path):
                    used -= size
            if used + coming <= self._limit:
                return
            watch.step(0.0, "Waiting for disk space that other reports use")
            time.sleep(_POLL_SECONDS)

    def _used(self, wanted: dict[Path, int]) -> tuple[int, list[tuple[Path, int]]]:
        """Bytes in the cache, and the files that may go, longest unused first."""
        used, idle = 0, []
        for path in self._root.glob("tenant=*/context=*/date=*/*"):
            if path.suffix == ".part":  # left by a process that was killed: we are alone here
                path.unlink()
                continue
            status = path.stat()
            used += status.st_size
            if path not in wanted:
                idle.append((status.st_mtime_ns, path, status.st_size))
            elif wanted[path] != status.st_size:  # about to be replaced
                used -= status.st_size
        return used, [(path, size) for _, path, size in sorted(idle)]

    def _evict(self, path: Path) -> bool:
        day, context, tenant = path.parents[0], path.parents[1], path.parents[2]
        with (tenant / ".lock").open("w") as lock:
            if not _try_exclusively(lock.fileno()):
                return False
            path.unlink()
            with suppress(OSError):  # not empty yet
                day.rmdir()
                context.rmdir()
        return True

    def _fetch(self, missing: dict[Path, int], watch: Watch) -> None:
        total, done = sum(missing.values()) or 1, 0
        for folder in {path.parent for path in missing}:
            folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(self._threads) as pool:
            tasks = [pool.submit(self._fetch_one, path, size) for path, size in missing.items()]
            try:
                for number, task in enumerate(as_completed(tasks), 1):
                    done += task.result()
                    if number % self._threads == 0:
                        text = f"Fetching events: {number:,} of {len(missing):,} files"
                        watch.step(done / total, text)
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _fetch_one(self, path: Path, size: int) -> int:
        part = path.with_name(path.name + ".part")
        key = path.relative_to(self._root).as_posix()
        try:
            self._reader.download(key, part)
        except Exception as fault:
            part.unlink(missing_ok=True)
            raise LakeUnreadable(f"The lake file {key} could not be fetched.") from fault
        if part.stat().st_size != size:
            part.unlink()
            raise LakeUnreadable(f"The lake file {key} came incomplete.")
        part.replace(path)
        return size


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _try_exclusively(file_number: int) -> bool:
    try:
        fcntl.flock(file_number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
