"""The price table: what AWS charges for a unit, with date and source (prices.toml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from zebros.costs.toml_file import number, read
from zebros.errors import BadInput

FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True)
class Tier:
    """A price in USD that applies above a number of units a month."""

    above: Decimal
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Price:
    """The price of `per` units, in USD."""

    item: str
    part: str
    """The service, as a bill names it."""
    usd: Decimal
    per: Decimal
    unit: str
    source: str
    date: date
    tiers: tuple[Tier, ...] = ()

    @property
    def text(self) -> str:
        """The first tier's price: `0.023`, or `3.50 per 1,000,000`."""
        return str(self.usd) if self.per == 1 else f"{self.usd} per {self.per:,}"

    def amount(self, quantity: Decimal) -> Decimal:
        """What a quantity costs a month, in USD, tier by tier."""
        starts = [Tier(Decimal(0), self.usd), *self.tiers]
        ends = [tier.above for tier in self.tiers] + [quantity]
        return sum(
            (
                max(min(quantity, end) - tier.above, Decimal(0)) * tier.usd / self.per
                for tier, end in zip(starts, ends, strict=True)
            ),
            Decimal(0),
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """All prices of a file, by item."""

    path: Path
    items: Mapping[str, Price]
    used: set[str] = field(default_factory=set, compare=False)
    """The items that were looked up."""

    def __getitem__(self, item: str) -> Price:
        """The price of an item. Raises BadInput when the file has none."""
        if item not in self.items:
            raise BadInput(
                f"{self.path.name} has no price for {item}.",
                hint="Add it with date and source; docs/costs.md says how.",
            )
        self.used.add(item)
        return self.items[item]

    @property
    def dates(self) -> tuple[date, date]:
        """The dates of the oldest and the newest price."""
        found = [price.date for price in self.items.values()]
        return min(found), max(found)

    @classmethod
    def load(cls, path: Path = FILE) -> "Prices":
        """The prices of a file. Raises BadInput for an entry that is not complete."""
        data = read(path)
        sources, items = data.get("sources", {}), data.get("prices", {})
        if not items:
            raise BadInput(f"{path.name} has no [prices].")
        return cls(path, {item: _price(path, item, items[item], sources) for item in items})


def _price(path: Path, item: str, entry: Any, sources: dict[str, Any]) -> Price:
    wrong = f"{path.name}: {item}"
    if not isinstance(entry, dict):
        raise BadInput(f"{wrong} is not a table of usd, per, unit, part and source.")
    for name in ("part", "unit", "source"):
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise BadInput(f"{wrong} has no {name}.")
    source = sources.get(entry["source"], {})
    if not source.get("where") or not isinstance(source.get("date"), date):
        raise BadInput(f"{wrong}: the source {entry['source']} has no date or no place.")
    tiers = tuple(
        Tier(_positive(f"{wrong}, tiers", tier, "above"), _positive(f"{wrong}, tiers", tier, "usd"))
        for tier in entry.get("tiers", [])
    )
    if list(tiers) != sorted(tiers, key=lambda tier: tier.above):
        raise BadInput(f"{wrong}: the tiers are not in order.")
    return Price(
        item,
        entry["part"],
        _positive(wrong, entry, "usd"),
        _positive(wrong, entry, "per"),
        entry["unit"],
        source["where"],
        source["date"],
        tiers,
    )


def _positive(wrong: str, entry: dict[str, Any], name: str) -> Decimal:
    value = number(entry.get(name))
    if value is None or value <= 0:
        raise BadInput(f"{wrong}: {name} must be a number above 0.")
    return value
