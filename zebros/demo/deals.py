"""Fifteen months of deals as companies have them: busy quarter ends, quiet summers."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from zebros.demo.people import SELLERS, Seller
from zebros.demo.words import LOST_REASONS, TASKS

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
"""New deals by month of the year, relative to an average month."""
_OPEN_STAGES = ((0.25, "lead"), (0.5, "qualified"), (0.8, "proposal"), (9.9, "negotiation"))
"""The stage an open deal is in after a share of the time it will take."""
_LONGEST_DAYS = 150
_SYSTEM = "demo"

Record = dict[str, Any]
Product = tuple[str, str, str, int]


def deals(
    rng: random.Random,
    today: date,
    accounts: Sequence[Record],
    contacts: Sequence[Record],
    products: Sequence[Product],
    count: int,
) -> list[Record]:
    """`count` deals opened since MONTHS ago, oldest first; those whose time has come are closed."""
    by_region: dict[str, list[Record]] = {}
    for account in accounts:
        by_region.setdefault(account["region"], []).append(account)
    people: dict[str, list[Record]] = {}
    for contact in contacts:
        people.setdefault(contact["account_id"], []).append(contact)
    found = []
    for number, opened in enumerate(_openings(rng, today, count), start=1):
        seller = rng.choices(SELLERS, [one.share for one in SELLERS])[0]
        account = rng.choice(by_region[seller.region])
        external = account["external_ids"][_SYSTEM]
        product = rng.choices(products, _appeal(products, account))[0]
        dollars = _worth(rng, product, account)
        found.append(
            {
                "external_ids": {_SYSTEM: f"D{number:04d}"},
                "name": f"{account['name']}: {product[1]}",
                "account_id": external,
                "contact_id": rng.choice(people[external])["external_ids"][_SYSTEM],
                "product_id": product[0],
                "amount": {"minor_units": dollars * 100, "currency": "USD"},
                "opened_on": opened.isoformat(),
                "region": seller.region,
                "owner_id": seller.user_id,
                "team_id": seller.team_id,
                **_course(rng, today, opened, seller, dollars),
            }
        )
    return found


def _openings(rng: random.Random, today: date, count: int) -> list[date]:
    """Working days of the last MONTHS, more in busy months; the business grows by a third."""
    days = [today - timedelta(days=n) for n in range(1, _DAYS)]
    days = [day for day in days if day.weekday() < 5]
    weights = [_SEASON[day.month] * (1.33 - 0.33 * (today - day).days / _DAYS) for day in days]
    return sorted(rng.choices(days, weights, k=count))


def _appeal(products: Sequence[Product], account: Record) -> list[float]:
    """Small companies buy small things: how likely each product is."""
    size = account["employees"]
    return [(price / 1_000 + 0.5) ** (-0.9 if size < 150 else -0.35) for *_, price in products]


def _worth(rng: random.Random, product: Product, account: Record) -> int:
    """Whole dollars: some pieces, a discount for many, rounded as offers are."""
    price = product[3]
    pieces = 1 if price > 5_000 else max(1, round(rng.lognormvariate(1.2, 0.8)))
    pieces *= 2 if account["employees"] > 800 else 1
    discount = 1 - min(0.2, 0.02 * pieces) * rng.random()
    return max(50, round(price * pieces * discount / 10) * 10)


def _course(rng: random.Random, today: date, opened: date, seller: Seller, dollars: int) -> Record:
    """Where the deal stands today."""
    typical = 22 + 9 * max(0.0, (dollars / 1_000) ** 0.5)
    days = max(3, min(_LONGEST_DAYS, round(typical * seller.pace * rng.lognormvariate(0, 0.45))))
    closes = _working_day(opened + timedelta(days=days))
    if closes <= today:
        closed = {"closed_on": closes.isoformat(), "expected_close_on": closes.isoformat()}
        # Large deals are harder to win; the seller's rate is that of an average one.
        if rng.random() < seller.win_rate + 0.03 - 0.06 * min(2.0, dollars / 20_000):
            return {"stage": "won", **closed}
        reasons, weights = zip(*LOST_REASONS, strict=True)
        return {"stage": "lost", "lost_reason": rng.choices(reasons, weights)[0], **closed}
    done = (today - opened).days / days
    stage = next(name for share, name in _OPEN_STAGES if done <= share)
    # Forecasts are guesses: some are early, and a few have passed unnoticed.
    guess = _working_day(closes + timedelta(days=rng.randrange(-12, 25)))
    return {"stage": stage, "expected_close_on": max(guess, opened).isoformat()}


def _working_day(day: date) -> date:
    """The day itself, or the Monday after a weekend."""
    return day + timedelta(days=max(0, 7 - day.weekday()) if day.weekday() > 4 else 0)


def tasks(
    rng: random.Random,
    today: date,
    opportunities: Sequence[Record],
    accounts: Sequence[Record],
    contacts: Sequence[Record],
    count: int,
) -> list[Record]:
    """What sellers have to do about open deals, due around today; what was due is mostly done."""
    names = {one["external_ids"][_SYSTEM]: one["name"] for one in accounts}
    people = {
        one["external_ids"][_SYSTEM]: f"{one['first_name']} {one['last_name']}" for one in contacts
    }
    running = [one for one in opportunities if one["stage"] not in ("won", "lost")]
    found = []
    for number, deal in enumerate(rng.sample(running, min(count, len(running))), start=1):
        due = _working_day(today + timedelta(days=rng.randrange(-5, 11)))
        words = {"account": names[deal["account_id"]], "contact": people[deal["contact_id"]]}
        found.append(
            {
                "key": f"T{number:02d}",
                "title": rng.choice(TASKS).format(**words),
                "due_on": due.isoformat(),
                "assignee_id": deal["owner_id"],
                "about": deal["external_ids"][_SYSTEM],
                "done": due < today and rng.random() < 0.7,
            }
        )
    return found
