"""Writes the costs in the table of docs/simulation.md: they change with every priced resource.

Everything else of the table takes minutes (`make simulation`).
"""

from collections.abc import Iterator

from tools.drift import ROOT, main
from tools.sections import cells, section, with_section
from zebros.costs import Prices
from zebros.costs.prices import FILE as PRICES
from zebros.phases import PHASES
from zebros.simulation.study import Study
from zebros.simulation.work import load_work

PAGE = ROOT / "docs" / "simulation.md"
SECTION, COLUMN = "users", 7


def rows(page: str) -> Iterator[str]:
    """The table of a page, with the costs of today's templates."""
    head, line, *lines = section(page, SECTION)
    yield from (head, line)
    studies = {phase: Study(ROOT / "template.yaml", phase, load_work()) for phase in PHASES}
    prices = Prices.load(PRICES)
    for one in lines:
        found = cells(one)
        study, users = studies[found[0]], int(found[1].replace(",", ""))
        found[COLUMN] = f"{study.cost_per_user(users, prices):,.2f}"
        yield f"| {' | '.join(found)} |"


def render() -> str:
    """The page with today's costs."""
    page = PAGE.read_text(encoding="utf-8")
    return with_section(page, SECTION, rows(page))


if __name__ == "__main__":
    main({PAGE: render()}, "make contracts")
