"""What a phase costs a month, by feature and by what causes the cost.

From moves.json, which is generated from the resolved templates and the price table: what is paid
without any use, and what each driver adds at some quantities of it; between them and beyond the
last one along straight lines. Drivers add up, because no price of the system depends on two.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "moves.json"


class Feature(StrEnum):
    """What a cost is for."""

    CUSTOMERS = "customers"
    OPPORTUNITIES = "opportunities"
    ACTIVITIES = "activities"
    REPORTS = "reports"
    IMPORTS = "imports"
    NOTIFICATIONS = "notifications"
    PLATFORM = "platform"
    """What all features use: API, sign-in, network, caches, keys, monitoring, this context."""


class Driver(StrEnum):
    """What makes a cost grow; each is metered by tenant."""

    CHANGES = "changes"
    """Changes in a month, with the reads, events and projections that go with them: a fixed number
    of each, as zebros/costs/usage.toml assumes."""
    USER_DAYS = "user_days"
    """Days on which a user changed something, of all users, in a month."""
    REPORT_SECONDS = "report_seconds"
    """Seconds of reports in a month."""
    DATA_MB = "data_mb"
    """Stored data, in MB of 1,000,000 bytes."""


type Load = Mapping[Driver, Decimal]
"""How much of each driver; absent is none."""
type Amounts = dict[Feature, Decimal]
"""USD a month."""


@cache
def document() -> dict[str, Any]:
    """The generated file; its fractions are exact."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"), parse_float=Decimal)
    return found


def fixed(phase: str) -> Amounts:
    """What is paid without any use. Raises KeyError for an unknown phase."""
    return _amounts(document()["costs"][phase]["fixed"])


def added(phase: str, driver: Driver, quantity: Decimal) -> Amounts:
    """What a quantity of a driver adds."""
    curve = document()["costs"][phase]["added"][driver]
    pairs = list(pairwise(curve))
    lower, upper = next((pair for pair in pairs if quantity <= pair[1]["at"]), pairs[-1])
    start, end = _amounts(lower["usd"]), _amounts(upper["usd"])
    part = (quantity - lower["at"]) / (Decimal(upper["at"]) - lower["at"])
    return {one: start[one] + (end[one] - start[one]) * part for one in Feature}


def monthly(phase: str, load: Load) -> Decimal:
    """USD of everything."""
    several = [fixed(phase), *(added(phase, one, load.get(one, Decimal(0))) for one in Driver)]
    return sum((sum(one.values(), Decimal(0)) for one in several), Decimal(0))


def _amounts(given: Mapping[str, Decimal]) -> Amounts:
    return {one: Decimal(given.get(one, 0)) for one in Feature}
