"""Fifteen months of opportunities: many at the end of a quarter, few in summer."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from zebros.demo.names import LOST_REASONS, TASKS
from zebros.demo.sellers import SELLERS, Seller

MONTHS = 15
_DAYS = MONTHS * 30
_SEASON = {
    1: 0.8,
    2: 0.9,
    3: 1.25,
    4: 0.9,
    5: 1.0,
    6: 1.3,
    7: 0.75,
    8: 0.6,
    9: 1.25,
    10: 1.1,
    11: 1.1,
    12: 0.9,
}
"""New opportunities by month of the year, relative to an average month."""
_OPEN_STAGES = ((0.25, "lead"), (0.5, "qualified"), (0.8, "proposal"), (9.9, "negotiation"))
"""The stages of an open opportunity; each lasts until this share of its duration has passed."""
_LONGEST_DAYS = 150
_SYSTEM = "demo"

Record = dict[str, Any]
Product = tuple[str, str, str, int]


def opportunities(
    rng: random.Random,
    today: date,
    accounts: Sequence[Record],
    contacts: Sequence[Record],
    products: Sequence[Product],
    count: int,
) -> list[Record]:
    """`count` opportunities opened within MONTHS, oldest first."""
    by_region: dict[str, list[Record]] = {}
    for account in accounts:
        by_region.setdefault(account["region"], []).append(account)
    contacts_of: dict[str, list[Record]] = {}
    for contact in contacts:
        contacts_of.setdefault(contact["account_id"], []).append(contact)
    records = []
    for number, opened in enumerate(_opening_days(rng, today, count), start=1):
        seller = rng.choices(SELLERS, [one.share for one in SELLERS])[0]
        account = rng.choice(by_region[seller.region])
        external = account["external_ids"][_SYSTEM]
        product = rng.choices(products, _weights(products, account))[0]
        dollars = _amount(rng, product, account)
        records.append(
            {
                "external_ids": {_SYSTEM: f"D{number:04d}"},
                "name": f"{account['name']}: {product[1]}",
                "account_id": external,
                "contact_id": rng.choice(contacts_of[external])["external_ids"][_SYSTEM],
                "product_id": product[0],
                "amount": {"minor_units": dollars * 100, "currency": "USD"},
                "opened_on": opened.isoformat(),
                "region": seller.region,
                "owner_id": seller.user_id,
                "team_id": seller.team_id,
                **_progress(rng, today, opened, seller, dollars),
            }
        )
    return records


def _opening_days(rng: random.Random, today: date, count: int) -> list[date]:
    """Working days within MONTHS, by season; their number grows by a third."""
    days = [today - timedelta(days=n) for n in range(1, _DAYS)]
    days = [day for day in days if day.weekday() < 5]
    weights = [_SEASON[day.month] * (1.33 - 0.33 * (today - day).days / _DAYS) for day in days]
    return sorted(rng.choices(days, weights, k=count))


def _weights(products: Sequence[Product], account: Record) -> list[float]:
    """How likely each product is: small companies buy cheaper ones."""
    size = account["employees"]
    return [(price / 1_000 + 0.5) ** (-0.9 if size < 150 else -0.35) for *_, price in products]


def _amount(rng: random.Random, product: Product, account: Record) -> int:
    """Dollars: a quantity with a discount, rounded to tens."""
    price = product[3]
    quantity = 1 if price > 5_000 else max(1, round(rng.lognormvariate(1.2, 0.8)))
    quantity *= 2 if account["employees"] > 800 else 1
    discount = 1 - min(0.2, 0.02 * quantity) * rng.random()
    return max(50, round(price * quantity * discount / 10) * 10)


def _progress(
    rng: random.Random, today: date, opened: date, seller: Seller, dollars: int
) -> Record:
    """The stage of the opportunity today, with its dates."""
    typical = 22 + 9 * max(0.0, (dollars / 1_000) ** 0.5)
    days = max(
        3, min(_LONGEST_DAYS, round(typical * seller.duration * rng.lognormvariate(0, 0.45)))
    )
    closes = _working_day(opened + timedelta(days=days))
    if closes <= today:
        closed = {"closed_on": closes.isoformat(), "expected_close_on": closes.isoformat()}
        # Large opportunities are won less often; the seller's rate is that of an average one.
        if rng.random() < seller.win_rate + 0.03 - 0.06 * min(2.0, dollars / 20_000):
            return {"stage": "won", **closed}
        reasons, weights = zip(*LOST_REASONS, strict=True)
        return {"stage": "lost", "lost_reason": rng.choices(reasons, weights)[0], **closed}
    fraction = (today - opened).days / days
    stage = next(name for share, name in _OPEN_STAGES if fraction <= share)
    # Expected dates are inaccurate, and a few are in the past.
    expected = _working_day(closes + timedelta(days=rng.randrange(-12, 25)))
    return {"stage": stage, "expected_close_on": max(expected, opened).isoformat()}


def _working_day(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def tasks(
    rng: random.Random,
    today: date,
    sales: Sequence[Record],
    accounts: Sequence[Record],
    contacts: Sequence[Record],
    count: int,
) -> list[Record]:
    """Tasks about open opportunities, due around today; most of those due are completed."""
    account_names = {account["external_ids"][_SYSTEM]: account["name"] for account in accounts}
    contact_names = {
        contact["external_ids"][_SYSTEM]: f"{contact['first_name']} {contact['last_name']}"
        for contact in contacts
    }
    open_ = [one for one in sales if one["stage"] not in ("won", "lost")]
    records = []
    for number, opportunity in enumerate(rng.sample(open_, min(count, len(open_))), start=1):
        due = _working_day(today + timedelta(days=rng.randrange(-5, 11)))
        names = {
            "account": account_names[opportunity["account_id"]],
            "contact": contact_names[opportunity["contact_id"]],
        }
        records.append(
            {
                "key": f"T{number:02d}",
                "title": rng.choice(TASKS).format(**names),
                "due_on": due.isoformat(),
                "assignee_id": opportunity["owner_id"],
                "opportunity": opportunity["external_ids"][_SYSTEM],
                "done": due < today and rng.random() < 0.7,
            }
        )
    return records
