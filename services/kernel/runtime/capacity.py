"""The memory and the processor time that this process has, by its function, its task or its cgroup.

Inside a container the system shows the whole machine. A Lambda function has its memory in a
variable; an ECS task has its size in variables that its template sets, because a task's limits are
not in the cgroup that its container sees. Any other container has its limits in its cgroup (v1 and
v2 are described in the Linux kernel's documentation, admin-guide/cgroup-v1 and cgroup-v2).
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kernel.runtime.settings import CapacitySettings, read_settings

_MEGABYTE = 1024**2
_MEGABYTES_PER_CORE = 1769
"""A function of this memory has one vCPU (AWS Lambda developer guide, "Memory")."""
_UNITS_PER_CORE = 1024
"""ECS counts a vCPU as 1,024 CPU units."""
_UNLIMITED_BYTES = 2**60
"""Version 1 of cgroups writes a number near 2^63 where there is no limit."""
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a process may use; None where there is no known limit."""

    memory_bytes: int | None = None
    cores: float | None = None
    """May be a fraction: 0.5 is half of a vCPU."""


def capacity(cgroup: Path = _CGROUP) -> Capacity:
    """The smallest limits that are known."""
    settings = read_settings(CapacitySettings)
    function = settings.aws_lambda_function_memory_size
    memory = [function * _MEGABYTE, settings.task_memory_megabytes * _MEGABYTE]
    cores = [function / _MEGABYTES_PER_CORE, settings.task_cpu_units / _UNITS_PER_CORE]
    return Capacity(
        _smallest([*memory, _cgroup_memory(cgroup)]), _smallest([*cores, _cgroup_cores(cgroup)])
    )


def _smallest[N: (int, float)](limits: Iterable[N | None]) -> N | None:
    return min((limit for limit in limits if limit), default=None)


def _cgroup_memory(root: Path) -> int | None:
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        for number in _numbers(root / name):
            return number if number < _UNLIMITED_BYTES else None
    return None


def _cgroup_cores(root: Path) -> float | None:
    quota = _numbers(root / "cpu.max") or [
        *_numbers(root / "cpu/cpu.cfs_quota_us"),
        *_numbers(root / "cpu/cpu.cfs_period_us"),
    ]
    match quota:
        case [allowed, period] if allowed > 0 < period:
            return allowed / period
    return None


def _numbers(file: Path) -> list[int]:
    """The numbers in a file; none without the file, or when it says `max`."""
    with suppress(OSError, ValueError):
        return [int(word) for word in file.read_text(encoding="ascii").split()]
    return []
