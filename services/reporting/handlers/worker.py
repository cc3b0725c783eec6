"""The report worker: `python -m reporting.handlers.worker` (a container, or a local process).

Reads TABLE_NAME, LAKE_BUCKET, FILES_BUCKET and TASK_QUEUE_URL; optionally
  WORK_FOLDER            where lake files and temporary files go (default: below the system's)
  CACHE_MEGABYTES        how much of the lake may stay there (default: 4096)
  WORKER_HIDDEN_SECONDS  how soon a task comes back when a worker dies (default: 45)
TERM or INT: it puts its work back and ends within two minutes, when idle within seconds.
"""

import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from kernel.runtime.aws import client
from kernel.tasks.scratch import scratch
from kernel.tasks.worker import Timing, Worker
from reporting.bootstrap import files, runs
from reporting.engine.lake import CACHE_BYTES, Lake, S3Reader
from reporting.work import ReportWork

READY = "worker ready: waiting for tasks"
_NEEDED = ("TABLE_NAME", "LAKE_BUCKET", "FILES_BUCKET", "TASK_QUEUE_URL")


def main() -> int:
    """Work until a signal comes; the exit code is 0 unless something to work with is missing."""
    if missing := [name for name in _NEEDED if not os.environ.get(name)]:
        print(f"worker cannot start: set {', '.join(missing)}", file=sys.stderr)
        return 2
    root = Path(os.environ.get("WORK_FOLDER") or Path(tempfile.gettempdir()) / "zebros-worker")
    megabytes = os.environ.get("CACHE_MEGABYTES")
    reader = S3Reader(client("s3"), os.environ["LAKE_BUCKET"])
    cache = root / "lake"
    cache.mkdir(parents=True, exist_ok=True)
    limit = int(megabytes) * 1024**2 if megabytes else CACHE_BYTES
    job = ReportWork(runs(), files(), Lake(reader, cache, limit_bytes=limit))
    worker = Worker(
        job,
        os.environ["TASK_QUEUE_URL"],
        sqs=client("sqs"),
        states=client("stepfunctions"),
        timing=timing(),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.stop)
    with scratch(root / "scratch"):
        stopped = worker.serve(ready=lambda: print(READY, file=sys.stderr, flush=True))
    if not stopped:
        # A job that would not stop is still on its thread: leave without waiting for it.
        os._exit(0)
    return 0


def timing() -> Timing:
    """The kernel's, unless the environment says how soon a task is to come back."""
    hidden = os.environ.get("WORKER_HIDDEN_SECONDS")
    if hidden is None:
        return Timing()
    return replace(Timing(), hidden=int(hidden), beat=int(hidden) / 3)


if __name__ == "__main__":
    sys.exit(main())
