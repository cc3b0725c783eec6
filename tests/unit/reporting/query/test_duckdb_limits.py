"""DuckDB's limits on memory, threads and files."""

import re
from pathlib import Path

import duckdb
import pytest

from kernel.tasks.progress import NoProgress
from reporting.query.event_table import Events, load
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


def test_duckdb_opens_no_file_outside_the_tenant_s_folder(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"id": "1"}\n', encoding="utf-8")
    with (
        load(lay(tmp_path, [opportunity("d-1")]), "none", progress=NoProgress()) as events,
        pytest.raises(duckdb.Error, match="disabled"),
    ):
        events.query("SELECT * FROM read_json(?)", [str(other)])
