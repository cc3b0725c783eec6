"""A worker's local cache of lake files: within a size limit, one folder per tenant.

The files have the same names as in the lake (layout.py). They never change, so a file with the
right size is not downloaded again.

Several processes may share a cache. One lock lets one process at a time download and evict; each
tenant's folder has a lock that its readers share, and nothing is evicted from a folder being read.
Both are flock(2) locks, which the system releases when their process ends.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kernel.runtime.work import carried
from kernel.tasks.progress import NoProgress, Progress
from reporting.job_errors import DiskFull, LakeTooLarge, LakeUnreadable, ReportError
from reporting.lake import layout
from reporting.lake.storage import LakeReader

CACHE_BYTES = 4 * 1024**3
"""The default limit: about 40 million events, a fifth of a Fargate task's free disk."""
THREADS = 8
"""Concurrent downloads: for small files round trips take longer than the transfer."""
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class LakeFiles:
    """Files on this machine, all of them in the folder of one tenant."""

    tenant: str
    folder: Path
    paths: tuple[Path, ...]


class LakeCache:
    """Downloads a tenant's files to `root`, where all files together stay under `limit_bytes`."""

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
        """The tenant's folder. Raises ReportError when the name is not a valid folder name."""
        if not layout.TENANT.fullmatch(tenant):
            raise ReportError(f"{tenant[:80]!r} is not the name of a tenant.")
        return self._root / layout.tenant_folder(tenant)

    @contextmanager
    def files(
        self,
        tenant: str,
        contexts: Sequence[str],
        *,
        as_of: datetime | None = None,
        progress: Progress | None = None,
    ) -> Iterator[LakeFiles]:
        """The tenant's files of these contexts, protected from eviction until the block ends.

        With `as_of`, the files of later days are omitted. Raises LakeTooLarge when the files exceed
        the limit, LakeUnreadable when a download fails, DiskFull when the local disk has no space
        for it, Interrupted when the work must stop.
        """
        progress = progress or NoProgress()
        folder = self.folder(tenant)
        progress.step(0.0, "Looking for the company's events")
        listed = self._list(tenant, contexts, as_of)
        size = sum(listed.values())
        if size > self._limit:
            raise LakeTooLarge(
                f"The company's events take {size:,} bytes; this worker may keep {self._limit:,}."
            )
        folder.mkdir(parents=True, exist_ok=True)
        reading = (folder / ".lock").open("w")
        try:
            with self._exclusive(progress):
                missing = {p: size for p, size in listed.items() if _size(p) != size}
                if missing:
                    self._free_space(listed, sum(missing.values()), progress)
                    self._fetch(missing, progress)
                fcntl.flock(reading, fcntl.LOCK_SH)
            for path in listed:
                os.utime(path)
            progress.step(1.0, f"{len(listed):,} files available")
            yield LakeFiles(tenant, folder, tuple(sorted(listed)))
        finally:
            reading.close()

    def _list(
        self, tenant: str, contexts: Sequence[str], as_of: datetime | None
    ) -> dict[Path, int]:
        last = as_of.astimezone(UTC).date().isoformat() if as_of else "9999"
        listed: dict[Path, int] = {}
        for context in contexts:
            if not layout.CONTEXT.fullmatch(context):
                raise ReportError(f"{context[:80]!r} is not the name of a context.")
            prefix = layout.context_prefix(tenant, context)
            for item in self._reader.list(prefix):
                name = layout.FILE.fullmatch(item.key.removeprefix(prefix))
                # Anything else under the prefix is not a lake file and is ignored.
                if name and name[1] <= last:
                    listed[self._root / item.key] = item.size
        return listed

    @contextmanager
    def _exclusive(self, progress: Progress) -> Iterator[None]:
        with (self._root / ".lock").open("w") as lock:
            while not _try_lock(lock.fileno()):
                progress.step(0.0, "Waiting for another report that fetches events")
                time.sleep(_POLL_SECONDS)
            yield

    def _free_space(self, listed: dict[Path, int], coming: int, progress: Progress) -> None:
        """Evict the least recently used files that nobody reads, until `coming` bytes fit."""
        while True:
            used, idle = self._used(listed)
            for path, size in idle:
                if used + coming <= self._limit:
                    break
                if self._evict(path):
                    used -= size
            if used + coming <= self._limit:
                return
            progress.step(0.0, "Waiting for disk space that other reports use")
            time.sleep(_POLL_SECONDS)

    def _used(self, listed: dict[Path, int]) -> tuple[int, list[tuple[Path, int]]]:
        """Bytes in the cache, and the files that may be evicted, least recently used first."""
        used, idle = 0, []
        for path in self._root.glob("tenant=*/context=*/date=*/*"):
            if path.suffix == ".part":  # of a killed process: this one has the lock
                path.unlink()
                continue
            status = path.stat()
            used += status.st_size
            if path not in listed:
                idle.append((status.st_mtime_ns, path, status.st_size))
            elif listed[path] != status.st_size:  # about to be replaced
                used -= status.st_size
        return used, [(path, size) for _, path, size in sorted(idle)]

    def _evict(self, path: Path) -> bool:
        day, context, tenant = path.parents[0], path.parents[1], path.parents[2]
        with (tenant / ".lock").open("w") as lock:
            if not _try_lock(lock.fileno()):
                return False
            path.unlink()
            with suppress(OSError):  # not empty yet
                day.rmdir()
                context.rmdir()
        return True

    def _fetch(self, missing: dict[Path, int], progress: Progress) -> None:
        total, done = sum(missing.values()) or 1, 0
        for folder in {path.parent for path in missing}:
            folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(self._threads) as pool:
            fetch = carried(self._fetch_one)
            tasks = [pool.submit(fetch, path, size) for path, size in missing.items()]
            try:
                for number, task in enumerate(as_completed(tasks), 1):
                    done += task.result()
                    if number % self._threads == 0:
                        text = f"Fetching events: {number:,} of {len(missing):,} files"
                        progress.step(done / total, text)
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
            if isinstance(fault, OSError) and fault.errno == errno.ENOSPC:
                raise DiskFull(f"There is no space for the lake file {key}.") from fault
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


def _try_lock(file_number: int) -> bool:
    try:
        fcntl.flock(file_number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
