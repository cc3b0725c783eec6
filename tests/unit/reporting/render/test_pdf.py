"""Pages of PDFs, read by another library: every script, no overlaps, wrapped names, page breaks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from itertools import combinations
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from pypdf import PdfReader

from reporting.job_errors import ReportError, TooComplex
from reporting.render import pdf_file
from reporting.render.pdf_content import content_of
from reporting.render.typeset import FONTS, typeset
from reporting.report import Chart, Kind, Series
from tests.unit.reporting.render.test_files import ANN, CHART, report, text_of, written

type Box = tuple[float, float, float, float]
"""Left, bottom, right and top in points."""

SCRIPTS = {
    "Latin": "Łukasz Nguyễn",
    "Greek": "Ελένη",
    "Cyrillic": "Иван",
    "Arabic": "محمد",
    "Hebrew": "שלום",
    "Thai": "น้ำใจ",
    "Devanagari": "हिन्दी",
    "Bengali": "বাংলা",
    "Tamil": "தமிழ்",
    "Telugu": "తెలుగు",
    "Georgian": "ქართული",
    "Armenian": "Հայերեն",
    "Ethiopic": "አማርኛ",
    "Khmer": "ខ្មែរ",
    "Lao": "ລາວ",
    "Burmese": "မြန်မာ",
    "Japanese": "さくら商事",
    "Korean": "김민수",
    "Chinese": "王小明",
    "emoji": "🚀",
    "symbols": "★♥",
}
LONG = {
    "words": "Gesellschaft für Unternehmensberatung und Vermögensverwaltung " * 4,
    "one word": "x" * 200,
    "wide word": "W" * 200,
    "Thai": "ศูนย์การเรียนรู้" * 12,
    "Chinese": "王小明有限公司" * 28,
    "Arabic": "الشركة العربية المتحدة " * 9,
    "emoji": "🚀" * 200,
}
SIGNS = Chart(
    "Revenue by owner (USD)",
    tuple(f"owner {n}" for n in range(12)),
    tuple(
        Series(name, tuple((-1) ** n * 12_345_678_900 * (n + 1) // part for n in range(12)))
        for name, part in (("Amount", 1), ("Weighted", 7))
    ),
    Kind.MONEY,
    "USD",
    rest=("19,985 others", (777, 7)),
)
MONTHS = tuple(f"2026-{n:02}" for n in range(1, 13))


def pages(path: Path) -> list[pypdfium2.PdfPage]:
    return list(pypdfium2.PdfDocument(path.read_bytes()))


def read_by_pdfium(path: Path) -> str:
    """The text in the order of reading, without spaces and break opportunities."""
    text = "".join(page.get_textpage().get_text_range() for page in pages(path))
    return "".join(c for c in text if not c.isspace() and c not in "\u200b\ufffe")


def text_boxes(page: pypdfium2.PdfPage) -> list[Box]:
    return [
        each.get_bounds()
        for each in page.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_TEXT], max_depth=9)
    ]


def is_mark(box: Box) -> bool:
    """Whether it is a dot or a vowel mark, which is an object of its own beside its letter."""
    return box[2] - box[0] < 5 and box[3] - box[1] < 3


def overlaps(boxes: list[Box]) -> list[tuple[Box, Box]]:
    large = [box for box in boxes if not is_mark(box)]
    return [pair for pair in combinations(large, 2) if overlap(*pair)]


def overlap(one: Box, other: Box) -> bool:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width > 0.5 and height > 1


def fonts_of(path: Path) -> list[Any]:
    found = {}
    for page in PdfReader(path).pages:
        resources: Any = page["/Resources"]
        for font in resources.get("/Font", {}).values():
            found[font.idnum if hasattr(font, "idnum") else id(font)] = font.get_object()
    return list(found.values())


def descriptors(path: Path) -> Iterator[Any]:
    for font in fonts_of(path):
        inner = font["/DescendantFonts"][0].get_object() if "/DescendantFonts" in font else font
        yield inner["/FontDescriptor"].get_object()


def glyphs(path: Path, family: str) -> list[int]:
    """The glyph ids of the text that is set in the fonts of a family, in the order of the page."""
    found: list[int] = []
    for page in PdfReader(path).pages:
        resources: Any = page["/Resources"]
        contents: Any = page.get_contents()
        chosen = False
        for operands, operator in contents.operations:
            if operator == b"Tf":
                name = resources["/Font"][operands[0]].get_object()["/BaseFont"]
                chosen = family in name
            parts = {b"TJ": operands[:1], b"Tj": [operands]}.get(operator, [[]])[0]
            for part in parts if chosen else ():
                data = getattr(part, "original_bytes", b"")
                found += [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]
    return found


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_name_in_any_script_is_set_in_embedded_fonts(tmp_path: Path, script: str) -> None:
    name = SCRIPTS[script]
    chart = replace(CHART, labels=(name, "b", "c"))
    path = written(report((name, *ANN[1:]), charts=(chart,)), "pdf", tmp_path)
    found = read_by_pdfium(path)
    whole = "".join(name.split())
    assert found.count(whole) + found.count(whole[::-1]) >= 2, "beside its bar and in the table"
    assert all({"/FontFile2", "/FontFile3"} & font.keys() for font in descriptors(path))
    every = glyphs(path, "Noto")
    assert len(every) > 100
    assert 0 not in every, "no box in place of a character"


def test_letters_are_joined_and_conjuncts_are_formed(tmp_path: Path) -> None:
    def drawn(name: str, family: str) -> list[int]:
        return glyphs(written(report((name, *ANN[1:])), "pdf", tmp_path), family)

    joined = drawn("مممم", "NotoSansArabic")
    assert len(joined) == 4
    assert len(set(joined)) == 3, "the first and the last letter have forms of their own"
    assert len(drawn("क्ष", "NotoSansDevanagari")) == 1, "three characters, one glyph"


def test_a_name_is_read_in_its_direction(tmp_path: Path) -> None:
    path = written(report(("שלום abc", *ANN[1:])), "pdf", tmp_path)
    [page] = pages(path)
    text = page.get_textpage()
    whole = text.get_text_range()
    hebrew, latin = whole.index("ש"), whole.index("abc")
    assert text.get_charbox(hebrew)[0] > text.get_charbox(latin)[2], "it begins on the right"


@pytest.mark.parametrize(
    ("zone", "name", "region"),
    [
        ("Etc/UTC", "佐藤", "sc"),
        ("Asia/Tokyo", "佐藤", "jp"),
        ("Etc/UTC", "さ佐藤", "jp"),
        ("Asia/Tokyo", "김佐藤", "kr"),
        ("Asia/Taipei", "佐藤", "tc"),
    ],
)
def test_ideographs_have_the_forms_of_their_language(
    tmp_path: Path, zone: str, name: str, region: str
) -> None:
    path = written(report((name, *ANN[1:]), time_zone=zone), "pdf", tmp_path)
    names = [str(font["/FontName"]) for font in descriptors(path)]
    assert [one for one in names if f"NotoSansCJK{region}" in one], names


@pytest.mark.parametrize("name", ["ab\u202ecd", "ab\u2066cd", "ab\u200fcd"])
def test_a_name_cannot_turn_the_text_around_it(tmp_path: Path, name: str) -> None:
    assert "abcd" in read_by_pdfium(written(report((name, *ANN[1:])), "pdf", tmp_path))


@pytest.mark.parametrize(
    "chart",
    [
        SIGNS,
        replace(SIGNS, labels=MONTHS, in_order=True),
        replace(SIGNS, labels=tuple(LONG.values()) + MONTHS[:5]),
        replace(SIGNS, labels=tuple(LONG.values()) + MONTHS[:5], in_order=True),
        Chart(
            "Deals by month",
            MONTHS,
            tuple(Series(name, tuple(range(990, 1002))) for name in ("Won", "Lost", "Open")),
            Kind.INT,
            in_order=True,
        ),
        Chart("Losses", ("a", "b"), (Series("Amount", (-500, -300)),), Kind.MONEY, "USD"),
        Chart("Nothing", ("a", "b"), (Series("Won", (0, 0)),), Kind.INT),
        Chart("Rate", MONTHS, (Series("Win rate", (1,) * 12),), Kind.PERCENT, in_order=True),
    ],
)
def test_labels_and_values_of_a_chart_never_overlap(tmp_path: Path, chart: Chart) -> None:
    for page in pages(written(report(ANN, charts=(chart,)), "pdf", tmp_path)):
        boxes = text_boxes(page)
        assert overlaps(boxes) == []
        assert all(box[0] >= 41 and box[2] <= page.get_width() - 41 for box in boxes)


@pytest.mark.parametrize("kind", LONG)
def test_a_long_name_wraps_within_its_column(tmp_path: Path, kind: str) -> None:
    rows = [(LONG[kind], "USD", 2**53 - 1, 1_000_000, *ANN[4:]), ANN]
    path = written(report(*rows), "pdf", tmp_path)
    for page in pages(path):
        boxes = text_boxes(page)
        assert overlaps(boxes) == []
        assert all(box[2] <= page.get_width() - 41 for box in boxes)
    found = read_by_pdfium(path)
    # pdfium reads lines from the left, and omits an emoji before a break opportunity.
    if kind not in ("Arabic", "emoji"):
        assert "".join(LONG[kind].split()) in found


def test_a_row_is_never_on_two_pages(tmp_path: Path) -> None:
    words = "word " * 58
    path = written(report(*[(f"{n:03} {words}", *ANN[1:]) for n in range(60)]), "pdf", tmp_path)
    for page in pages(path):
        text = "".join(page.get_textpage().get_text_range().split()).replace("TotalUSD", "")
        assert text.count("word" * 58) == text.count("USD") > 0


def test_amounts_with_many_digits_stay_on_one_line_beside_a_long_name(tmp_path: Path) -> None:
    columns = [replace(c, key=f"{c.key}{n}") for n in range(3) for c in report().columns[2:3]]
    wide = report(
        *[("n" * 200, "USD", *[-(10**22)] * 3)] * 40,
        columns=(*report().columns[:2], *columns),
        totals=(),
    )
    for page in pages(written(wide, "pdf", tmp_path)):
        assert page.get_width() > page.get_height(), "the wide side of the page"
        assert overlaps(text_boxes(page)) == []


def test_a_table_of_20_000_owners_is_cut_with_a_note(tmp_path: Path) -> None:
    chart = replace(CHART, rest=("19,985 others", (777, 7)))
    many = report(*[(f"agent {n}", *ANN[1:]) for n in range(20_000)], charts=(chart,))
    path = written(many, "pdf", tmp_path)
    found = [page.extract_text() for page in PdfReader(path).pages]
    assert 15 < len(found) < 40
    assert "These are the first 1,000 of 20,000 rows" in found[0]
    assert "and 19,985 others: 8 / 0" in found[0]
    assert all("Owner" in page and f"of {len(found)}" in page for page in found)
    assert "agent 999" in found[-1]
    assert "Total" in found[-1]


def test_a_report_without_data_is_one_page_that_says_so(tmp_path: Path) -> None:
    empty = report(totals=(("Total", None, 0, 0, None, None),))
    text = text_of(written(empty, "pdf", tmp_path))
    assert "There are no deals in this period." in text
    assert "Page 1 of 1" in text


def test_every_font_of_the_template_is_there_with_its_licence(tmp_path: Path) -> None:
    content = json.dumps(content_of(report(ANN, charts=(CHART,))))
    assert typeset(content, tmp_path / "report.pdf") == [], "such as an unknown font family"
    for package in FONTS:
        files = metadata.files(package) or []
        (licence,) = [file for file in files if file.name == "LICENSE"]
        assert "SIL OPEN FONT LICENSE Version 1.1" in licence.read_text()


def test_the_same_report_has_the_same_bytes(tmp_path: Path) -> None:
    one, other = (written(report(ANN, charts=(CHART,)), "pdf", tmp_path) for _ in range(2))
    assert one.read_bytes() == other.read_bytes()


def test_the_typesetter_has_a_process_of_its_own_because_it_returns_no_memory(
    tmp_path: Path,
) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.reporting.render.test_files import *\n"
        "written(report(ANN), 'pdf', Path(sys.argv[1])); print('typst' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_too_little_memory_moves_the_report_to_a_larger_tier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_file, "_PROGRAM", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(TooComplex, match="more memory"):
        written(report(ANN), "pdf", tmp_path)


def test_a_document_that_cannot_be_made_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_file, "_PROGRAM", "raise LookupError('the package x is missing')")
    with pytest.raises(ReportError, match="not typeset: LookupError: the package x is missing"):
        written(report(ANN), "pdf", tmp_path)
