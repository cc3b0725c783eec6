"""The rejects file: nothing in it is a formula, and all of it is read back as it was."""

from pathlib import Path

from local.loading.files import Row, inspect, rows
from local.loading.journal import Reject
from local.loading.rejects import write

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
