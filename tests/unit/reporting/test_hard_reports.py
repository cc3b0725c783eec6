"""Reports of unusual data, from the events to the file, in every format."""

import csv
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest

from reporting.parameters import FileFormat
from reporting.query.compute import compute
from reporting.render.formats import FILE_KINDS, render
from reporting.report import Report
from tests.unit.reporting.query.synthetic import lay, money, opportunity
from tests.unit.reporting.query.test_reports import WON, asked
from tests.unit.reporting.render.test_pdf import LONG, overlaps, pages, text_boxes

NAMES = [(name * 3)[:200] for name in LONG.values()]


def report_of(folder: Path, deals: list[dict[str, Any]], name: str = "sales_performance") -> Report:
    events = [opportunity(f"d{n}", **one) for n, one in enumerate(deals)]
    return compute(lay(folder / "lake", events, per_file=5_000), asked(name))


def written(report: Report, file_format: FileFormat, folder: Path) -> Path:
    path = folder / f"report{FILE_KINDS[file_format].extension}"
    render(report, file_format, path)
    return path


def pdf_texts(report: Report, folder: Path) -> list[str]:
    """The text of each page, none of which has a text on another."""
    read = pages(written(report, "pdf", folder))
    for page in read[:5]:
        boxes = text_boxes(page)
        assert overlaps(boxes) == []
        assert all(box[0] >= 41 and box[2] <= page.get_width() - 41 for box in boxes)
    return [page.get_textpage().get_text_range() for page in read]


def csv_rows(report: Report, folder: Path) -> list[list[str]]:
    with written(report, "csv", folder).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize("name", ["sales_performance", "pipeline_by_stage", "win_rate"])
def test_a_tenant_without_data_gets_a_report_that_says_so(tmp_path: Path, name: str) -> None:
    report = report_of(tmp_path, [], name)
    [page] = pdf_texts(report, tmp_path)
    assert "There are no deals in this period." in page
    assert "no events yet" in page
    book = openpyxl.load_workbook(written(report, "xlsx", tmp_path))
    assert book.sheetnames == ["Report", "About"]
    assert [row[0] for row in csv_rows(report, tmp_path)[1:]] == ["Total"]
    assert json.loads(written(report, "json", tmp_path).read_text())["rows"] == []


@pytest.mark.parametrize(("currency", "text"), [("HRK", "9,000.00"), ("BYR", "900,000")])
def test_a_report_of_one_withdrawn_currency_has_its_digits(
    tmp_path: Path, currency: str, text: str
) -> None:
    deals = [{"owner_id": "ann", "amount": money(900_000, currency), **WON}]
    report = report_of(tmp_path, deals)
    [page] = pdf_texts(report, tmp_path)
    assert f"Revenue by owner ({currency})" in page
    assert page.count(text) >= 4, "revenue and average, in the row and in the total"
    sheet = openpyxl.load_workbook(written(report, "xlsx", tmp_path))["Report"]
    assert sheet["D2"].value == float(text.replace(",", ""))
    assert csv_rows(report, tmp_path)[1][3] == text.replace(",", "")


def test_20_000_owners_fill_every_file_and_the_first_pages_of_a_pdf(tmp_path: Path) -> None:
    deals = [{"owner_id": f"owner {n:05}", "amount": money(100 + n), **WON} for n in range(20_000)]
    report = report_of(tmp_path, deals)
    texts = pdf_texts(report, tmp_path)
    assert 15 < len(texts) < 40
    assert "and 19,988 others:" in texts[0]
    assert "These are the first 1,000 of 20,000 rows" in texts[0]
    assert all("Average deal" in page for page in texts), "the header is on every page"
    with ZipFile(written(report, "xlsx", tmp_path)) as parts:  # openpyxl would take ten seconds
        assert parts.read("xl/worksheets/sheet1.xml").count(b"<row ") == 20_002
        assert b"and 19,988 others" in parts.read("xl/worksheets/sheet2.xml")
    assert len(csv_rows(report, tmp_path)) == 20_002


def test_names_of_200_characters_are_whole_in_every_table(tmp_path: Path) -> None:
    deals = [{"owner_id": name, "amount": money(100), **WON} for name in NAMES]
    report = report_of(tmp_path, deals)
    assert pdf_texts(report, tmp_path)
    names = {row[0] for row in csv_rows(report, tmp_path)[1:-1]}
    assert names == {name.strip() for name in NAMES}
    sheet = openpyxl.load_workbook(written(report, "xlsx", tmp_path))["Report"]
    shown = {row[0].value: sheet.row_dimensions[row[0].row].height for row in sheet.iter_rows()}
    assert all(shown[name] >= 6 * 15 for name in names)


def test_40_stages_and_many_months_leave_room_for_their_labels(tmp_path: Path) -> None:
    deals = [
        {
            "stage": f"stage-{n}",
            "stage_name": f"Stage {n} of the long sales process of the machine works",
            "amount": money((-1) ** n * 10_000_000 * n),
            "expected_close_on": f"{2024 + n // 12}-{n % 12 + 1:02}-01",
        }
        for n in range(40)
    ]
    report = report_of(tmp_path, deals, "pipeline_by_stage")
    texts = pdf_texts(report, tmp_path)
    assert "and 28 others" in texts[0]
    months = compute(
        lay(tmp_path / "again", [opportunity(f"d{n}", **one) for n, one in enumerate(deals)]),
        asked("pipeline_by_stage", by="month"),
    )
    assert "and 28 earlier" in pdf_texts(months, tmp_path)[0]
