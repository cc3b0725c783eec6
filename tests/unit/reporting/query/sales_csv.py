"""The public sales data as events, and where to find it."""

import csv
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.reporting.query.synthetic import event, money, opportunity, pipeline

ROOT = Path(__file__).parents[4]
FOLDER = (
    Path(os.environ.get("ZEBROS_SHARED_DATA") or ROOT.parent / "shared" / "data")
    / "crm-sales-opportunities"
)
needs_sales_data = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the public sales data is not here; set ZEBROS_SHARED_DATA"
)
STAGES = {
    "Prospecting": ("lead", "Lead", "open", 10),
    "Engaging": ("qualified", "Qualified", "open", 25),
    "Won": ("won", "Won", "won", 100),
    "Lost": ("lost", "Lost", "lost", 0),
}


def rows(name: str) -> list[dict[str, str]]:
    """One of the CSV files."""
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def deals() -> list[dict[str, str]]:
    """The opportunities with their team's columns; `GTXPro` is `GTX Pro` in the product list."""
    teams = {row["sales_agent"]: row for row in rows("sales_teams")}
    sectors = {row["account"]: row["sector"] for row in rows("accounts")}
    found = []
    for row in rows("sales_pipeline"):
        product = row["product"].replace("GTXPro", "GTX Pro")
        sector = sectors.get(row["account"], "")
        found.append(row | teams[row["sales_agent"]] | {"product": product, "sector": sector})
    return found


def events() -> Iterator[dict[str, Any]]:
    """Accounts, products, the pipeline, and every opportunity in its current state."""
    yield pipeline()
    for row in rows("accounts"):
        yield event("account", row["account"], 1, {"name": row["account"], "sector": row["sector"]})
    for row in rows("products"):
        yield event("product", row["product"], 1, {"name": row["product"]})
    for row in deals():
        stage, stage_name, status, probability = STAGES[row["deal_stage"]]
        amount = row["close_value"]
        yield opportunity(
            row["opportunity_id"],
            stage=stage,
            stage_name=stage_name,
            status=status,
            probability=probability,
            forecast_category="closed" if status == "won" else "pipeline",
            account_id=row["account"] or None,
            product_id=row["product"],
            owner_id=row["sales_agent"],
            team_id=row["manager"],
            region=row["regional_office"],
            opened_on=row["engage_date"] or None,
            closed_on=row["close_date"] or None,
            amount=money(int(Decimal(amount) * 100)) if amount else None,
        )
