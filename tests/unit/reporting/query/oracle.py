"""The expected figures of a report, computed simply and without code of the engine."""

from collections import defaultdict
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from tests.unit.reporting.query.synthetic import STAGES, instant

type Rows = dict[tuple[Any, ...], tuple[Any, ...]]


def expected(
    events: list[dict[str, Any]],
    report: str,
    by: str,
    *,
    start: str | None = None,
    end: str | None = None,
    currency: str | None = None,
    as_of: datetime | None = None,
) -> tuple[Rows, Rows]:
    """Rows and totals: {(group..., currency): measures}; without currency for win_rate."""
    known = [f for f in events if as_of is None or f["time"] <= instant(as_of)]
    state: dict[str, dict[str, Any]] = {}
    for event in sorted(known, key=lambda f: (f["time"], int(f["sequence"]))):
        state[event["subject"]] = event["data"]["current"]
    chosen = []
    for subject, opportunity in state.items():
        if not subject.startswith("opportunity/") or "archived_at" in opportunity:
            continue
        status = opportunity["status"]
        if status == "open" and opportunity["forecast_category"] == "omitted":
            continue
        if report == "pipeline_by_stage" and status != "open":
            continue
        if report == "win_rate" and status == "open":
            continue
        day = opportunity.get("expected_close_on" if status == "open" else "closed_on")
        if (start or end) and day is None:
            continue
        if (start and day < start) or (end and day > end):
            continue
        if currency and opportunity.get("amount", {}).get("currency") != currency:
            continue
        chosen.append((_group(by, opportunity, day, state), opportunity))
    if report == "win_rate":
        money: dict[int, str | None] = {}
    else:
        currencies = {d["amount"]["currency"] for _, d in chosen if "amount" in d}
        alone = currencies.pop() if len(currencies) == 1 else None
        money = {id(d): d.get("amount", {}).get("currency", alone) for _, d in chosen}
    rows: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    totals: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for group, opportunity in chosen:
        tail = () if report == "win_rate" else (money[id(opportunity)],)
        rows[(*group, *tail)].append(opportunity)
        totals[("Total", *([""] * (len(group) - 1)), *tail)].append(opportunity)
    if not totals:
        blanks = [""] if by == "stage" else []
        totals[("Total", *blanks, *(() if report == "win_rate" else (currency,)))] = []
    return _measured(report, rows), _measured(report, totals)


def _group(
    by: str, opportunity: dict[str, Any], day: str | None, state: dict[str, Any]
) -> tuple[str, ...]:
    match by:
        case "none":
            return ("All deals",)
        case "stage":
            place = state.get(f"pipeline/{opportunity['pipeline_id']}")
            names = {stage["key"]: stage["name"] for stage in STAGES}
            if place is None:
                return (opportunity["pipeline_id"], opportunity["stage_name"])
            return (place["name"], names[opportunity["stage"]])
        case "month":
            return (day[:7] if day else "(none)",)
        case "product":
            product = opportunity.get("product_id")
            return (state.get(f"product/{product}", {}).get("name", product) or "(none)",)
        case "sector":
            account = state.get(f"account/{opportunity.get('account_id')}", {})
            return (account.get("sector") or "(none)",)
        case "region":
            return (opportunity.get("region") or "(none)",)
        case _:
            return (opportunity.get(f"{by}_id") or "(none)",)


def _measured(report: str, groups: dict[tuple[Any, ...], list[dict[str, Any]]]) -> Rows:
    return {key: _measures(report, deals) for key, deals in groups.items()}


def _measures(report: str, deals: list[dict[str, Any]]) -> tuple[Any, ...]:
    of = {s: [d for d in deals if d["status"] == s] for s in ("open", "won", "lost")}
    amount = {s: sum(_amount(d) for d in ds) for s, ds in of.items()}
    won, lost = len(of["won"]), len(of["lost"])
    if report == "win_rate":
        rate = Fraction(won, won + lost) if won + lost else None
        return won, lost, won + lost, rate if rate is None else _round(rate, "0.0001")
    if report == "pipeline_by_stage":
        weighted = sum(
            int(_round(Fraction(_amount(d) * d["probability"], 100))) for d in of["open"]
        )
        return len(of["open"]), amount["open"], weighted
    average = int(_round(Fraction(amount["won"], won))) if won else None
    return won, amount["won"], average, lost, len(of["open"]), amount["open"]


def _amount(opportunity: dict[str, Any]) -> int:
    return int(opportunity.get("amount", {}).get("minor_units", 0))


def _round(value: Fraction, step: str = "1") -> Decimal:
    """Rounded half away from zero, from a quotient with many more digits."""
    return (Decimal(value.numerator) / value.denominator).quantize(Decimal(step), ROUND_HALF_UP)
