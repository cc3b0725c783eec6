"""The demo company depends only on seed and day, and has plausible figures."""

import json
import os
import re
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zebros.client.api import Client, StaticToken
from zebros.demo import SEED, generate, load
from zebros.demo.opportunities import MONTHS
from zebros.demo.sellers import SELLERS
from zebros.errors import CliError

TODAY = date(2026, 3, 10)
DAYS = st.dates(date(2025, 1, 1), date(2035, 12, 31))
SHARED = os.environ.get("ZEBROS_SHARED_DATA", Path(__file__).parents[5] / "shared" / "data")
DATA = Path(SHARED) / "crm-sales-opportunities"


def test_the_same_seed_and_day_give_the_same_company() -> None:
    assert generate(SEED, TODAY) == generate(SEED, TODAY)
    assert generate(SEED, TODAY) != generate(SEED + 1, TODAY)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), today=DAYS)
def test_every_company_is_consistent(seed: int, today: date) -> None:
    company = generate(seed, today)
    assert len(company.accounts) == 60
    assert len(company.contacts) == 150
    assert len(company.products) == 10
    assert len(company.opportunities) == 900
    accounts = {one["external_ids"]["demo"] for one in company.accounts}
    contacts = {one["external_ids"]["demo"]: one["account_id"] for one in company.contacts}
    products = {one["external_ids"]["demo"] for one in company.products}
    assert len(accounts) == 60
    assert len(contacts) == 150
    assert set(contacts.values()) == accounts
    opportunities = {one["external_ids"]["demo"]: one for one in company.opportunities}
    assert len(opportunities) == 900
    for one in opportunities.values():
        assert contacts[one["contact_id"]] == one["account_id"]
        assert one["product_id"] in products
        assert one["amount"]["minor_units"] > 0
        opened = date.fromisoformat(one["opened_on"])
        assert today - timedelta(days=31 * MONTHS) < opened < today
        assert ("closed_on" in one) == (one["stage"] in ("won", "lost"))
        assert ("lost_reason" in one) == (one["stage"] == "lost")
        if "closed_on" in one:
            assert opened <= date.fromisoformat(one["closed_on"]) <= today
    for task in company.tasks:
        assert opportunities[task["opportunity"]]["stage"] not in ("won", "lost")
        assert abs((date.fromisoformat(task["due_on"]) - today).days) < 14
        assert not task["done"] or date.fromisoformat(task["due_on"]) < today


def test_about_three_of_five_opportunities_are_won_and_sellers_differ() -> None:
    closed = [one for one in generate(SEED, TODAY).opportunities if "closed_on" in one]
    rate = sum(one["stage"] == "won" for one in closed) / len(closed)
    assert 0.55 <= rate <= 0.65
    by_seller = {
        seller.user_id: [
            one["stage"] == "won" for one in closed if one["owner_id"] == seller.user_id
        ]
        for seller in SELLERS
    }
    rates = [sum(won) / len(won) for won in by_seller.values()]
    assert max(rates) - min(rates) > 0.1


def test_there_are_seasons_open_stages_and_three_teams() -> None:
    company = generate(SEED, TODAY)
    stages = Counter(one["stage"] for one in company.opportunities)
    assert all(stages[stage] >= 10 for stage in ("lead", "qualified", "proposal", "negotiation"))
    assert {one["team_id"] for one in company.opportunities} == {
        "americas",
        "europe",
        "asia-pacific",
    }
    opened = Counter(one["opened_on"][5:7] for one in company.opportunities)
    assert opened["06"] > 1.5 * opened["08"]


def test_no_address_or_phone_number_is_real() -> None:
    company = generate(SEED, TODAY)
    for contact in company.contacts:
        assert all(mail.endswith(".example") for mail in contact["emails"])
        assert all(re.fullmatch(r"\+1\d{3}55501\d\d", phone) for phone in contact["phones"])


@pytest.mark.skipif(not DATA.is_dir(), reason="the public data set is not beside the checkout")
def test_no_name_is_taken_from_the_public_data_set() -> None:
    text = " ".join(file.read_text(encoding="utf-8") for file in DATA.glob("*.csv")).casefold()
    company = generate(SEED, TODAY)
    names = [
        *(one["name"] for one in company.accounts + company.products),
        *(f"{one['first_name']} {one['last_name']}" for one in company.contacts),
        *(seller.name for seller in SELLERS),
    ]
    assert [name for name in names if name.casefold() in text] == []


class Crm:
    """Stores what is loaded; can fail after some requests."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.done: set[str] = set()
        self.posts = 0
        self.fails_after: int | None = None

    def client(self) -> Client:
        return Client(
            "http://crm.test",
            StaticToken("t"),
            transport=httpx.MockTransport(self.handle),
            sleep=lambda _: None,
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.split("/")[1]
        if request.method == "GET":
            found = self.records.get(kind, {}).get(request.url.params["external_id"])
            return httpx.Response(200, json={"items": [found] if found else []})
        if self.fails_after is not None and self.posts >= self.fails_after:
            return httpx.Response(403, json={"title": "Not allowed"})
        self.posts += 1
        body = json.loads(request.content or b"null")
        if request.method == "PATCH":
            (record,) = (
                r for r in self.records[kind].values() if r["id"] == request.url.path.split("/")[2]
            )
            record["custom_fields"] |= body["custom_fields"]
            return httpx.Response(200, json=record)
        if request.url.path.endswith("/complete"):
            self.done.add(request.url.path.split("/")[2])
            return httpx.Response(200, json={})
        if kind == "tasks":
            key = request.headers["Idempotency-Key"]
            task = self.tasks.setdefault(key, {**body, "id": f"T{len(self.tasks)}"})
            return httpx.Response(201, json=task)
        return self.batch(kind, body["items"])

    def batch(self, kind: str, items: list[dict[str, Any]]) -> httpx.Response:
        collection = self.records.setdefault(kind, {})
        results = []
        for index, item in enumerate(items):
            name = f"demo:{item['external_ids']['demo']}"
            collection[name] = {**item, "id": f"{kind}-{name}"}
            results.append({"index": index, "status": 201, "id": f"{kind}-{name}"})
        return httpx.Response(207, json={"results": results})


def test_loading_replaces_references_by_ids_of_the_crm_and_reports_progress() -> None:
    crm, progress = Crm(), Counter[str]()
    summary = load(
        crm.client(), lambda what, done, _all: progress.update({what: done}), today=TODAY
    )
    assert summary.records["opportunities"] == len(crm.records["opportunities"]) == 900
    opportunity = crm.records["opportunities"]["demo:D0001"]
    assert opportunity["account_id"].startswith("accounts-demo:A")
    assert opportunity["contact_id"].startswith("contacts-demo:C")
    assert opportunity["product_id"].startswith("products-demo:")
    assert len(crm.tasks) == summary.records["tasks"]
    assert all(task["related"][0]["id"].startswith("opport") for task in crm.tasks.values())
    assert 0 < len(crm.done) < len(crm.tasks)
    assert set(progress) == {"products", "accounts", "contacts", "opportunities", "tasks"}
    assert not summary.already_loaded


def test_a_complete_demo_company_is_not_loaded_again() -> None:
    crm = Crm()
    load(crm.client(), today=TODAY)
    posts = crm.posts
    again = load(crm.client(), today=TODAY + timedelta(days=30))
    assert (again.already_loaded, again.today, crm.posts) == (True, TODAY, posts)


def test_an_interrupted_load_is_completed_with_its_own_day() -> None:
    crm = Crm()
    crm.fails_after = 20
    with pytest.raises(CliError):
        load(crm.client(), today=TODAY)
    crm.fails_after = None
    summary = load(crm.client(), today=TODAY + timedelta(days=30))
    assert (summary.already_loaded, summary.today) == (False, TODAY)
    assert len(crm.records["opportunities"]) == 900
    assert len(crm.tasks) == summary.records["tasks"]


def test_a_rejected_record_stops_the_load_with_the_reason() -> None:
    crm = Crm()
    rejected = {"status": 422, "problem": {"detail": "no such field"}}
    crm.batch = lambda _kind, items: httpx.Response(  # type: ignore[method-assign]
        207, json={"results": [{"index": n, **rejected} for n in range(len(items))]}
    )
    with pytest.raises(CliError, match="The demo's products FG-S was rejected: no such field"):
        load(crm.client(), today=TODAY)


def test_a_batch_whose_answer_was_lost_is_sent_with_another_key() -> None:
    crm, used = Crm(), list[str]()

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/accounts/batch":
            used.append(request.headers["Idempotency-Key"])
            if used[-1] == used[0]:
                return httpx.Response(409, json={"title": "Conflict"}, headers={"Retry-After": "1"})
        return Crm.handle(crm, request)

    transport = httpx.MockTransport(handle)
    client = Client("http://crm.test", StaticToken("t"), transport=transport, sleep=lambda _: None)
    load(client, today=TODAY)
    assert len(set(used)) == 2
    assert len(crm.records["accounts"]) == 60
