"""Workbooks: exact amounts, charts of several currencies, long names, negative amounts."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest

from reporting.report import Chart, Kind, Series
from tests.unit.reporting.render.test_files import ANN, CHART, report, written

LARGEST = 2**53 - 1
LONG = "Gesellschaft für Unternehmensberatung und Vermögensverwaltung " * 3


def book_of(folder: Path, *rows: tuple[Any, ...], **more: Any) -> Any:
    return openpyxl.load_workbook(written(report(*rows, **more), "xlsx", folder))


def about(book: Any) -> list[str]:
    return [str(row[1].value) for row in book["About"].iter_rows()]


@pytest.mark.parametrize(
    ("currency", "units", "text"),
    [
        ("USD", LARGEST, "90071992547409.91"),
        ("USD", -LARGEST, "-90071992547409.91"),
        ("JPY", LARGEST, "9007199254740991"),
        ("KWD", 10**17 + 1, "100000000000000.001"),
    ],
)
def test_an_amount_of_more_than_15_digits_is_exact_text(
    tmp_path: Path, currency: str, units: int, text: str
) -> None:
    book = book_of(tmp_path, ("Ann", currency, units, *ANN[3:]), ANN)
    cell = book["Report"]["C2"]
    assert (cell.data_type, cell.value, cell.alignment.horizontal) == ("s", text, "right")
    assert book["Report"]["C3"].value == 1234.56
    assert (
        "1 amount has more than 15 digits, which a spreadsheet rounds: it is text, and in no sum."
    ) in about(book)


@pytest.mark.parametrize("units", [0, 10**15 - 1, -(10**15) + 1, 10**17, 123_456_789_012_345_00])
def test_an_amount_of_at_most_15_digits_is_a_number(tmp_path: Path, units: int) -> None:
    book = book_of(tmp_path, ("Ann", "USD", units, *ANN[3:]))
    assert book["Report"]["C2"].value == units / 100
    assert not [line for line in about(book) if "15 digits" in line]


def test_a_total_of_more_than_15_digits_is_text_in_the_style_of_totals(tmp_path: Path) -> None:
    total = ("Total", "USD", 10**20 + 1, 3, None, None)
    cell = book_of(tmp_path, ANN, totals=(total, total))["Report"]["C3"]
    assert (cell.value, cell.font.bold) == ("1000000000000000000.01", True)


def test_each_currency_has_its_chart_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    charts = tuple(replace(CHART, title=f"Revenue by owner ({c})", currency=c) for c in ("USD",))
    note = "Only the 4 currencies with the most deals have a chart; EUR is in the table."
    path = written(report(ANN, charts=charts, chart_note=note), "xlsx", tmp_path)
    sheet = openpyxl.load_workbook(path)["Charts"]
    assert sheet["A1"].value == "Revenue by owner (USD)"
    assert note in [row[0].value for row in sheet.iter_rows()]
    with ZipFile(path) as parts:
        chart = parts.read("xl/charts/chart1.xml").decode()
    assert chart.count("(USD)") == 1, "once in its title"


def test_the_charts_of_negative_amounts_have_their_labels_beside_the_plot(tmp_path: Path) -> None:
    losses = Chart("Losses", ("a", "b"), (Series("Amount", (-500, 300)),), Kind.MONEY, "USD")
    charts = (losses, replace(losses, in_order=True))
    with ZipFile(written(report(ANN, charts=charts), "xlsx", tmp_path)) as parts:
        for number in (1, 2):
            chart = parts.read(f"xl/charts/chart{number}.xml").decode()
            category = chart.partition("<c:catAx>")[2].partition("</c:catAx>")[0]
            assert '<c:tickLblPos val="low"/>' in category


def test_a_long_name_wraps_in_the_table_and_is_short_beside_its_bar(tmp_path: Path) -> None:
    chart = replace(CHART, labels=(LONG, "b", "c"))
    book = book_of(tmp_path, (LONG, *ANN[1:]), charts=(chart,))
    cell = book["Report"]["A2"]
    assert (cell.value, cell.alignment.wrap_text) == (LONG, True)
    assert cell.alignment.horizontal == "left", "also when it is written from the right"
    assert not book["Charts"]["A2"].alignment.wrap_text
    label = book["Charts"]["A2"].value
    assert label == LONG[:39].rstrip() + "…"
    assert book["Charts"]["A5"].value == "and 3 others"


@pytest.mark.parametrize(
    ("name", "lines"), [("Ann", 1), ("x" * 36, 1), (LONG, 6), ("王" * 40, 3), ("one\ntwo", 2)]
)
def test_a_row_is_as_high_as_its_longest_name(tmp_path: Path, name: str, lines: int) -> None:
    """Not every program fits rows to their text when it opens a file."""
    sheet = book_of(tmp_path, (name, *ANN[1:]), ANN)["Report"]
    height = sheet.row_dimensions[2].height
    assert height == (None if lines == 1 else 15 * lines)
    assert sheet.row_dimensions[3].height is None


def test_a_column_is_as_wide_as_its_largest_amount(tmp_path: Path) -> None:
    large = ("Ann", "USD", -LARGEST // 100, *ANN[3:])
    chart = replace(CHART, series=(Series("Amount", (10**16, 0, -LARGEST)),))
    book = book_of(tmp_path, large, ANN, charts=(chart,))
    assert book["Report"].column_dimensions["C"].width > len("-900,719,925,474.09") + 1
    assert book["Report"].column_dimensions["D"].width < 17
    assert book["Charts"].column_dimensions["B"].width > len("-90,071,992,547,409.91") + 1


def test_every_sheet_is_printed_on_pages_of_its_width(tmp_path: Path) -> None:
    book = book_of(tmp_path, ANN, charts=(CHART,))
    for sheet in book:
        assert sheet.page_setup.fitToHeight == 0, sheet.title
        assert sheet.sheet_properties.pageSetUpPr.fitToPage, sheet.title


def test_a_workbook_without_rows_says_so(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    assert book.sheetnames == ["Report", "About"]
    assert "There are no deals in this period." in about(book)
