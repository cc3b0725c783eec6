"""An encoding is certain or somebody chooses it; text is never loaded as other text."""

import codecs
from pathlib import Path

import pytest

from zebros.errors import BadInput
from zebros.loading.csv_files import inspect
from zebros.loading.csv_rows import BadRow, Row, rows
from zebros.loading.encodings import EncodingUncertain

SAMPLES = {
    "cp1253": "Αφοί Παπαδόπουλοι",
    "cp1250": "Česká spořitelna",
    "cp1251": "Газпром нефть",
    "koi8-r": "Газпром нефть",
    "cp866": "Газпром нефть",
    "cp932": "株式会社テスト",
    "euc_jp": "株式会社テスト",
    "iso2022_jp": "株式会社テスト",
    "gb18030": "北京科技有限公司",
    "big5": "台灣積體電路",
    "cp949": "현대자동차",
    "cp1252": "Société Générale",
    "cp1255": "חברת חשמל",
    "cp1256": "شركة الاتصالات",
}
"""Names by the encoding of their file."""


def written(tmp_path: Path, content: bytes) -> Path:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    return file


def one_name(name: str, encoding: str) -> bytes:
    return f"id,name,country\nu1,{name},XX\n".encode(encoding)


def read(file: Path, encoding: str | None = None) -> tuple[list[list[str]], dict[int, str]]:
    found = list(rows(inspect(file, encoding)))
    return (
        [row.values for row in found if isinstance(row, Row)],
        {row.number: row.reason for row in found if isinstance(row, BadRow)},
    )


@pytest.mark.parametrize("encoding", SAMPLES)
def test_an_uncertain_encoding_is_proposed_with_lines_as_they_would_read(
    tmp_path: Path, encoding: str
) -> None:
    with pytest.raises(EncodingUncertain) as uncertain:
        inspect(written(tmp_path, one_name(SAMPLES[encoding], encoding)))
    shown = [text for one in uncertain.value.proposals for text in one.lines]
    assert any(SAMPLES[encoding] in text for text in shown)
    assert "--encoding" in uncertain.value.hint
    assert uncertain.value.document()["encodings"][0]["lines"]


@pytest.mark.parametrize("encoding", [*SAMPLES, "utf-16-le", "utf-16-be"])
def test_a_chosen_encoding_reads_the_text(tmp_path: Path, encoding: str) -> None:
    name = SAMPLES.get(encoding, "Žluťoučký kůň")
    file = written(tmp_path, one_name(name, encoding))
    assert read(file, encoding) == ([["u1", name, "XX"]], {})


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"], ids=lambda name: name
)
def test_utf_8_and_byte_order_marks_are_certain(tmp_path: Path, encoding: str) -> None:
    file = written(tmp_path, one_name("Zażółć gęślą 翼", encoding))
    assert read(file) == ([["u1", "Zażółć gęślą 翼", "XX"]], {})


def test_utf_16_without_its_mark_is_a_proposal(tmp_path: Path) -> None:
    with pytest.raises(EncodingUncertain) as uncertain:
        inspect(written(tmp_path, one_name("Zażółć", "utf-16-le")))
    assert [one.encoding for one in uncertain.value.proposals] == ["utf-16-le"]


def test_an_escape_sequence_that_means_nothing_is_an_ordinary_character(tmp_path: Path) -> None:
    assert inspect(written(tmp_path, b"id,name\n1,A\x1bB\n")).encoding_note == "UTF-8"


def test_a_second_byte_order_mark_is_no_part_of_a_column_name(tmp_path: Path) -> None:
    file = written(tmp_path, codecs.BOM_UTF8 * 2 + b"id,name\n1,A\n")
    assert inspect(file).header == ("id", "name")


def test_broken_bytes_in_a_file_of_utf_8_reject_their_own_rows(tmp_path: Path) -> None:
    good = [f"v{n},Société Générale № {n},FR".encode() for n in range(300)]
    good[158] = good[158].replace("é".encode(), b"\xe9", 1)
    file = written(tmp_path, b"id,name,country\n" + b"\n".join(good) + b"\n")
    loaded, rejected = read(file)
    assert (len(loaded), list(rejected)) == (299, [160])
    assert (
        rejected[160]
        == "name: it has a byte that is not UTF-8: 'Soci\ufffdt\u00e9 G\u00e9n\u00e9…'"
    )
    assert inspect(file).encoding_note == "UTF-8 with broken bytes in 1 line"


def test_a_character_cut_at_the_end_of_a_value_rejects_its_own_row(tmp_path: Path) -> None:
    file = written(tmp_path, b"id,name\n1,Good\n2,Bad\xc3\n3,\xc3\x89mile\n")
    loaded, rejected = read(file)
    assert loaded == [["1", "Good"], ["3", "Émile"]]
    assert list(rejected) == [3]


def test_a_broken_byte_in_ascii_could_be_any_encoding(tmp_path: Path) -> None:
    file = written(tmp_path, b"id,name\n" + b"1,plain\n" * 300 + b"2,caf\xe9\n")
    with pytest.raises(EncodingUncertain, match="line 302"):
        inspect(file)
    assert read(file, "utf-8")[1].keys() == {302}
    assert read(file, "latin-1")[0][-1] == ["2", "café"]


def test_a_file_of_utf_8_is_not_read_as_anything_else(tmp_path: Path) -> None:
    file = written(tmp_path, one_name("Société", "utf-8"))
    with pytest.raises(BadInput, match=r"a\.csv is UTF-8, not cp1252"):
        inspect(file, "cp1252")
    with pytest.raises(BadInput, match="byte order mark of UTF-16"):
        inspect(written(tmp_path, one_name("Société", "utf-16")), "cp1252")
    assert read(written(tmp_path, one_name("Plain", "ascii")), "cp1252")[0] == [
        ["u1", "Plain", "XX"]
    ]


@pytest.mark.parametrize("name", ["klingon", "hex", "utf-7", "cp037", "", "unicode_escape"])
def test_an_unknown_encoding_is_rejected(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match="is not an encoding"):
        inspect(written(tmp_path, b"id,name\n1,A\n"), name)


def test_names_of_encodings_mean_what_programs_write(tmp_path: Path) -> None:
    windows = written(tmp_path, "id,name\n1,髙橋①\n".encode("cp932"))
    assert read(windows, "Shift_JIS")[0] == [["1", "髙橋①"]]
    quotes = written(tmp_path, "id,name\n1,“Zoë”\n".encode("cp1252"))
    assert read(quotes, "ISO-8859-1")[0] == [["1", "“Zoë”"]]


def test_bytes_that_an_encoding_does_not_define_reject_their_own_rows(tmp_path: Path) -> None:
    file = written(tmp_path, b"a,b\n\x93ok\x94,2\n3,\x81\n")
    loaded, rejected = read(file, "cp1252")
    assert loaded == [["“ok”", "2"]]
    assert rejected == {3: "b: it has a byte that is not cp1252: '\ufffd'"}
    file = written(tmp_path, "a,b\n株式,1\n会社,2\n".encode("cp932")[:-3] + b"\x81,3\n")
    assert list(read(file, "cp932")[1]) == [3]
    file = written(
        tmp_path, codecs.BOM_UTF16_LE + "a,b\n1,\ud800\n2,x\n".encode("utf-16-le", "surrogatepass")
    )
    loaded, rejected = read(file)
    assert (loaded, list(rejected)) == ([["2", "x"]], [2])


def test_control_characters_of_a_wrong_iso_encoding_reject_their_rows(tmp_path: Path) -> None:
    file = written(tmp_path, "id,name\n1,Škoda\n2,Praha\n".encode("cp1250"))
    loaded, rejected = read(file, "iso8859-2")
    assert (loaded, list(rejected)) == ([["2", "Praha"]], [2])
    assert "control character" in rejected[2]


def test_a_header_with_broken_bytes_is_rejected(tmp_path: Path) -> None:
    content = "id,naïve\n1,Société\n2,Générale\n".encode().replace(b"\xc3\xaf", b"\xef")
    with pytest.raises(BadInput, match="header"):
        inspect(written(tmp_path, content))


def test_a_replaced_byte_in_a_rejects_file_is_still_rejected(tmp_path: Path) -> None:
    file = written(tmp_path, "_row,_reason,id,name\n2,x,1,Soci\ufffdt\n3,x,2,Fine\n".encode())
    loaded, rejected = read(file)
    assert [row[2] for row in loaded] == ["2"]
    assert "U+FFFD" in rejected[2]


def test_encodings_that_read_every_line_the_same_are_one_proposal(tmp_path: Path) -> None:
    with pytest.raises(EncodingUncertain) as uncertain:
        inspect(written(tmp_path, one_name("Jürgen Groß", "cp1252")))
    first = uncertain.value.proposals[0]
    assert first.encoding == "cp1252"
    assert "cp1250" in first.same
    assert "or cp1250" in uncertain.value.message


def test_encodings_that_differ_in_a_later_line_are_two_proposals_that_show_it(
    tmp_path: Path,
) -> None:
    text = "id,name\n" + "".join(f"{n},Jürgen Groß\n" for n in range(50)) + "50,Françoise Ÿ\n"
    with pytest.raises(EncodingUncertain) as uncertain:
        inspect(written(tmp_path, text.encode("cp1252")))
    lines = {one.encoding: one.lines for one in uncertain.value.proposals}
    assert "50,Françoise Ÿ" in lines["cp1252"]
    assert "50,Françoise Ÿ" not in lines.get("cp1250", ())


@pytest.mark.parametrize(
    ("encoding", "name"), [("iso8859_15", "Café €uro Œuvre"), ("iso8859_2", "Žluťoučký kůň Łódź")]
)
def test_an_iso_encoding_is_proposed_when_a_windows_one_reads_other_characters(
    tmp_path: Path, encoding: str, name: str
) -> None:
    with pytest.raises(EncodingUncertain) as uncertain:
        inspect(written(tmp_path, one_name(name, encoding)))
    assert any(name in line for one in uncertain.value.proposals for line in one.lines)


def test_a_character_at_the_end_of_a_long_line_is_shown(tmp_path: Path) -> None:
    with pytest.raises(EncodingUncertain) as uncertain:
        inspect(written(tmp_path, one_name("x" * 300 + "é", "cp1252")))
    assert any("é" in line for one in uncertain.value.proposals for line in one.lines)
