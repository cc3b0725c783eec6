"""The rejects file has no formulas, and its cells are read unchanged."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zebros.loading import map_files
from zebros.loading.csv_files import inspect
from zebros.loading.csv_rows import BadRow, Row, rows
from zebros.loading.journal import Counts, Journal, Reject
from zebros.loading.mapper import MappedRow, Mapper
from zebros.loading.record_types import RECORD_TYPES
from zebros.loading.rejects_file import escape_formula, unescape_formula, write

FORMULA_START = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
HEADER = ("id", '=HYPERLINK("http://x.example")', "-name", "@note", "'quoted")


def test_a_header_that_is_a_formula_is_escaped_and_read_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "rejects.csv"
    raw = ["7", "=1+1", "Ann", "", "'x"]
    assert write(file, HEADER, [Reject(2, "it is odd", raw)]) == 1
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first == '_row,_reason,id,"\'=HYPERLINK(""http://x.example"")",\'-name,\'@note,\'quoted'
    again = inspect(file)
    assert again.header == ("_row", "_reason", *HEADER)
    (row,) = rows(again)
    assert isinstance(row, Row)

    # A second rejection does not escape it twice.
    before = file.read_text(encoding="utf-8")
    write(file, again.header, [Reject(2, "it is odd", row.values)])
    assert file.read_text(encoding="utf-8") == before


def test_the_header_of_another_file_is_not_unescaped(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("id,'=name\n1,Ann\n", encoding="utf-8")
    assert inspect(file).header == ("id", "'=name")


@given(st.text(st.sampled_from("'=+-@\t\n a")))
def test_any_text_is_escaped_in_the_rejects_file_and_read_unchanged(text: str) -> None:
    assert not escape_formula(text).startswith(tuple(FORMULA_START))
    assert unescape_formula(escape_formula(text)) == text


@pytest.mark.parametrize("name", ["'=a", "''=a", "=a", "'a", " '=a", "a\x1fb", "-"])
def test_a_value_that_was_rejected_twice_is_loaded_unchanged(tmp_path: Path, name: str) -> None:
    header = ("external_ids.crm", "name", "employees")
    reject = Reject(2, "employees: 'x' is not a whole number", ["7", name, "x"])
    file = tmp_path / "rejects.csv"
    for _ in range(2):
        journal = Journal(tmp_path / "journal")
        journal.record(1, 0, Counts(), [reject], [])
        write(file, header, journal.rejects())
        journal.discard()
        again = inspect(file)
        (row,) = rows(again)
        assert isinstance(row, Row)
        mapper = Mapper(
            map_files.identity_map(again.header, RECORD_TYPES["accounts"], file),
            RECORD_TYPES["accounts"],
            again,
            (),
        )
        bad = mapper.map_row(row)
        assert isinstance(bad, BadRow)
        header, reject = again.header, Reject(bad.number, bad.reason, bad.raw)

    file.write_text(file.read_text(encoding="utf-8").replace(",x\n", ",1\n"), encoding="utf-8")
    (row,) = rows(inspect(file))
    assert isinstance(row, Row)
    found = mapper.map_row(row)
    assert isinstance(found, MappedRow)
    assert found.item["name"] == name.strip()
