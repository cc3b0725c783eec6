"""Advice and bill for a real year of sales: the public sales data."""

import csv
import os
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from scaling.model.advice import LAST_DAYS, advise
from scaling.model.advice_text import system_sentences, tenant_sentences
from scaling.model.bill import bill_of
from scaling.model.phases import Urgency
from scaling.model.tiers import Metric, Tier
from scaling.model.usage import DayOfUsage, Meter

FOLDER = (
    Path(os.environ.get("ZEBROS_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data")
    / "crm-sales-opportunities"
)
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the public sales data is not here; set ZEBROS_SHARED_DATA"
)
_MB_AN_OPPORTUNITY = Decimal("0.01")
"""A record of 1 KB, its events and its entries on timelines."""


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def sales_days(until: date) -> list[DayOfUsage]:
    """The days of the data until a day: who has sold, to whom, and how many opportunities.

    A seller or an account counts from the first opportunity on, an opportunity from the day on
    which it was engaged; it is changed on that day and on the one on which it is closed.
    """
    return list(_days(until))


def _days(until: date) -> Iterator[DayOfUsage]:
    deals = [one for one in rows("sales_pipeline") if one["engage_date"]]
    engaged = sorted(deals, key=lambda one: one["engage_date"])
    changes: Counter[date] = Counter()
    active: dict[date, set[str]] = {}
    for one in deals:
        for name in ("engage_date", "close_date"):
            if one[name]:
                day = date.fromisoformat(one[name])
                changes[day] += 1
                active.setdefault(day, set()).add(one["sales_agent"])
    sellers: set[str] = set()
    accounts: set[str] = set()
    day, place = date.fromisoformat(engaged[0]["engage_date"]), 0
    while day <= until:
        while place < len(engaged) and engaged[place]["engage_date"] <= day.isoformat():
            sellers.add(engaged[place]["sales_agent"])
            accounts.add(engaged[place]["account"])
            place += 1
        values = {
            Meter.USERS: Decimal(len(sellers)),
            Meter.CUSTOMERS: Decimal(len(accounts - {""})),
            Meter.OPPORTUNITIES: Decimal(place),
            Meter.DATA_MB: place * _MB_AN_OPPORTUNITY,
        }
        if changes[day]:
            values |= {
                Meter.ACTIVE_USERS: Decimal(len(active[day])),
                Meter.REQUESTS: Decimal(changes[day]),
            }
        yield DayOfUsage(day, values)
        day += timedelta(days=1)


def test_a_few_weeks_after_the_start_the_tier_is_not_that_of_the_users() -> None:
    today = date(2016, 12, 15)
    found = advise({"sales": sales_days(today)[-LAST_DAYS:]}, "startup", today)
    (tenant,) = found.tenants
    metrics = {one.metric: one for one in tenant.evidence}
    assert metrics[Metric.USERS].value == found.system.users
    assert metrics[Metric.USERS].tier is Tier.GROWING
    assert metrics[Metric.CUSTOMERS].tier is Tier.STARTUP
    print(*tenant_sentences(tenant, found.system), sep="\n")


def test_after_the_year_growth_is_advised_and_not_more() -> None:
    today = date(2017, 12, 31)
    days = sales_days(today)
    found = advise({"sales": days[-LAST_DAYS:]}, "startup", today)
    system, (tenant,) = found.system, found.tenants
    print(*system_sentences(system), *tenant_sentences(tenant, system), sep="\n")
    values = {one.metric: one.value for one in tenant.evidence}
    assert values == {
        Metric.USERS: 30,
        Metric.CUSTOMERS: 85,
        Metric.OPPORTUNITIES: 8300,  # 500 are prospects without a day
        Metric.DATA_MB: 83,
    }
    tiers = {one.metric: one.tier for one in tenant.evidence}
    assert tiers == {
        Metric.USERS: Tier.GROWING,
        Metric.CUSTOMERS: Tier.STARTUP,
        Metric.OPPORTUNITIES: Tier.ENTERPRISE,
        Metric.DATA_MB: Tier.STARTUP,
    }
    assert tenant.tier is Tier.ENTERPRISE
    assert (system.urgency, system.target) == (Urgency.NOW, "growth")
    assert system.after > system.before
    enterprise = next(one for one in system.options if one.phase == "enterprise")
    assert "The tier by opportunities is enterprise" in enterprise.reason


def test_the_real_year_s_bill_adds_up() -> None:
    today = date(2017, 12, 1)
    found = bill_of({"sales": sales_days(today)}, "growth", date(2017, 11, 1), today, "operator")
    assert sum(found.of_features().values()) == sum(found.causes.values()) == found.cents
    assert found.causes["fixed"] > found.cents * 0.99, "sales of 30 people are a small load"
    print(found)
