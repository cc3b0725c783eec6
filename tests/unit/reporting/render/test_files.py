"""Report files: exact figures, escaped text, complete rows."""

import csv
import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
from pypdf import PdfReader
from pypdfium2 import PdfDocument

from kernel.domain.money import EXPONENTS
from reporting.parameters import FileFormat
from reporting.render import pdf_content
from reporting.render.cell_format import display_text, escape_formula, machine_text
from reporting.render.formats import FILE_KINDS, render
from reporting.render.provenance import instant
from reporting.report import Chart, Column, Kind, Period, Position, Report, Series

OWNER, CURRENCY = Column("owner", "Owner", Kind.TEXT), Column("currency", "Currency", Kind.TEXT)
REVENUE, WON = Column("revenue", "Revenue", Kind.MONEY), Column("won", "Won", Kind.INT)
RATE, SINCE = Column("win_rate", "Win rate", Kind.PERCENT), Column("since", "Since", Kind.DATE)
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", '=HYPERLINK("x")']


def report(*rows: tuple[Any, ...], **more: Any) -> Report:
    """Owner, currency, revenue, won, win rate, since."""
    usual: dict[str, Any] = {
        "name": "sales_performance",
        "title": "Sales performance by owner",
        "tenant": "acme",
        "by": "owner",
        "date_meaning": "closing date",
        "period": Period(date(2026, 1, 1), date(2026, 3, 31)),
        "as_of": None,
        "columns": (OWNER, CURRENCY, REVENUE, WON, RATE, SINCE),
        "rows": rows,
        "totals": (("Total", "USD", 123456, 3, Decimal("0.6315"), None),),
        "charts": (),
        "position": Position(8800, datetime(2026, 4, 1, 9, 30, tzinfo=UTC), "01K0LAST"),
        "notes": ("Average deal is revenue by won deals.",),
    }
    return Report(**usual | more)


ANN = ("Ann", "USD", 123456, 3, Decimal("0.6315"), date(2026, 1, 31))


def written(report: Report, file_format: FileFormat, folder: Path) -> Path:
    path = folder / f"report{FILE_KINDS[file_format].extension}"
    render(report, file_format, path)
    return path


@pytest.mark.parametrize(
    ("currency", "machines", "people"),
    [
        ("USD", "1234567.89", "1,234,567.89"),
        ("JPY", "123456789", "123,456,789"),
        ("KWD", "123456.789", "123,456.789"),
        ("CLF", "12345.6789", "12,345.6789"),
    ],
)
def test_money_has_the_digits_of_its_currency(currency: str, machines: str, people: str) -> None:
    assert machine_text(123456789, REVENUE, currency) == machines
    assert display_text(123456789, REVENUE, currency) == people


def test_a_report_with_a_withdrawn_currency_is_written_with_two_digits(tmp_path: Path) -> None:
    """Events may have currencies that ISO 4217 has withdrawn."""
    chart = Chart("Revenue", ("Ann",), (Series("Amount", (123456,)),), Kind.MONEY, "HRK")
    old = report(("Ann", "HRK", 123456, *ANN[3:]), charts=(chart,))
    assert "HRK" not in EXPONENTS
    assert b"Ann,HRK,1234.56,3" in written(old, "csv", tmp_path).read_bytes()
    assert "1,234.56" in text_of(written(old, "pdf", tmp_path))
    assert json.loads(written(old, "json", tmp_path).read_text())["rows"][0]["revenue"] == {
        "minor_units": 123456,
        "currency": "HRK",
    }
    book = openpyxl.load_workbook(written(old, "xlsx", tmp_path))
    assert (book["Report"]["C2"].value, book["Report"]["C2"].number_format) == (1234.56, "#,##0.00")
    assert book["Charts"]["B2"].value == 1234.56


def test_money_is_exact_beyond_the_precision_of_a_float() -> None:
    assert machine_text(10**17 + 1, REVENUE, "USD") == "1000000000000000.01"
    assert machine_text(-5, REVENUE, "USD") == "-0.05"
    assert machine_text(0, REVENUE, None) == "0"


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_a_spreadsheet_would_evaluate_is_escaped(text: str) -> None:
    assert escape_formula(text) == "'" + text


@pytest.mark.parametrize("text", ["Ann", "1=1", "a-b", "(none)", "", "Ångström", "'quoted"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert escape_formula(text) == text


def test_csv_is_rfc_4180_with_a_byte_order_mark(tmp_path: Path) -> None:
    body = written(report(ANN, ('Bo "B", Jr.\nof Łódź', *ANN[1:])), "csv", tmp_path).read_bytes()
    assert body.startswith(b"\xef\xbb\xbfOwner,Currency,Revenue,Won,Win rate (%),Since\r\n")
    assert b"Ann,USD,1234.56,3,63.15,2026-01-31\r\n" in body
    assert '"Bo ""B"", Jr.\nof Łódź",USD'.encode() in body
    assert body.endswith(b"Total,USD,1234.56,3,63.15,\r\n")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_csv_cell_begins_like_a_formula(tmp_path: Path, text: str) -> None:
    path = written(report((text, *ANN[1:])), "csv", tmp_path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1][0] == "'" + text


def test_negative_amounts_are_numbers_and_not_formulas(tmp_path: Path) -> None:
    path = written(report(("Ann", "USD", -500, *ANN[3:])), "csv", tmp_path)
    assert b"Ann,USD,-5.00,3" in path.read_bytes()


def test_json_has_exact_amounts_and_the_events_it_includes(tmp_path: Path) -> None:
    without = ("Bo", None, 0, 0, None, None)
    path = written(report(ANN, without), "json", tmp_path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["rows"] == [
        {
            "owner": "Ann",
            "currency": "USD",
            "revenue": {"minor_units": 123456, "currency": "USD"},
            "won": 3,
            "win_rate": 0.6315,
            "since": "2026-01-31",
        },
        {
            "owner": "Bo",
            "currency": None,
            "revenue": None,
            "won": 0,
            "win_rate": None,
            "since": None,
        },
    ]
    assert found["totals"][0]["revenue"]["minor_units"] == 123456
    assert found["row_count"] == 2
    assert found["period"] == {"from": "2026-01-01", "to": "2026-03-31", "of": "closing date"}
    assert found["position"] == {
        "events": 8800,
        "last_time": "2026-04-01T09:30:00+00:00",
        "last_id": "01K0LAST",
    }


def test_json_of_an_empty_report_is_json(tmp_path: Path) -> None:
    found = json.loads(written(report(), "json", tmp_path).read_text())
    assert (found["rows"], found["row_count"]) == ([], 0)


def test_xlsx_has_real_numbers_and_dates_in_their_formats(tmp_path: Path) -> None:
    kuwait = ("Bo", "KWD", 1234567, 1, None, None)
    book = openpyxl.load_workbook(written(report(ANN, kuwait), "xlsx", tmp_path))
    assert book.sheetnames == ["Report", "About"]
    sheet = book["Report"]
    assert [cell.value for cell in sheet[1]] == [
        "Owner", "Currency", "Revenue", "Won", "Win rate (%)", "Since",
    ]  # fmt: skip
    assert [cell.value for cell in sheet[2]][:5] == ["Ann", "USD", 1234.56, 3, 0.6315]
    assert sheet["F2"].value == datetime(2026, 1, 31)
    assert [sheet[name].number_format for name in ("C2", "E2", "F2", "C3")] == [
        "#,##0.00",
        "0.00%",
        "yyyy-mm-dd",
        "#,##0.000",
    ]
    assert sheet["C3"].value == 1234.567
    assert [sheet[name].alignment.horizontal for name in ("A1", "C1", "D1")] == [
        None,
        "right",
        "right",
    ], "a heading is above its numbers"
    assert sheet["A4"].value == "Total"
    assert sheet["A4"].font.bold
    assert sheet.freeze_panes == "A2"


@pytest.mark.parametrize("text", [*FORMULAS, "{=1+1}", "https://example.com", "0123"])
def test_xlsx_text_stays_text(tmp_path: Path, text: str) -> None:
    path = written(report((text, *ANN[1:])), "xlsx", tmp_path)
    cell = openpyxl.load_workbook(path)["Report"]["A2"]
    assert cell.data_type == "s"
    assert str(cell.value).replace("_x000D_", "\r") == text
    assert cell.hyperlink is None
    assert cell.quotePrefix == (escape_formula(text) != text)
    with ZipFile(path) as parts:
        assert b"<f>" not in parts.read("xl/worksheets/sheet1.xml")


def test_an_xlsx_cell_has_at_most_as_much_text_as_excel_allows(tmp_path: Path) -> None:
    path = written(report(("x" * 40_000, *ANN[1:])), "xlsx", tmp_path)
    assert len(openpyxl.load_workbook(path)["Report"]["A2"].value) == 32_767


CHART = Chart(
    "Revenue by owner",
    ("Ann", "Bo & <Sons>", "佐藤 花子"),
    (Series("Amount", (123456, 0, 5)), Series("Weighted", (100, 0, 1))),
    Kind.MONEY,
    "USD",
    rest=("3 others", (777, 7)),
)


def test_xlsx_has_native_charts_with_their_numbers(tmp_path: Path) -> None:
    path = written(report(ANN, charts=(CHART, replace(CHART, in_order=True))), "xlsx", tmp_path)
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Report", "Charts", "About"]
    sheet = book["Charts"]
    assert [cell.value for cell in sheet[2]][:3] == ["Ann", 1234.56, 1.0]
    assert [cell.value for cell in sheet[5]][:3] == ["and 3 others", 7.77, 0.07]
    with ZipFile(path) as parts:
        charts = [parts.read(n) for n in parts.namelist() if "charts/chart" in n]
    assert len(charts) == 2
    assert all(b"Charts!$B$" in chart for chart in charts)


def text_of(path: Path) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(path.read_bytes())).pages)


def test_pdf_names_tenant_time_and_stream_position(tmp_path: Path) -> None:
    asked = report(ANN, charts=(CHART,), currency="USD", as_of=datetime(2026, 4, 2, tzinfo=UTC))
    text = text_of(written(asked, "pdf", tmp_path))
    for part in (
        "Sales performance by owner",
        "acme",
        "2026-01-01 to 2026-03-31, by closing date",
        "Time zone: Etc/UTC",
        "As of 2026-04-02 00:00:00 UTC",
        "Only deals priced in USD",
        "Reflects 8,800 events, the last of 2026-04-01 09:30:00 UTC (01K0LAST)",
        "1,234.56",
        "63.15 %",
        "Total",
        "Average deal is revenue by won deals.",
        "and 3 others",
        "Page 1 of 1",
    ):
        assert part in text


def test_times_are_on_the_clocks_of_the_report_s_zone(tmp_path: Path) -> None:
    last = Position(8800, datetime(2026, 4, 1, 18, 30, 0, 120_000, tzinfo=UTC), "01K0LAST")
    asked = report(ANN, time_zone="Asia/Kathmandu", position=last, as_of=last.last_time)
    moment = "2026-04-02 00:15:00.120 +05:45"
    text = text_of(written(asked, "pdf", tmp_path))
    for part in ("Time zone: Asia/Kathmandu", f"As of {moment}", f"the last of {moment} (01K0LAST"):
        assert part in text
    about = openpyxl.load_workbook(written(asked, "xlsx", tmp_path))["About"]
    lines = {row[0].value: row[1].value for row in about.iter_rows()}
    assert lines["Time zone"] == "Asia/Kathmandu"
    assert lines["As of"] == moment
    assert moment in lines["Reflects"]
    head = json.loads(written(asked, "json", tmp_path).read_text())
    assert head["time_zone"] == "Asia/Kathmandu"
    assert head["as_of"] == "2026-04-01T18:30:00.120000+00:00", "programs get UTC"


def test_the_hour_that_comes_twice_is_told_apart_by_its_offset() -> None:
    summer, winter = (datetime(2026, 10, 25, hour, 30, tzinfo=UTC) for hour in (0, 1))
    assert instant(summer, "Europe/Berlin") == "2026-10-25 02:30:00 +02:00"
    assert instant(winter, "Europe/Berlin") == "2026-10-25 02:30:00 +01:00"


def test_pdf_repeats_the_header_and_numbers_its_pages(tmp_path: Path) -> None:
    rows = [(f"agent {n}", *ANN[1:]) for n in range(200)]
    reader = PdfReader(written(report(*rows), "pdf", tmp_path))
    pages = [page.extract_text() for page in reader.pages]
    assert len(pages) > 3
    for number, page in enumerate(pages, 1):
        assert "Revenue" in page
        assert f"Page {number} of {len(pages)}" in page


def test_pdf_has_a_limited_number_of_rows_and_a_note_about_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf_content, "MOST_ROWS", 50)
    rows = [(f"agent {n}", *ANN[1:]) for n in range(51)]
    text = text_of(written(report(*rows), "pdf", tmp_path))
    assert "agent 49" in text
    assert "agent 50" not in text
    assert "These are the first 50 of 51 rows" in text
    assert "Total" in text


@pytest.mark.parametrize(
    "name",
    [
        "Łukasz Żółć", "Ελένη Παπαδοπούλου", "Иван Петров", "Nguyễn Thị Ánh", "Ærøskøbing €",
        "O<b>rien & Sons",
    ],
)  # fmt: skip
def test_pdf_sets_latin_greek_and_cyrillic_names(tmp_path: Path, name: str) -> None:
    chart = replace(CHART, labels=(name, "b", "c"))
    path = written(report((name, *ANN[1:]), charts=(chart,)), "pdf", tmp_path)
    document = PdfDocument(path.read_bytes())
    text = "".join(page.get_textpage().get_text_range() for page in document)
    assert text.count(name) == 2


@pytest.mark.parametrize("name", ["محمد", "🚀", "\x00\x07", "", "\ud7fb", "ab\u202ecd", "x" * 5000])
def test_no_name_breaks_a_pdf(tmp_path: Path, name: str) -> None:
    chart = replace(CHART, labels=(name, name, name))
    path = written(report((name, *ANN[1:]), charts=(chart,)), "pdf", tmp_path)
    assert "1,234.56" in text_of(path)


def test_markup_in_a_name_too_long_for_its_line_is_only_text(tmp_path: Path) -> None:
    name = "</b><i>Sons & <para>Daughters " * 8
    text = text_of(written(report((name, *ANN[1:])), "pdf", tmp_path))
    assert "".join(text.split()).count("</b><i>Sons") == 8


def test_a_pdf_without_rows_has_a_note_about_it(tmp_path: Path) -> None:
    assert "There are no deals in this period." in text_of(written(report(), "pdf", tmp_path))


def test_bars_may_be_zero_or_negative(tmp_path: Path) -> None:
    zero = Chart("Nothing", ("a", "b"), (Series("Won", (0, 0)),), Kind.INT)
    lost = Chart("Losses", ("a", "b"), (Series("Amount", (-500, 300)),), Kind.MONEY, "USD")
    for file_format in FILE_KINDS:
        written(
            report(ANN, charts=(zero, replace(zero, in_order=True), lost)), file_format, tmp_path
        )
