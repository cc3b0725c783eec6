"""An object store in a dictionary, and a reader with a cache."""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

from reporting.lake.cache import LakeCache
from reporting.lake.storage import LakeObject

CONTEXTS = ("opportunities",)


class FakeObjectStore:
    """A LakeReader of a dictionary, which records downloads."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects, self.fetched = objects, Counter[str]()
        self._lock = threading.Lock()

    def list(self, prefix: str) -> Iterator[LakeObject]:
        for key, body in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield LakeObject(key, len(body))

    def download(self, key: str, path: Path) -> None:
        with self._lock:
            self.fetched[key] += 1
        path.write_bytes(self.objects[key])


def key(number: int, *, tenant: str = "acme", day: str = "2026-03-01") -> str:
    return f"tenant={tenant}/context=opportunities/date={day}/{number:04d}.jsonl.gz"


def store_of(*keys: str, size: int = 100) -> FakeObjectStore:
    return FakeObjectStore({key: os.urandom(size) for key in keys})


def read_all(root: str, objects: dict[str, bytes], tenant: str, wrong: "Queue[str]") -> None:
    """Read a tenant's files a few times; put the tenant on `wrong` when they are not as stored."""
    lake = LakeCache(FakeObjectStore(objects), Path(root), limit_bytes=2500)
    for _ in range(4):
        with lake.files(tenant, CONTEXTS) as files:
            bodies = {p.relative_to(root).as_posix(): p.read_bytes() for p in files.paths}
        if bodies != {k: v for k, v in objects.items() if k.startswith(f"tenant={tenant}/")}:
            wrong.put(tenant)
