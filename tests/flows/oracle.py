"""The figures of the data set, computed from its CSV files without code of the CRM."""

import csv
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Row = dict[str, str]
NONE = "(none)"


@dataclass
class Figures:
    """The expected figures of one group of opportunities."""

    won: int = 0
    lost: int = 0
    revenue: int = 0
    """Whole dollars."""
    open: int = 0


class Oracle:
    """The pipeline with teams and sectors joined."""

    def __init__(self, folder: Path) -> None:
        teams = {row["sales_agent"]: row for row in _rows(folder / "sales_teams.csv")}
        sectors = {row["account"]: row["sector"] for row in _rows(folder / "accounts.csv")}
        self.deals = _rows(folder / "sales_pipeline.csv")
        for opportunity in self.deals:
            team = teams[opportunity["sales_agent"]]
            opportunity["team"], opportunity["region"] = team["manager"], team["regional_office"]
            opportunity["owner"] = opportunity["sales_agent"]
            opportunity["product"] = {"GTXPro": "GTX Pro"}.get(
                opportunity["product"], opportunity["product"]
            )
            sector = sectors.get(opportunity["account"], NONE)
            opportunity["sector"] = {"technolgy": "technology"}.get(sector, sector)
            opportunity["month"] = opportunity["close_date"][:7] or NONE

    def by(self, group: str) -> dict[str, Figures]:
        """Figures per group; `group` is owner, team, region, product, sector or month."""
        return self._sum(lambda opportunity: opportunity[group])

    def total(self) -> Figures:
        """The figures of all opportunities."""
        return self._sum(lambda _: "")[""]

    def stages(self) -> dict[str, int]:
        """Opportunities per stage."""
        counts: dict[str, int] = defaultdict(int)
        for opportunity in self.deals:
            counts[opportunity["deal_stage"]] += 1
        return dict(counts)

    def _sum(self, key: Callable[[Row], str]) -> dict[str, Figures]:
        found: dict[str, Figures] = defaultdict(Figures)
        for opportunity in self.deals:
            figures = found[key(opportunity)]
            match opportunity["deal_stage"]:
                case "Won":
                    figures.won += 1
                    figures.revenue += int(opportunity["close_value"])
                case "Lost":
                    figures.lost += 1
                case _:
                    figures.open += 1
        return dict(found)


def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
