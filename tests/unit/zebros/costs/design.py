"""A load of exactly the given numbers, and systems of hand-made resources."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from zebros.cloudformation import Resource, System
from zebros.costs.bill import charges
from zebros.costs.charges import Design
from zebros.costs.usage import Assumption, Rule, Usage

FOLDER = Path("template.yaml")
BASE = {
    "users": 100,
    "working_days": 20,
    "business_hours": "18.25",  # 365 of 730 hours: half of the month is busy
    "requests_per_user_and_day": 500,  # 1,000,000 requests a month
    "write_share": "0.2",
    "events_per_write": 2,
    "reports_per_user": 10,
    "scaling_use": "0.5",
    "secondary_share": "0.1",
}
"""1,000,000 requests (200,000 writes), 400,000 events, 1,000 reports, 2,000 sessions a month."""


def rule(match: str = "*", calls: str = "once", **numbers: float | str) -> Rule:
    """A rule of a kind's resources."""
    return Rule(match, {n: Decimal(str(v)) for n, v in numbers.items()}, "because", calls)


def usage(
    phase: str = "growth",
    role: str = "primary",
    rules: dict[str, Rule] | None = None,
    **values: float | str,
) -> Usage:
    """A load with these assumptions and no others than BASE."""
    assumed = {
        name: Assumption(name, Decimal(str(value)), "units", "because")
        for name, value in (BASE | values).items()
    }
    found = {kind: (one,) for kind, one in (rules or {}).items()}
    return Usage(phase, role, assumed, found, {})


def system(**resources: tuple[str, dict[str, Any]]) -> System:
    """A system of these resources: name=(type, properties)."""
    made = {
        name: Resource(kind, properties, "zebros", FOLDER)
        for name, (kind, properties) in resources.items()
    }
    return System({}, made)


def charged(
    name: str, load: Usage | None = None, **resources: tuple[str, dict[str, Any]]
) -> dict[str, Decimal]:
    """What one of the resources is charged for: quantities by item."""
    found: dict[str, Decimal] = {}
    for charge in charges(name, Design(system(**resources), load or usage())):
        found[charge.item] = found.get(charge.item, Decimal(0)) + charge.quantity
    return found


def one(kind: str, load: Usage | None = None, **properties: Any) -> dict[str, Decimal]:
    """What a system of one resource is charged for."""
    return charged("One", load, One=(kind, properties))
