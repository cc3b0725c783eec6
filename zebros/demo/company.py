"""The records of the demo company: products, accounts, contacts, opportunities and tasks.

`generate` is a pure function of seed and day. References are external ids of the system `demo`;
loading replaces them by ids of the CRM.
"""

import random
from dataclasses import dataclass
from datetime import date
from typing import Any

from zebros.demo.names import (
    COUNTRIES,
    FAMILY_NAMES,
    FIRST_WORDS,
    GIVEN_NAMES,
    SECTORS,
    TITLES,
)
from zebros.demo.opportunities import opportunities, tasks
from zebros.demo.sellers import SELLERS

SYSTEM = "demo"
ACCOUNTS, CONTACTS, OPPORTUNITIES, TASKS = 60, 150, 900, 28

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DemoCompany:
    """All records, in the order in which they are loaded."""

    today: date
    products: list[Record]
    accounts: list[Record]
    contacts: list[Record]
    opportunities: list[Record]
    tasks: list[Record]


PRODUCTS = (
    # code, name, family, price in dollars
    ("FG-S", "Fathom Gauge S", "Gauges", 380),
    ("FG-M", "Fathom Gauge M", "Gauges", 940),
    ("FG-X", "Fathom Gauge X", "Gauges", 2_450),
    ("LR-1", "Lumen Relay", "Gateways", 1_600),
    ("LR-4", "Lumen Relay Quad", "Gateways", 4_800),
    ("WH-B", "Watchhouse Basic", "Software", 3_000),
    ("WH-P", "Watchhouse Plus", "Software", 9_600),
    ("WH-E", "Watchhouse Enterprise", "Software", 28_000),
    ("SV-I", "Installation", "Services", 5_200),
    ("SV-C", "Care Plan", "Services", 2_100),
)


def generate(seed: int, today: date) -> DemoCompany:
    """The company as of a day."""
    rng = random.Random(seed)  # noqa: S311 - invented data, not secrets
    accounts = _accounts(rng, today)
    contacts = _contacts(rng, accounts)
    sales = opportunities(rng, today, accounts, contacts, PRODUCTS, OPPORTUNITIES)
    buyers = {opportunity["account_id"] for opportunity in sales if opportunity["stage"] == "won"}
    for account in accounts:
        if account["external_ids"][SYSTEM] in buyers and account["kind"] == "prospect":
            account["kind"] = "customer"
    return DemoCompany(
        today=today,
        products=_products(),
        accounts=accounts,
        contacts=contacts,
        opportunities=sales,
        tasks=tasks(rng, today, sales, accounts, contacts, TASKS),
    )


def usd(dollars: int) -> Record:
    """Dollars as money."""
    return {"minor_units": dollars * 100, "currency": "USD"}


def _products() -> list[Record]:
    return [
        {
            "external_ids": {SYSTEM: code},
            "name": name,
            "code": code,
            "family": family,
            "price": usd(dollars),
            "active": True,
        }
        for code, name, family, dollars in PRODUCTS
    ]


def _accounts(rng: random.Random, today: date) -> list[Record]:
    firsts = rng.sample(FIRST_WORDS, ACCOUNTS)
    records = []
    for number, first in enumerate(firsts, start=1):
        sector = rng.choice(list(SECTORS))
        owner = SELLERS[number % len(SELLERS)]
        employees = max(8, round(rng.lognormvariate(5.4, 1.1)))
        name = f"{first} {rng.choice(SECTORS[sector])}"
        records.append(
            {
                "external_ids": {SYSTEM: f"A{number:03d}"},
                "name": name,
                "kind": "prospect" if rng.random() < 0.9 else "partner",
                "sector": sector,
                "country": rng.choice(COUNTRIES[owner.region]),
                "website": f"https://{slug(name)}.example",
                "phone": phone(number),
                "employees": employees,
                "annual_revenue": usd(employees * rng.randrange(90, 320) * 1_000),
                "founded_year": rng.randrange(1948, today.year - 2),
                "region": owner.region,
                "owner_id": owner.user_id,
                "team_id": owner.team_id,
            }
        )
    return records


def _contacts(rng: random.Random, accounts: list[Record]) -> list[Record]:
    """Every account has a contact, larger ones have more; names are unique."""
    pairs = [(first, family) for first in GIVEN_NAMES for family in FAMILY_NAMES]
    names = rng.sample(pairs, CONTACTS)
    weights = [account["employees"] ** 0.5 for account in accounts]
    more = rng.choices(accounts, weights, k=CONTACTS - len(accounts))
    records = []
    for number, (account, (first_name, family_name)) in enumerate(
        zip([*accounts, *more], names, strict=True), start=1
    ):
        host = account["website"].removeprefix("https://")
        records.append(
            {
                "external_ids": {SYSTEM: f"C{number:03d}"},
                "account_id": account["external_ids"][SYSTEM],
                "first_name": first_name,
                "last_name": family_name,
                "emails": [f"{slug(first_name)}.{slug(family_name)}@{host}"],
                "phones": [phone(100 + number)],
                "title": rng.choice(TITLES),
                "consent": {"email": rng.random() < 0.8, "phone": rng.random() < 0.5},
                "owner_id": account["owner_id"],
                "team_id": account["team_id"],
            }
        )
    return records


def slug(name: str) -> str:
    """A name as part of a host name or an e-mail address."""
    return "".join(c if c.isalnum() else "-" for c in name.lower().replace(" & ", "-")).strip("-")


def phone(number: int) -> str:
    """A fictitious number: 555-0100 to 555-0199 are reserved for fiction in all area codes.

    https://www.nationalnanpa.com (555 line numbers)
    """
    areas = ("202", "303", "312", "415", "512", "617", "713", "808")
    return f"+1{areas[number % len(areas)]}55501{number % 100:02d}"
