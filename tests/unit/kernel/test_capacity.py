"""What a process may use: of a function, of an ECS task, of any container."""

from pathlib import Path

import pytest

from kernel.runtime.capacity import Capacity, capacity

GIGABYTE = 2**30
VARIABLES = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "TASK_CPU_UNITS", "TASK_MEMORY_MEGABYTES")


@pytest.fixture(autouse=True)
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def cgroup(root: Path, **files: str) -> Path:
    """A cgroup with these files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")
    return root


def test_without_any_limit_none_is_known(tmp_path: Path) -> None:
    assert capacity(tmp_path) == Capacity(None, None)


def test_a_function_has_a_core_for_each_1769_megabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3008")
    found = capacity(tmp_path)
    assert found.memory_bytes == 3008 * 2**20
    assert found.cores == pytest.approx(1.70, abs=0.01)


def test_an_ecs_task_has_the_size_that_its_template_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASK_CPU_UNITS", "512")
    monkeypatch.setenv("TASK_MEMORY_MEGABYTES", "1024")
    assert capacity(tmp_path) == Capacity(GIGABYTE, 0.5)


def test_a_container_has_the_limits_of_its_cgroup_version_2(tmp_path: Path) -> None:
    root = cgroup(tmp_path, **{"memory.max": str(GIGABYTE), "cpu.max": "50000 100000"})
    assert capacity(root) == Capacity(GIGABYTE, 0.5)


def test_a_container_has_the_limits_of_its_cgroup_version_1(tmp_path: Path) -> None:
    files = {
        "memory/memory.limit_in_bytes": str(GIGABYTE),
        "cpu/cpu.cfs_quota_us": "170000",
        "cpu/cpu.cfs_period_us": "100000",
    }
    assert capacity(cgroup(tmp_path, **files)) == Capacity(GIGABYTE, 1.7)


@pytest.mark.parametrize(
    "files",
    [
        {"memory.max": "max", "cpu.max": "max 100000"},
        {
            "memory/memory.limit_in_bytes": "9223372036854771712",
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_a_cgroup_without_limits_has_none(tmp_path: Path, files: dict[str, str]) -> None:
    assert capacity(cgroup(tmp_path, **files)) == Capacity(None, None)


def test_the_smallest_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASK_CPU_UNITS", "4096")
    monkeypatch.setenv("TASK_MEMORY_MEGABYTES", "512")
    root = cgroup(tmp_path, **{"memory.max": str(GIGABYTE), "cpu.max": "200000 100000"})
    assert capacity(root) == Capacity(GIGABYTE // 2, 2.0)
