"""Generates services/scaling/moves.json: what phases cost and what moves between them do.

Functions cannot read templates. The file has, from the resolved templates, the monthly cost of each
phase by feature and by what drives it, and for each move what `zebros phase plan` says.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import yaml

from scaling.model.costs import Driver, Feature
from tests.template.stack import EVERYTHING
from tools.drift import ROOT, as_json, main
from tools.mappings import STRATEGY
from zebros.cloudformation import System, resolve
from zebros.cloudformation.difference import Change, Effect, difference
from zebros.cloudformation.phases import limits
from zebros.costs import Prices, Usage
from zebros.costs.bill import account_charges, charges
from zebros.costs.charges import Charge, Design
from zebros.phases import PHASES

FILE = ROOT / "services/scaling/moves.json"
FEATURES = {
    "Customers": Feature.CUSTOMERS,
    "Opportunities": Feature.OPPORTUNITIES,
    "Activities": Feature.ACTIVITIES,
    "Reporting": Feature.REPORTS,
    "Imports": Feature.IMPORTS,
    "Worker/ImportWorker": Feature.IMPORTS,
    "Worker": Feature.REPORTS,
    "Notifications": Feature.NOTIFICATIONS,
    "WebSocket": Feature.NOTIFICATIONS,
    **dict.fromkeys(
        ("ApiEdge", "Edge", "Identity", "Monitoring", "RestApi", "Scaling", "Servers", "Shared"),
        Feature.PLATFORM,
    ),
}
"""The feature of a stack below the root, by its path; the root's own are the platform's."""
_OF_DRIVER = {
    Driver.CHANGES: ("requests_per_user_and_day",),
    Driver.USER_DAYS: ("network_gb", "balancer_units", "database_gb", "database_io"),
    Driver.REPORT_SECONDS: ("reports_per_user",),
    Driver.DATA_MB: ("data_gb", "data_growth_gb", "files_gb", "files_growth_gb"),
}
"""The assumptions of usage.toml that grow with a driver."""
_USERS = (0, 5, 25, 50, 100, 175, 250, 500, 1000, 2500, 5000, 10000)
"""The loads at which the costs are computed; between them they are straight lines."""
_NOBODY = Decimal("1e-12")
"""In place of no users: requests and reports are given for each user."""
_MB_A_GB = Decimal(1024**3) / 1_000_000
_SIMULATION = ROOT / "docs" / "simulation.md"
_CARRIED = re.compile(r"^\| (\w+) \| [\d,]+ \| ([\d,]+) \|", re.M)
"""A row of the table of headroom: the phase, what it is made for, and the users it carries."""
_STRAIGHT = Decimal("1e-9")
_PLACES = 6
type Amounts = dict[Feature, Decimal]


def driven(load: Usage, times: Mapping[Driver, Decimal]) -> Usage:
    """The load with each driver so many times what it is; 0 for those that are absent."""
    changed = dict(load.assumptions)
    people = times.get(Driver.USER_DAYS, Decimal(0)) or _NOBODY
    changed["users"] = replace(changed["users"], value=changed["users"].value * people)
    for driver, names in _OF_DRIVER.items():
        factor = times.get(driver, Decimal(0))
        if driver in (Driver.CHANGES, Driver.REPORT_SECONDS):
            factor /= people
        for name in names:
            changed[name] = replace(changed[name], value=changed[name].value * factor)
    return replace(load, assumptions=changed, used=set())


def quantity(driver: Driver, load: Usage) -> Decimal:
    """How much of a driver a load has in a month."""
    match driver:
        case Driver.CHANGES:
            return load.writes
        case Driver.USER_DAYS:
            return load.sessions
        case Driver.REPORT_SECONDS:
            made = load.rule("functions", "ReportingAnalytics").numbers
            return load.reports * (made["cpu_ms"] + made["wait_ms"]) / 1000
        case Driver.DATA_MB:
            return load.data_gb * _MB_A_GB


def amounts(system: System, load: Usage, prices: Prices) -> Amounts:
    """USD a month of each feature: an item's amount in proportion to what each causes of it."""
    found: dict[str, dict[Feature, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for feature, charge in _charges(Design(system, load)):
        found[charge.item][feature] += charge.quantity
    costs: Amounts = dict.fromkeys(Feature, Decimal(0))
    for item, quantities in found.items():
        total = sum(quantities.values())
        amount = prices[item].amount(total) if total else Decimal(0)
        for feature, part in quantities.items():
            costs[feature] += amount * part / total if total else 0
    return costs


def _charges(design: Design) -> Iterator[tuple[Feature, Charge]]:
    for name, resource in design.system.resources.items():
        for charge in charges(name, design):
            yield feature_of(resource.stack), charge
    for charge in account_charges(design):
        yield Feature.PLATFORM, charge


def feature_of(stack: str) -> Feature:
    """The feature of a stack by its path, such as zebros/Customers/CustomersStore."""
    _, below, rest = stack.partition("/")
    if not below:
        return Feature.PLATFORM
    parts = rest.split("/")
    for name in ("/".join(parts[:2]), parts[0]):
        if name in FEATURES:
            return FEATURES[name]
    raise SystemExit(f"tools/scaling_moves.py: the stack {parts[0]} has no feature in FEATURES")


def costs(phase: str, prices: Prices) -> dict[str, Any]:
    """What a phase costs: what is fixed, and what each driver adds at some quantities of it."""
    load = Usage.load(phase)
    system = resolve(ROOT / "template.yaml", {"Phase": phase, **load.parameters})
    fixed = amounts(system, driven(load, {}), prices)
    added = {driver: _curve(driver, system, load, prices, fixed) for driver in Driver}
    return {"fixed": _rounded(fixed), "added": added}


def _curve(
    driver: Driver, system: System, load: Usage, prices: Prices, fixed: Amounts
) -> list[dict[str, Any]]:
    design, points = quantity(driver, load), []
    for users in _USERS:
        times = Decimal(users) / load.users
        found = amounts(system, driven(load, {driver: times}), prices)
        more = {feature: found[feature] - fixed[feature] for feature in Feature}
        points.append((design * times, more))
    return [{"at": _round(at), "usd": _rounded(usd)} for at, usd in _bends(points)]


def _bends(points: list[tuple[Decimal, Amounts]]) -> list[tuple[Decimal, Amounts]]:
    """The first and the last point, and those at which any line changes its slope."""
    kept = [points[0]]
    for place in range(1, len(points) - 1):
        slopes = [_slope(points[place + way], points[place + way + 1]) for way in (-1, 0)]
        if any(abs(slopes[0][one] - slopes[1][one]) > _STRAIGHT for one in Feature):
            kept.append(points[place])
    return [*kept, points[-1]]


def _slope(one: tuple[Decimal, Amounts], other: tuple[Decimal, Amounts]) -> Amounts:
    return {name: (other[1][name] - one[1][name]) / (other[0] - one[0]) for name in Feature}


def move(before: System, after: System) -> dict[str, Any]:
    """What `zebros phase plan` says about a move."""
    changes = difference(before, after)
    return {
        "added": _count(changes, Effect.ADDED),
        "changed": _count(changes, Effect.CHANGED) + _count(changes, Effect.NEW_VERSION),
        "removed": _names(changes, Effect.REMOVED),
        "kept": _names(changes, Effect.KEPT),
        "replaced": _names(changes, Effect.REPLACED, Effect.MAYBE_REPLACED),
        "data_touched": sorted(one.name for one in changes if one.holds_data),
        "data_lost": sorted(one.name for one in changes if one.loses_data),
        "limits": sorted(limits(changes, before, after)),
        "workers_restart": any(one.name.endswith("WorkerTask") for one in changes),
    }


def _count(changes: list[Change], effect: Effect) -> int:
    return sum(one.effect is effect for one in changes)


def _names(changes: list[Change], *effects: Effect) -> list[str]:
    return sorted(one.name for one in changes if one.effect in effects)


def _needs(phase: str) -> list[str]:
    """Parameters that the phase needs, which have no default."""
    return sorted(set(Usage.load(phase).parameters) - set(Usage.load(PHASES[0]).parameters))


def _carries() -> dict[str, int]:
    """The users that the sizes of each phase carry in the simulation."""
    table = _SIMULATION.read_text(encoding="utf-8").partition("<!-- end of headroom -->")[0]
    return {phase: int(users.replace(",", "")) for phase, users in _CARRIED.findall(table)}


def _capacity(kind: str, prices: Prices) -> dict[str, float]:
    request = prices[f"dynamodb.{kind}_requests"]
    hour = prices[f"dynamodb.{kind}_capacity"]
    return {"request": float(request.usd / request.per), "unit_hour": float(hour.usd / hour.per)}


def render() -> dict[Path, str]:
    """The file."""
    prices = Prices.load()
    strategy = yaml.safe_load(STRATEGY.read_text(encoding="utf-8"))
    options = {name: value for name, value in EVERYTHING.items() if name != "Phase"}
    systems = {one: resolve(ROOT / "template.yaml", {**options, "Phase": one}) for one in PHASES}
    oldest, newest = prices.dates
    document = {
        "costs": {phase: costs(phase, prices) for phase in PHASES},
        "needs": {phase: _needs(phase) for phase in PHASES},
        "moves": {
            f"{origin} to {target}": move(systems[origin], systems[target])
            for origin, target in permutations(PHASES, 2)
        },
        "carries": _carries(),
        "prices": {
            "oldest": str(oldest),
            "newest": str(newest),
            **{kind: _capacity(kind, prices) for kind in ("read", "write")},
        },
        "ranges": {
            f"{name}Table": {"low": one["Min"], "high": one["Max"]}
            for name, one in strategy["Capacity"].items()
        },
        "billing": {phase: one["BillingMode"] for phase, one in strategy["Tables"].items()},
        "utilisation": strategy["Autoscaling"]["Tables"]["Utilization"],
    }
    return {FILE: as_json(document)}


def _round(value: Decimal) -> float:
    return float(round(value, _PLACES))


def _rounded(usd: Amounts) -> dict[str, float]:
    return {feature: found for feature in Feature if (found := _round(usd[feature]))}


if __name__ == "__main__":
    main(render(), "make contracts")
