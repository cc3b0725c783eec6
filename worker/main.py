"""The worker process (`python -m worker`): in a container, or on a developer's machine.

It carries out the tasks of one queue with the jobs of all contexts. On SIGTERM or SIGINT it
requeues its task and exits: within two minutes, or within seconds when it is idle.
"""

import os
import signal
import sys

from kernel.runtime.aws import client
from kernel.runtime.settings import DiskSettings, missing_variables, read_settings
from kernel.tasks.registry import WorkerDisk, discover
from kernel.tasks.worker.loop import Worker
from kernel.tasks.worker.protection import ScaleInProtection
from kernel.tasks.worker.pulse import NAME, Pulse
from kernel.tasks.worker.temporary_files import temporary_files
from worker.settings import WorkerSettings, timing

READY = "worker ready: waiting for tasks"


def main() -> int:
    """Work until a signal arrives; the exit code is 0 unless a variable is missing."""
    definitions = discover()
    needed = [model for definition in definitions for model in definition.settings]
    if missing := missing_variables(*needed, WorkerSettings):
        print(f"worker cannot start: set {', '.join(missing)}", file=sys.stderr)
        return 2
    settings = read_settings(WorkerSettings)
    space = WorkerDisk.of(read_settings(DiskSettings))
    worker = Worker(
        {definition.name: definition.make(space) for definition in definitions},
        settings.task_queue_url,
        sqs=client("sqs"),
        states=client("stepfunctions"),
        timing=timing(settings),
        protection=ScaleInProtection(settings.ecs_agent_uri),
        beat=Pulse(space.folder / NAME).beat,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.stop)
    with temporary_files(space.folder / "temporary"):
        ended = worker.serve(ready=lambda: print(READY, file=sys.stderr, flush=True))
    if not ended:
        # A job that did not stop still runs on its thread: exit without waiting for it.
        os._exit(0)
    return 0
