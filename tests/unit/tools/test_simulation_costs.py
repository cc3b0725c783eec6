"""Costs in the table of docs/simulation.md follow the templates; nothing else of it changes."""

from tools import simulation_costs
from tools.sections import cells, section

PAGE = simulation_costs.PAGE.read_text(encoding="utf-8")
ROWS = section(PAGE, simulation_costs.SECTION)


def test_the_costs_of_the_page_are_those_of_the_templates() -> None:
    assert list(simulation_costs.rows(PAGE)) == ROWS, "run `make contracts`"


def test_only_the_column_of_costs_is_written() -> None:
    before = cells(ROWS[5])
    wrong = [*before]
    wrong[simulation_costs.COLUMN] = "99.99"
    page = PAGE.replace(ROWS[5], f"| {' | '.join(wrong)} |")
    assert page != PAGE
    assert list(simulation_costs.rows(page)) == ROWS
    assert cells(ROWS[0])[simulation_costs.COLUMN] == "USD a user"
