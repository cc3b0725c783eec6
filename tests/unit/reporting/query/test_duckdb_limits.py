"""DuckDB's limits on memory, threads and files."""

import re
from pathlib import Path

import duckdb
import pytest

from kernel.runtime.capacity import Capacity
from kernel.tasks.progress import NoProgress
from reporting.query.event_table import Events, load
from reporting.query.limits import EngineLimits
from tests.unit.reporting.query.synthetic import lay, opportunity

MOST_BYTES = 256 * 10**6
UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def setting(events: Events, name: str) -> str:
    [(value,)] = events.query("SELECT current_setting(?)", [name])
    return str(value)


def size(text: str) -> float:
    """The bytes of a size such as `167.8 MiB`."""
    found = re.fullmatch(r"([\d.]+) (\w+)", text)
    assert found is not None, text
    return float(found[1]) * UNITS[found[2]]


def test_duckdb_keeps_to_one_thread_and_256_megabytes(tmp_path: Path) -> None:
    with load(lay(tmp_path, [opportunity("d-1")]), "none", progress=NoProgress()) as events:
        assert setting(events, "threads") == "1"
        assert size(setting(events, "memory_limit")) <= MOST_BYTES
        assert size(setting(events, "max_temp_directory_size")) <= 4 * 10**9 * 1.01
        assert setting(events, "lock_configuration") == "True"


@pytest.mark.parametrize(
    ("task", "megabytes", "cores", "threads", "limit"),
    [
        ("mvp", 512, 0.25, 1, 208),
        ("standard", 1024, 0.5, 1, 603),
        ("function", 3008, 1.7, 2, 2164),
        ("analytics", 8192, 4, 4, 6241),
        ("unknown", None, None, 1, 208),
    ],
)
def test_the_engine_uses_the_cores_and_the_memory_that_its_task_has(
    task: str, megabytes: int | None, cores: float | None, threads: int, limit: int
) -> None:
    """A quarter of a GB is for the rest of the process, and a quarter of the engine's is slack."""
    memory = megabytes * 2**20 if megabytes else None
    limits = EngineLimits.within(Capacity(memory, cores))
    assert (limits.threads, limits.memory_bytes // 10**6) == (threads, limit), task
    assert limits.temporary_bytes == 4 * 10**9
    assert EngineLimits.within(Capacity(), 7).temporary_bytes == 7
    if memory:
        assert limits.memory_bytes < memory - 2**27


def test_duckdb_gets_the_limits_of_its_task(tmp_path: Path) -> None:
    limits = EngineLimits(threads=2, memory_bytes=300 * 10**6, temporary_bytes=5 * 10**9)
    files = lay(tmp_path, [opportunity("d-1")])
    with load(files, "none", progress=NoProgress(), limits=limits) as events:
        assert setting(events, "threads") == "2"
        assert size(setting(events, "memory_limit")) == pytest.approx(300 * 10**6, rel=0.01)
        temporary = size(setting(events, "max_temp_directory_size"))
        assert temporary == pytest.approx(5 * 10**9, rel=0.02)
        assert setting(events, "enable_progress_bar") == "False"


def test_duckdb_opens_no_file_outside_the_tenant_s_folder(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"id": "1"}\n', encoding="utf-8")
    with (
        load(lay(tmp_path, [opportunity("d-1")]), "none", progress=NoProgress()) as events,
        pytest.raises(duckdb.Error, match="disabled"),
    ):
        events.query("SELECT * FROM read_json(?)", [str(other)])
