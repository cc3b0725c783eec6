"""The price table: complete entries, and a sentence for each kind of mistake."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from zebros.costs.prices import FILE, Prices
from zebros.errors import BadInput

GOOD = """
[sources]
page = {date = 2025-01-02, where = "a page"}
old = {date = 2024-05-06, where = "another"}

[prices]
"queue.requests" = {part = "Queue", usd = 0.40, per = 1_000_000, unit = "requests", source = "page"}
"queue.data" = {part = "Queue", usd = 2, per = 1, unit = "GB", source = "old", tiers = [
  {above = 10, usd = 1}, {above = 20, usd = 0.5}]}
"""


def load(folder: Path, text: str) -> Prices:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return Prices.load(file)


def test_a_price_has_unit_date_and_source(tmp_path: Path) -> None:
    price = load(tmp_path, GOOD)["queue.requests"]
    assert (price.part, price.usd, price.per) == ("Queue", Decimal("0.40"), 1_000_000)
    assert (price.unit, price.date, price.source) == ("requests", date(2025, 1, 2), "a page")
    assert price.text == "0.40 per 1,000,000"
    assert load(tmp_path, GOOD)["queue.data"].text == "2"


def test_a_table_knows_the_dates_of_its_oldest_and_newest_price(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD).dates == (date(2024, 5, 6), date(2025, 1, 2))


@pytest.mark.parametrize(
    ("quantity", "amount"), [(0, 0), (5, 10), (10, 20), (15, 25), (20, 30), (30, 35)]
)
def test_a_quantity_is_charged_tier_by_tier(tmp_path: Path, quantity: int, amount: int) -> None:
    assert load(tmp_path, GOOD)["queue.data"].amount(Decimal(quantity)) == amount


def test_an_amount_is_exact(tmp_path: Path) -> None:
    price = load(tmp_path, GOOD)["queue.requests"]
    assert price.amount(Decimal(3)) == Decimal("0.0000012")


def test_a_missing_item_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^mine\.toml has no price for queue\.nodes\.$"):
        load(tmp_path, GOOD)["queue.nodes"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("usd = 0.40", "usd = 0", "queue.requests: usd must be a number above 0."),
        ("usd = 0.40", "usd = -1", "queue.requests: usd must be a number above 0."),
        ("usd = 0.40", 'usd = "0.40"', "queue.requests: usd must be a number above 0."),
        ("usd = 0.40", "usd = true", "queue.requests: usd must be a number above 0."),
        ("usd = 0.40", "usd = inf", "queue.requests: usd must be a number above 0."),
        ("usd = 0.40, ", "", "queue.requests: usd must be a number above 0."),
        ("per = 1_000_000", "per = 0", "queue.requests: per must be a number above 0."),
        ('unit = "requests", ', "", "queue.requests has no unit."),
        ('part = "Queue", usd = 0', 'part = "", usd = 0', "queue.requests has no part."),
        (', source = "page"', "", "queue.requests has no source."),
        ('source = "page"', 'source = "x"', "queue.requests: the source x has no date or no pl"),
        ("date = 2025-01-02, ", "", "queue.requests: the source page has no date or no place."),
        ("above = 10", "above = 30", "queue.data: the tiers are not in order."),
        ("above = 10, usd = 1", "above = 10", "queue.data, tiers: usd must be a number above 0."),
        ("[prices]", "[other]", "mine.toml has no [prices]."),
        ("[prices]", "[prices", "mine.toml is not TOML: "),
        ('"queue.data" = {', '"queue.x" = 1\n"queue.data" = {', "queue.x is not a table of usd"),
    ],
)
def test_a_wrong_entry_is_rejected_by_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    with pytest.raises(BadInput) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    assert message in caught.value.message
    assert "mine.toml" in caught.value.message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.toml cannot be read: No such file"):
        Prices.load(tmp_path / "none.toml")


def test_every_source_of_the_table_is_used() -> None:
    table = FILE.read_text(encoding="utf-8")
    sources, _, prices = table.partition("[prices]")
    names = [line.split(" = ")[0] for line in sources.splitlines() if " = { date" in line]
    assert len(names) > 30
    for name in names:
        assert f'source = "{name}"' in prices, name


def test_a_source_is_a_place_that_can_be_looked_up() -> None:
    for price in Prices.load().items.values():
        assert (
            "infracost" in price.source
            or "." in price.source
            or "AWS Price List" in (price.source)
            or price.source.startswith("public tables")
        ), price.item
        assert date(2022, 1, 1) <= price.date <= date(2026, 12, 31)
