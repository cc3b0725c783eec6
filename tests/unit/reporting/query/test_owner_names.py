"""Reports by owner show the names of people."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from kernel.domain.references import KnownPerson
from reporting.parameters import FileFormat
from reporting.query.compute import compute
from reporting.render.formats import FILE_KINDS, render
from reporting.render.pdf_content import content_of
from reporting.report import Report
from tests.unit.reporting.query.synthetic import lay, money, opportunity
from tests.unit.reporting.query.test_reports import LOST, WON, asked
from tests.unit.reporting.render.test_pdf import pages


class Directory:
    """People by id, and which of them were asked for."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names, self.asked = names, list[list[str]]()

    def __call__(self, ids: Iterable[str]) -> dict[str, KnownPerson]:
        self.asked.append(list(ids))
        known = [one for one in self.asked[-1] if one in self.names]
        return {one: KnownPerson(self.names[one], None, True) for one in known}


def report_of(
    folder: Path,
    names: Mapping[str, str] | Directory,
    *deals: dict[str, Any],
    name: str = "sales_performance",
    by: str = "owner",
) -> Report:
    people = names if isinstance(names, Directory) else Directory(names)
    events = [opportunity(f"d{n}", **one) for n, one in enumerate(deals)]
    files = lay(folder / "lake", events, per_file=5_000)
    return compute(files, asked(name, by=by), people=people)


def deal(owner: str | None, units: int = 100, **more: Any) -> dict[str, Any]:
    return {"owner_id": owner, "amount": money(units), **(more or WON)}


def owners(report: Report) -> list[str]:
    return [str(row[0]) for row in report.rows]


def ids(report: Report) -> list[Any]:
    return [row[-1] for row in report.rows]


@pytest.mark.parametrize("name", ["sales_performance", "pipeline_by_stage", "win_rate"])
def test_owners_have_their_names_and_keep_their_ids(tmp_path: Path, name: str) -> None:
    stages = {"pipeline_by_stage": {"status": "open"}}
    deals = [deal("ann", 300, **stages.get(name, WON)), deal("bob", 200, **stages.get(name, WON))]
    report = report_of(tmp_path, {"ann": "Ann Lee", "bob": "Bob Holm"}, *deals, name=name)
    assert owners(report) == ["Ann Lee", "Bob Holm"]
    assert ids(report) == ["ann", "bob"]
    assert (report.columns[0].key, report.columns[-1].key) == ("owner", "owner_id")
    assert [row[-1] for row in report.totals] == [None]
    assert list(report.charts[0].labels) == ["Ann Lee", "Bob Holm"]


def test_who_is_unknown_is_shown_by_id_and_nobody_as_none(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"ann": "Ann Lee"}, deal("ann", 900), deal("zoe"), deal(None))
    assert owners(report) == ["Ann Lee", "zoe", "(none)"]
    assert ids(report) == ["ann", "zoe", None]


def test_two_people_with_one_name_are_told_apart_by_their_ids(tmp_path: Path) -> None:
    names = {"a1": "Ann Lee", "a2": "Ánn  LEE".replace("  ", " "), "b": "Bob"}
    report = report_of(tmp_path, names, deal("a1", 3), deal("a2", 2), deal("b", 1))
    assert owners(report) == ["Ann Lee (a1)", "Ánn LEE (a2)", "Bob"]
    assert list(report.charts[0].labels) == owners(report)


@pytest.mark.parametrize("name", ["zoe", "Total", "(none)"])
def test_a_name_that_is_also_an_id_or_a_label_has_its_id(tmp_path: Path, name: str) -> None:
    report = report_of(tmp_path, {"ann": name}, deal("ann", 900), deal("zoe"))
    assert owners(report) == [f"{name} (ann)", "zoe"]


def test_one_person_in_two_currencies_is_one_person(tmp_path: Path) -> None:
    deals = [deal("ann"), {**deal("ann"), "amount": money(5, "EUR")}]
    assert owners(report_of(tmp_path, {"ann": "Ann Lee"}, *deals)) == ["Ann Lee"] * 2


def test_equal_figures_are_in_the_order_of_names(tmp_path: Path) -> None:
    names = {"a": "Zoe", "b": "Ann", "c": "Moe"}
    assert owners(report_of(tmp_path, names, *map(deal, names))) == ["Ann", "Moe", "Zoe"]


def test_only_the_owners_in_the_report_are_looked_up_and_only_once(tmp_path: Path) -> None:
    people = Directory({"ann": "Ann Lee"})
    report_of(tmp_path, people, deal("ann"), deal("ann", **LOST), deal("bob"), deal(None))
    assert people.asked == [["ann", "bob"]]


@pytest.mark.parametrize("by", ["team", "region", "month", "none"])
def test_other_reports_look_nobody_up_and_have_no_ids_of_owners(tmp_path: Path, by: str) -> None:
    people = Directory({"north": "A person whose id is that of a team"})
    report = report_of(tmp_path, people, {**deal("ann"), "team_id": "north"}, by=by)
    assert people.asked == []
    assert "owner_id" not in {column.key for column in report.columns}


def written(report: Report, file_format: FileFormat, folder: Path) -> Path:
    path = folder / f"report{FILE_KINDS[file_format].extension}"
    render(report, file_format, path)
    return path


def test_every_file_has_the_names_and_those_for_programs_the_ids(tmp_path: Path) -> None:
    report = report_of(tmp_path, {"u-17": "Ann Lee"}, deal("u-17"))
    with written(report, "csv", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        header, row, total = csv.reader(file)
    assert (header[0], header[-1]) == ("Owner", "Owner ID")
    assert (row[0], row[-1], total[-1]) == ("Ann Lee", "u-17", "")
    [found] = json.loads(written(report, "json", tmp_path).read_text())["rows"]
    assert (found["owner"], found["owner_id"]) == ("Ann Lee", "u-17")
    sheet = openpyxl.load_workbook(written(report, "xlsx", tmp_path))["Report"]
    cells = [cell.value for cell in sheet[2]]
    assert (cells[0], cells[-1]) == ("Ann Lee", "u-17")
    [page] = pages(written(report, "pdf", tmp_path))
    text = page.get_textpage().get_text_range()
    assert text.count("Ann Lee") == 2, "in the table and beside its bar"
    assert "u-17" not in text
    assert "Owner ID" not in text


def test_20_000_people_with_names_of_200_characters(tmp_path: Path) -> None:
    names = {f"owner {n:05}": f"{n:05} " + "Name " * 38 + "last" for n in range(20_000)}
    report = report_of(tmp_path, names, *(deal(one, 100 + n) for n, one in enumerate(names)))
    assert set(owners(report)) == set(names.values())
    with written(report, "csv", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        rows = {row[-1]: row[0] for row in csv.reader(file)}
    assert names.items() <= rows.items()


def test_two_long_names_are_told_apart_in_a_pdf(tmp_path: Path) -> None:
    names = {f"{n}-{'0' * 34}": "N" * 200 for n in (1, 2)}
    report = report_of(tmp_path, names, *map(deal, names))
    rows = content_of(report)["rows"]
    assert [row[0] for row in rows] == [f"{'N' * 200} ({one})" for one in names]
