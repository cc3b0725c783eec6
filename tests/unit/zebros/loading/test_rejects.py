"""The rejects file: nothing in it is a formula, and all of it is read back as it was."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.render.cell_format import is_formula
from zebros.loading import maps
from zebros.loading.files import BadRow, Row, inspect, rows
from zebros.loading.journal import Counts, Journal, Reject
from zebros.loading.mapping import Mapped, Mapper
from zebros.loading.records import KINDS
from zebros.loading.rejects import as_it_was, harmless, write

HEADER = ("id", '=HYPERLINK("http://x.example")', "-name", "@note", "'quoted")


def test_a_header_that_is_a_formula_is_made_harmless_and_read_back(tmp_path: Path) -> None:
    file = tmp_path / "rejects.csv"
    raw = ["7", "=1+1", "Ann", "", "'x"]
    assert write(file, HEADER, [Reject(2, "it is odd", raw)]) == 1
    first = file.read_text(encoding="utf-8").splitlines()[0]
    assert first == '_row,_reason,id,"\'=HYPERLINK(""http://x.example"")",\'-name,\'@note,\'quoted'
    again = inspect(file)
    assert again.header == ("_row", "_reason", *HEADER)
    (row,) = rows(again)
    assert isinstance(row, Row)

    # Rejected once more, it is as harmless as before, and no more escaped.
    before = file.read_text(encoding="utf-8")
    write(file, again.header, [Reject(2, "it is odd", row.values)])
    assert file.read_text(encoding="utf-8") == before


def test_the_header_of_a_file_that_is_none_of_ours_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "data.csv"
    file.write_text("id,'=name\n1,Ann\n", encoding="utf-8")
    assert inspect(file).header == ("id", "'=name")


@given(st.text(st.sampled_from("'=+-@\t\n a")))
def test_any_text_is_harmless_among_the_rejects_and_read_back_as_it_was(text: str) -> None:
    assert not is_formula(harmless(text))
    assert as_it_was(harmless(text)) == text


@pytest.mark.parametrize("name", ["'=a", "''=a", "=a", "'a", " '=a", "a\x1fb", "-"])
def test_a_value_goes_through_journal_and_file_twice_and_is_loaded_as_it_was(
    tmp_path: Path, name: str
) -> None:
    header = ("external_ids.crm", "name", "employees")
    reject = Reject(2, "employees: 'x' is no whole number", ["7", name, "x"])
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
            maps.identity(again.header, KINDS["accounts"], file), KINDS["accounts"], again, ()
        )
        bad = mapper.map_row(row)
        assert isinstance(bad, BadRow)
        header, reject = again.header, Reject(bad.number, bad.reason, bad.raw)

    file.write_text(file.read_text(encoding="utf-8").replace(",x\n", ",1\n"), encoding="utf-8")
    (row,) = rows(inspect(file))
    assert isinstance(row, Row)
    found = mapper.map_row(row)
    assert isinstance(found, Mapped)
    assert found.item["name"] == name.strip()
