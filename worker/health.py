"""The health check of a worker's container (`python -m worker.health`): does its loop go round?

ECS runs it every 30 seconds, and replaces a task of which three checks in a row have failed.
"""

import sys

from kernel.runtime.settings import DiskSettings, read_settings
from kernel.tasks.registry import WorkerDisk
from kernel.tasks.worker.pulse import LONGEST_SILENCE_S, NAME, silence_s


def main() -> int:
    """Print what is wrong, if anything is; returns the exit code."""
    file = WorkerDisk.of(read_settings(DiskSettings)).folder / NAME
    silence = silence_s(file)
    if silence is None:
        print(f"the worker has not started: there is no {file}")
        return 1
    if silence > LONGEST_SILENCE_S:
        print(f"the worker hangs: it gave no sign of life for {silence:.0f} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
