"""Temporary files that are removed after their process ends, even if it is killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_files(root: Path) -> Iterator[Path]:
    """A folder below `root` for the temporary files of this process and its libraries.

    The folder of a killed process is removed by the next process. Each folder has a lock, flock(2),
    which the system releases when its process ends.
    """
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as exclusive:
        fcntl.flock(exclusive, fcntl.LOCK_EX)
        for lock in root.glob("*.lock"):
            if lock.name != ".lock":
                _remove_if_dead(lock)
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=root))
        lock_file = folder.with_suffix(".lock").open("w")
        fcntl.flock(lock_file, fcntl.LOCK_EX)
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".lock").unlink(missing_ok=True)
        lock_file.close()


def _remove_if_dead(lock: Path) -> None:
    try:
        file = lock.open("r")
    except FileNotFoundError:  # its process has just removed it
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)
