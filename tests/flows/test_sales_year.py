"""A public data set of one year of sales: loaded by the command line and compared with reports.

The oracle computes every figure directly from the CSV files (tests/flows/oracle.py). The
maps correct the data: `GTXPro` is the catalogue's `GTX Pro`, misspelt sectors are
corrected, 1,425 opportunities without an account stay unlinked, 500 prospects get no date.
"""

import csv
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import MAPS, Crm
from tests.flows.figures import record_figure
from tests.flows.oracle import NONE, Oracle

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
"""The first test loads the data set and waits for its events."""

GROUPS = ("region", "team", "product", "month", "sector", "owner")


@pytest.fixture(scope="module")
def loaded(crm: Crm, sales_data: Path) -> dict[str, Any]:
    """The data set in tenant globex, which no other test uses; returns the results of loading."""
    results = {}
    for kind, name in (
        ("people", "sales_teams"),
        ("accounts", "accounts"),
        ("products", "products"),
        ("opportunities", "sales_pipeline"),
    ):
        started = time.monotonic()
        results[kind] = crm.zebros.json(
            "--tenant", "globex", "load", kind, sales_data / f"{name}.csv",
            "--map", MAPS / f"{kind}.toml",
        )  # fmt: skip
        seconds = time.monotonic() - started
        rows = results[kind]["created"]
        record_figure(f"{kind}: {rows} rows in {seconds:.1f} s, {rows / seconds:.0f} rows/s")
        crm.settle()  # what the next records refer to is known everywhere
    record_figure(f"everything had arrived {crm.settle(600):.1f} s after the last row")
    return results


@pytest.fixture(scope="module")
def oracle(sales_data: Path) -> Oracle:
    return Oracle(sales_data)


def rows_of(crm: Crm, report: str, by: str, **more: str) -> dict[str, Any]:
    """A finished report's rows by their group, and its totals under `total`."""
    started = time.monotonic()
    body = {"report": report, "by": by, **more}
    result = crm.report(body, tenant="globex")["result"]
    record_figure(f"{report} by {by}: {time.monotonic() - started:.1f} s")
    found = {row.get(by, ""): row for row in result["rows"]}
    assert len(found) == len(result["rows"]), "a group appears once"
    return {**found, "total": result["totals"][0]}


def test_every_row_was_imported(loaded: dict[str, Any], oracle: Oracle) -> None:
    # A request that is repeated after a timeout finds its rows loaded: unchanged.
    taken = {kind: results["created"] + results["unchanged"] for kind, results in loaded.items()}
    people = {"people": 35, "accounts": 85, "products": 7}
    assert taken == {**people, "opportunities": len(oracle.deals)}
    assert len(oracle.deals) == 8800
    assert [results["rejected"] for results in loaded.values()] == [0, 0, 0, 0]


def test_the_totals_equal_the_published_ones(crm: Crm, loaded: Any) -> None:
    total = rows_of(crm, "win_rate", "none")["total"]
    assert (total["won"], total["lost"], total["win_rate"]) == (4238, 2473, 0.6315)
    revenue = rows_of(crm, "sales_performance", "none")["total"]["revenue"]
    assert revenue == {"minor_units": 10_005_534_00, "currency": "USD"}


def test_the_open_pipeline_has_both_its_stages(crm: Crm, loaded: Any, oracle: Oracle) -> None:
    rows = rows_of(crm, "pipeline_by_stage", "stage")
    counts = {name: row["deals"] for name, row in rows.items() if name != "total"}
    stages = oracle.stages()
    assert counts == {"Prospecting": stages["Prospecting"], "Engaging": stages["Engaging"]}
    assert counts == {"Prospecting": 500, "Engaging": 1589}


def test_usage_is_what_was_loaded(crm: Crm, loaded: Any, oracle: Oracle) -> None:
    """Its opportunities make it a tenant of the largest tier; the other values are small."""
    items = crm("GET", "/scaling/usage?limit=200").json()["items"]
    (found,) = (one for one in items if one["tenant"] == "globex")
    record_figure(f"usage of the data set: {json.dumps(found)}")
    people = crm("GET", "/people?limit=200", tenant="globex").json()["items"]
    active = sum(one["active"] for one in people)
    assert active >= 35, "the data set's, and who has signed in"
    values = {"users": active, "customers": 85, "opportunities": len(oracle.deals)}
    assert found["values"].items() >= values.items()
    assert 5 <= found["values"]["data_mb"] <= 50
    assert found["tier"] == found["metric_tiers"]["opportunities"] == "enterprise"
    assert (
        found["metric_tiers"].items()
        >= {
            "users": "growing",
            "customers": "startup",
            "data_mb": "startup",
        }.items()
    )
    days = crm("GET", "/scaling/usage/globex").json()["items"]
    record_figure(f"days of the data set: {json.dumps(days)}")
    assert days[-1]["values"].items() >= {**values, "active_users": 1}.items()
    assert sum(one["values"]["requests"] for one in days) >= 8800 + 85 + 35 + 7


@pytest.mark.parametrize("by", GROUPS)
def test_win_rates_equal_the_oracle_s(crm: Crm, loaded: Any, oracle: Oracle, by: str) -> None:
    rows = rows_of(crm, "win_rate", by)
    total = rows.pop("total")
    wanted = {k: v for k, v in oracle.by(by).items() if v.won + v.lost}
    assert {k: (r["won"], r["lost"]) for k, r in rows.items()} == {
        k: (v.won, v.lost) for k, v in wanted.items()
    }
    for group, row in rows.items():
        exact = wanted[group].won / (wanted[group].won + wanted[group].lost)
        assert abs(row["win_rate"] - exact) <= 0.00005 + 1e-12
    assert (total["won"], total["lost"]) == (4238, 2473)


@pytest.mark.parametrize("by", GROUPS)
def test_sales_equal_the_oracle_s(crm: Crm, loaded: Any, oracle: Oracle, by: str) -> None:
    rows = rows_of(crm, "sales_performance", by)
    rows.pop("total")
    wanted = oracle.by(by)
    assert rows.keys() == wanted.keys()
    for group, row in rows.items():
        figures = wanted[group]
        assert (row["won"], row["lost"], row["open"]) == (figures.won, figures.lost, figures.open)
        revenue = row["revenue"]["minor_units"] if row["revenue"] else 0
        assert revenue == figures.revenue * 100, group


def test_a_period_counts_its_first_and_last_day(crm: Crm, loaded: Any, oracle: Oracle) -> None:
    first, last = "2017-04-01", "2017-06-30"
    total = rows_of(crm, "win_rate", "none", **{"from": first, "to": last})["total"]
    closed = [d for d in oracle.deals if d["close_date"] and first <= d["close_date"] <= last]
    assert total["won"] == sum(d["deal_stage"] == "Won" for d in closed)
    assert total["lost"] == sum(d["deal_stage"] == "Lost" for d in closed)


def test_opportunities_without_links_are_shown_as_such(loaded: Any, oracle: Oracle) -> None:
    unlinked = [opportunity for opportunity in oracle.deals if not opportunity["account"]]
    assert len(unlinked) == 1425
    assert oracle.by("sector")[NONE].open == len(unlinked), "all of them are still open"


def test_the_board_counts_what_the_report_counts(crm: Crm, loaded: Any) -> None:
    pipelines = crm("GET", "/pipelines", tenant="globex").json()["items"]
    (own,) = [p for p in pipelines if p["id"] != "default"]
    board = crm("GET", f"/pipelines/{own['id']}/board", tenant="globex").json()
    counts = {c["stage"]: c["count"] for c in board["columns"]}
    assert counts == {"prospecting": 500, "engaging": 1589, "won": 4238, "lost": 2473}
    (won,) = [c for c in board["columns"] if c["stage"] == "won"]
    assert won["amounts"] == [{"currency": "USD", "count": 4238, "minor_units": 1_000_553_400}]


@pytest.mark.parametrize("form", ["csv", "xlsx", "pdf"])
def test_every_format_can_be_opened(crm: Crm, loaded: Any, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"report.{form}"
    crm.zebros(
        "--tenant", "globex", "report", "sales_performance", "--by", "region",
        "--format", form, "-o", file,
    )  # fmt: skip
    if form == "csv":
        text = file.read_text(encoding="utf-8-sig")
        regions = {row["Region"] for row in csv.DictReader(text.splitlines())}
        assert {"Central", "East", "West"} <= regions
    elif form == "xlsx":
        from openpyxl import load_workbook

        sheet = load_workbook(file).worksheets[0]
        cells = {cell.value for row in sheet.iter_rows() for cell in row}
        assert {"Central", "East", "West"} <= cells
    else:
        from pypdf import PdfReader

        text = "".join(page.extract_text() for page in PdfReader(file).pages)
        assert "Central" in text
        assert "Sales performance" in text


def test_loading_again_changes_nothing(crm: Crm, loaded: Any, sales_data: Path) -> None:
    results = crm.zebros.json(
        "--tenant", "globex", "load", "products", sales_data / "products.csv",
        "--map", MAPS / "products.toml",
    )  # fmt: skip
    assert (results["created"], results["rejected"]) == (0, 0), json.dumps(results)
