"""CSV files are read as programs export them; a bad row does not affect the others."""

import csv
import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zebros.errors import BadInput
from zebros.loading import csv_rows
from zebros.loading.csv_files import inspect
from zebros.loading.csv_rows import BadRow, Row, rows
from zebros.loading.encodings import EncodingUncertain

CELL = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n", exclude_categories=["Cs"]),
    max_size=12,
)


def written(tmp_path: Path, content: bytes | str, name: str = "some.csv") -> Path:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def values(file: Path) -> list[list[str]]:
    return [row.values for row in rows(inspect(file)) if isinstance(row, Row)]


def faults(file: Path) -> dict[int, str]:
    return {row.number: row.reason for row in rows(inspect(file)) if isinstance(row, BadRow)}


@given(table=st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=8))
def test_text_of_a_csv_writer_is_read_unchanged(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["one", "two", "three"])
    writer.writerows(table)
    file = written(tmp_path_factory.mktemp("csv"), text.getvalue())
    not_blank = [row for row in table if any(cell.strip() for cell in row)]
    assert values(file) == not_blank


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("name\nZoë\n".encode(), "UTF-8"),
        ("name\nZoë\n".encode("utf-8-sig"), "UTF-8 with a byte order mark"),
        ("name\nZoë\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_the_encoding_is_detected_and_reported(tmp_path: Path, content: bytes, note: str) -> None:
    file = written(tmp_path, content)
    assert inspect(file).encoding_note == note
    assert values(file)[0][0].startswith("Zoë")
    assert inspect(file).header == ("name",)


def test_a_byte_that_is_not_utf_8_is_found_at_the_end_of_a_large_file(tmp_path: Path) -> None:
    file = written(tmp_path, b"name\n" + b"plain ascii text\n" * 200_000 + b"caf\xe9\n")
    with pytest.raises(BadInput, match="line 200002"):
        inspect(file)


def test_an_incomplete_character_at_the_end_of_the_file_is_found(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="byte 0xC3 in line 2"):
        inspect(written(tmp_path, b"name\ncaf\xc3"))


@pytest.mark.parametrize("text", ["caf\u00e9 \u20ac, plain text", "\u00e2\u20ac"])
@pytest.mark.parametrize("block", [1, 7, 1 << 20])
def test_the_size_of_the_blocks_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, block: int
) -> None:
    monkeypatch.setattr("zebros.loading.csv_files._BLOCK", block)
    assert inspect(written(tmp_path, f"name\n{text}\nAnn\n")).encoding_note == "UTF-8"
    with pytest.raises(EncodingUncertain, match="in line 2 "):
        inspect(written(tmp_path, b"name\n\xc3 plain ascii text\n"))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_rows_are_estimated_whatever_ends_a_line(tmp_path: Path, end: str, last: bool) -> None:
    text = end.join(["sep=,", "a,b", "1,2", "3,4"] if end != "\r" else ["a,b", "1,2", "3,4"])
    for encoding in ("utf-8", "utf-16"):
        shape = inspect(written(tmp_path, (text + end * last).encode(encoding)))
        assert shape.max_rows == 2
        assert len(list(rows(shape))) == 2


def test_a_line_end_across_two_blocks_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zebros.loading.csv_files._BLOCK", 1)
    assert inspect(written(tmp_path, "a,b\r\n1,2\r\n")).max_rows == 1


def test_the_line_of_a_byte_is_counted_by_carriage_returns_too(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="in line 3 "):
        inspect(written(tmp_path, b"name\rAnn\rcaf\xe9\r"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_detected(tmp_path: Path, delimiter: str) -> None:
    text = f'name{delimiter}note\nAnn{delimiter}"a{delimiter}b, c; d"\nBo{delimiter}plain\n'
    file = written(tmp_path, text)
    assert inspect(file).delimiter == delimiter
    assert values(file) == [["Ann", f"a{delimiter}b, c; d"], ["Bo", "plain"]]


@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_the_separator_line_of_excel_is_skipped(tmp_path: Path, separator: str) -> None:
    text = "sep=;\r\nname;city\r\nAnn;Oslo\r\n".replace(";", separator)
    file = written(tmp_path, text)
    assert inspect(file).header == ("name", "city")
    assert values(file) == [["Ann", "Oslo"]]


def test_rows_of_another_length_are_rejected_and_the_others_read(tmp_path: Path) -> None:
    file = written(tmp_path, "a,b,c\n1,2,3\n1,2\n1,2,3,4\n\n , , \n4,5,6\n")
    assert values(file) == [["1", "2", "3"], ["4", "5", "6"]]
    assert faults(file) == {
        3: "it has 2 values, the header has 3",
        4: "it has 4 values, the header has 3",
    }


def raws(file: Path) -> dict[int, list[str]]:
    return {row.number: row.raw for row in rows(inspect(file)) if isinstance(row, BadRow)}


def test_a_quote_never_closed_affects_its_own_line_only(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n1,2\n3,"4\n5,6\n7,8\n')
    assert values(file) == [["1", "2"], ["5", "6"], ["7", "8"]]
    assert faults(file) == {
        3: "a quote opened in line 3 is never closed; the lines after it were read as rows"
    }
    assert raws(file) == {3: ['3,"4']}


def test_a_quote_never_closed_before_quoted_values_affects_its_own_line_only(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, 'sep=,\r\na,b\r\n3,"4\r\n5,6\r\n7,"8"\r\n9,"1\n0"\r\n')
    assert values(file) == [["5", "6"], ["7", "8"], ["9", "1\n0"]]
    assert faults(file) == {
        2: "a quote opened in line 3 is not closed before another one in line 5; "
        "within quotes it must be doubled"
    }
    assert raws(file) == {2: ['3,"4']}


def test_a_quote_never_closed_does_not_fill_the_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write('a,b\n1,"never closed\n')
        for number in range(2, 400_000):
            out.write(f"{number},plain\n")
    tracemalloc.start()
    try:
        found = [row for row in rows(inspect(file)) if isinstance(row, BadRow)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [row.raw for row in found] == [['1,"never closed']]
    assert peak < file.stat().st_size


def test_a_row_of_several_long_values_is_one_row(tmp_path: Path) -> None:
    long = '"' + "many words\n" * 10_000 + '"'
    file = written(tmp_path, "a,b,c\n" + ",".join([long] * 3) + "\n1,2,3\n")
    assert [len(row) for row in values(file)] == [3, 3]
    assert faults(file) == {}


def test_a_quote_inside_a_value_affects_its_own_row_only(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n1,"two"x\n3,4\n')
    assert values(file) == [["3", "4"]]
    assert "must be doubled" in faults(file)[2]
    assert raws(file) == {2: ['1,"two"x']}


def test_a_quote_inside_a_value_without_quotes_is_part_of_the_value(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n1,5" pipe\n2,Acme "the best" Ltd\n3,"5"" pipe"\n')
    assert values(file) == [["1", '5" pipe'], ["2", 'Acme "the best" Ltd'], ["3", '5" pipe']]
    assert faults(file) == {}


@given(
    table=st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=6),
    invalid=st.lists(
        st.sampled_from(['x,"y', 'x,"y" z', '"x,y', 'x,"y""']), min_size=1, max_size=3
    ),
)
def test_every_line_is_part_of_a_row_or_of_a_bad_row(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], invalid: list[str]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["a", "b"])
    writer.writerows(table)
    content = text.getvalue() + "".join(f"{line}\r\n" for line in invalid) + "last,row\r\n"
    found = list(rows(inspect(written(tmp_path_factory.mktemp("csv"), content))))
    assert isinstance(found[-1], Row)
    assert found[-1].values == ["last", "row"]
    assert [row.raw for row in found if isinstance(row, BadRow)] == [[line] for line in invalid]


PIECES = st.sampled_from(
    [
        *("a", "1", '"', '""', ",", ",,", " ", "\n", "\r\n", "\0", "\x85"),
        *("1,2\n", '"q\nr",3\n', 'x,"y"\n', 'x,"y" z\n', '"open,4\n', "\n"),
    ]
)


@settings(deadline=None)
@given(content=st.lists(PIECES, max_size=40).map("".join), latin=st.booleans())
def test_rows_are_the_same_in_blocks_and_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, content: str, latin: bool
) -> None:
    path = written(tmp_path_factory.mktemp("csv"), f"a,b\n{content}".encode("latin-1"))
    file = replace(inspect(path, "utf-8"), encoding="iso8859-2" if latin else "utf-8-sig")
    found = list(rows(file))
    for name, value in {"_BLOCK": 1, "_whole_rows": lambda *_: ([], 0)}.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_rows, name, value)
            assert list(rows(file)) == found


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_value_that_is_too_long_is_reported_as_such(tmp_path: Path, quote: str) -> None:
    long = "x" * 131_073
    file = written(tmp_path, f"a,b\n1,{quote}{long}{quote}\n3,{quote}{long[1:]}{quote}\n")
    assert faults(file) == {2: "a value in line 2 is longer than 131,072 characters"}
    assert values(file) == [["3", long[1:]]]


def test_both_possible_reasons_for_a_long_text_in_quotes_are_reported(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n1,"two\n' + "some more text\n" * 10_000)
    assert faults(file)[2] == (
        "a quote opened in line 2 is never closed, or its value is longer than 131,072 "
        "characters; the lines after it were read as rows"
    )


def test_a_nul_byte_affects_its_own_row_only(tmp_path: Path) -> None:
    file = written(tmp_path, b"a,b\n1,2\n3,\x004\n5,6\n")
    assert values(file) == [["1", "2"], ["5", "6"]]
    assert "NUL byte" in faults(file)[3]


def test_a_line_break_within_quotes_is_part_of_the_value(tmp_path: Path) -> None:
    file = written(tmp_path, 'a,b\n"one\ntwo",2\n3,4\n')
    assert values(file) == [["one\ntwo", "2"], ["3", "4"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty (0 bytes)"),
        (b"PK\x03\x04rest", "an Excel workbook"),
        (b"\x1f\x8b\x08rest", "compressed with gzip"),
        (b"%PDF-1.7", "a PDF"),
        (b"n\0a\0m\0e\0\n\0", "NUL bytes, as UTF-16 has"),
        (b"\n\nname\n", "begins with an empty line"),
        (b"name,city,name\n", "names the column name twice"),
        (b'name,"city"x\n', "The header of .* cannot be read"),
        (b'name,"city\nAnn,Oslo\n', "The header of .* cannot be read"),
    ],
)
def test_a_file_that_is_not_csv_is_rejected(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message.replace("(", r"\(").replace(")", r"\)")):
        inspect(written(tmp_path, content))


def test_a_missing_file_lists_the_files_beside_it(tmp_path: Path) -> None:
    written(tmp_path, "a\n", "accounts.csv")
    with pytest.raises(BadInput) as rejected:
        inspect(tmp_path / "acounts.csv")
    assert "accounts.csv" in rejected.value.hint


def test_a_folder_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        inspect(tmp_path)


def test_a_large_file_is_never_completely_in_memory(tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("w", encoding="utf-8") as out:
        out.write("a,b,c\n")
        for number in range(200_000):
            out.write(f"{number},some text to fill the line with,{number}\n")
    tracemalloc.start()
    try:
        count = sum(1 for _ in rows(inspect(file)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert peak < file.stat().st_size / 2


def test_empty_values_after_the_last_column_are_left_out(tmp_path: Path) -> None:
    file = written(tmp_path, "a,b\n1,2,,\n3,4, \n5,6,7\n")
    assert values(file) == [["1", "2"], ["3", "4"]]
    assert faults(file) == {4: "it has 3 values, the header has 2"}


@pytest.mark.parametrize(
    "content",
    [
        'Notes:\n"Some, text"\n\nFirst,Last,Mail\nAnn,Lee,a@x.example\nBo,Lee,\n',
        "Export,,\n2026-11-27,,\n,,\nFirst,Last,Mail\nAnn,Lee,a\nBo,Lee,b\nCy,Lee,c\n",
        "Export\n\n\nFirst;Last\nAnn;Lee\n",
    ],
)
def test_a_title_before_the_header_is_pointed_out(tmp_path: Path, content: str) -> None:
    with pytest.raises(BadInput, match="its rows have more values") as rejected:
        inspect(written(tmp_path, content))
    assert "Is it row 4?" in rejected.value.hint


@pytest.mark.parametrize("content", ["name\nAnn\nBea, Ltd\n", "name,\nAnn,\nBo,note\n", "name\n"])
def test_a_header_of_one_column_is_no_title(tmp_path: Path, content: str) -> None:
    assert inspect(written(tmp_path, content)).header[0] == "name"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("<!DOCTYPE html><html>", "an HTML page"),
        ("\ufeff \n<table><tr>", "an HTML page"),
        ("<?xml version='1.0'?>", "XML"),
        ('{"name": "Ann"}', "JSON"),
        ("[{}]", "JSON"),
        ("BEGIN:VCARD\n", "vCards"),
    ],
)
def test_text_of_another_kind_is_named(tmp_path: Path, content: str, kind: str) -> None:
    with pytest.raises(BadInput, match=kind):
        inspect(written(tmp_path, content))


def test_what_another_program_has_damaged_is_reported(tmp_path: Path) -> None:
    file = written(tmp_path, "name\nCaf\ufffd\nMÃ¼ller\nAnnâ€™s\n")
    replaced, twice = inspect(file).notes
    assert replaced.startswith("U+FFFD stands in 1 place for a character")
    assert twice.startswith("In 2 places the text looks as if UTF-8 had been read")
    assert inspect(written(tmp_path, "name\nÃO\n€ â\n", "fine.csv")).notes == ()
