"""Temporary files that go when their process ends, however it ends."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def scratch(root: Path) -> Iterator[Path]:
    """A folder of this process alone, below `root`; libraries' temporary files land in it too.

    A process that is killed leaves its folder behind: the next one to come removes it. Whether a
    folder's process lives is told by its lock, flock(2), which ends with the process.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        for lock in root.glob("*.lock"):
            if lock.name != ".lock":
                _remove_if_dead(lock)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))
        held = folder.with_suffix(".lock").open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)
        held.close()


def _remove_if_dead(lock: Path) -> None:
    try:
        file = lock.open("r")
    except FileNotFoundError:  # whoever held it has ended and removed it just now
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
