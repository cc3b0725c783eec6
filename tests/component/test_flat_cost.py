"""Cost does not grow with the table: the calls and the capacity are the same at any size.

DynamoDB Local reports the capacity that each call consumed (`make judge`). ZEBROS_RECORDS=100000
adds a run with that many opportunities and accounts.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import batched
from typing import Any

import pytest

from customers.events.accounts import AccountFields
from customers.model.accounts import Account
from customers.repository.accounts import AccountRepository
from kernel.domain.aggregate import Change
from kernel.domain.clock import utc_now
from kernel.domain.ids import new_id
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.runtime import aws
from kernel.storage.table import Put, Table
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.events.opportunities import OpportunityFields
from opportunities.model.opportunities import Opportunity
from opportunities.model.pipelines import Pipeline
from opportunities.repository.boards import count_change
from opportunities.repository.opportunities import OpportunityRepository
from tests.component.conftest import JUDGE, ApiClient

pytestmark = pytest.mark.skipif(not JUDGE, reason="needs DynamoDB Local: make judge")

SIZES = (1_000, 10_000, *map(int, os.environ.get("ZEBROS_RECORDS", "").split()))
ANN = UnitOfWork(RequestContext(Principal("acme", "ann", frozenset({Role.ADMINISTRATOR}))))
OWNERS, FIRST_DAY = 10, date(2026, 1, 1)


class Draft(Table):
    """A table that records writes instead of making them."""

    def __init__(self) -> None:
        super().__init__(None, "table")
        self.items: list[dict[str, Any]] = []

    def transact(self, actions: Any) -> None:
        self.items += [self._action(a)["Put"]["Item"] for a in actions if isinstance(a, Put)]


class Bill:
    """The capacity that the client's calls consume, as the service reports it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.units = 0.0
        events = aws.client("dynamodb").meta.events
        events.register("provide-client-params.dynamodb.*", self._ask)
        events.register("after-call.dynamodb.*", self._take)

    def _ask(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"

    def _take(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.calls.append(model.name)
        consumed = parsed["ConsumedCapacity"]
        for one in consumed if isinstance(consumed, list) else [consumed]:
            self.units += one["CapacityUnits"]

    def of(self, api: ApiClient, method: str, path: str, body: Any) -> tuple[list[str], float]:
        """The calls and units of one request."""
        self.calls, self.units = [], 0.0
        answer = api(method, path, body, {"if-match": "*"} if path.count("/") > 2 else {})
        assert answer.status in (200, 201), answer.text
        return list(self.calls), self.units


def opportunity(number: int, accounts: list[str]) -> Change[Opportunity]:
    fields = OpportunityFields.model_validate(
        {
            "name": f"Cancity {number} - GTX Plus Basic",
            "owner_id": f"owner{number % OWNERS}",
            "team_id": "dustin.brinkmann",
            "account_id": accounts[number % OWNERS],
            "amount": {"minor_units": 105_400 + number, "currency": "USD"},
            "opened_on": FIRST_DAY,
            "expected_close_on": FIRST_DAY + timedelta(days=number % 300),
            "region": "Central",
        }
    )
    pipeline = Pipeline.default("acme")
    return Opportunity.create(
        "acme", new_id(), fields, pipeline, pipeline.stage("lead"), "ann", utc_now(), FIRST_DAY
    )._replace(events=())


def account(number: int) -> Change[Account]:
    fields = AccountFields(name=f"Cancity {number}", owner_id=f"owner{number % OWNERS}")
    return Account.create("globex", new_id(), fields, "ann", utc_now())._replace(events=())


def fill(cloud: Any, records: range, accounts: list[str]) -> None:
    """Write opportunities of acme and accounts of globex as the repositories do."""
    draft = Draft()
    deals = OpportunityRepository(draft, utc_now)
    accounts_of = AccountRepository(draft, utc_now)
    for number in records:
        deals.save(ANN, None, opportunity(number, accounts))
        accounts_of.save(ANN, None, account(number))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda some: write(cloud, some), batched(draft.items, 25, strict=False)))


def write(cloud: Any, items: Iterable[dict[str, Any]]) -> None:
    left = {"table": [{"PutRequest": {"Item": item}} for item in items]}
    while left:
        left = cloud.batch_write_item(RequestItems=left)["UnprocessedItems"]


def requests(accounts: list[str], deal_id: str) -> dict[str, tuple[str, str, Any]]:
    """The requests to measure: method, path, body."""
    new = {"name": "Cancity - GTX Plus Basic", "owner_id": "owner1", "account_id": accounts[1]}
    return {
        "get": ("GET", f"/opportunities/{deal_id}", None),
        "list by owner": ("GET", "/opportunities?owner_id=owner1&limit=50", None),
        "list by account": (
            "GET", f"/opportunities?account_id={accounts[1]}&limit=50", None
        ),
        "list by stage": (
            "GET", "/opportunities?stage=lead&close_from=2026-03-01&limit=50", None
        ),
        "search": ("GET", "/accounts?name_prefix=cancity 1&limit=50", None),
        "board": ("GET", "/pipelines/default/board", None),
        "create": ("POST", "/opportunities", new),
        "win": ("POST", f"/opportunities/{deal_id}/won", {}),
        "reopen": ("POST", f"/opportunities/{deal_id}/reopen", {}),
    }  # fmt: skip


@pytest.mark.timeout(1200)
def test_the_cost_is_the_same_at_any_table_size(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    from customers.handlers.api import handler as customers
    from opportunities.handlers.api import handler as opportunities

    accounts, done, bill = [new_id() for _ in range(OWNERS)], 0, Bill()
    costs: dict[str, list[tuple[list[str], float]]] = {}
    deals, others = ApiClient(opportunities), ApiClient(customers, tenant="globex")
    # The first opportunity of a tenant publishes the default pipeline as well.
    assert deals("POST", "/opportunities", {"name": "First"}).status == 201
    for stage in ("lead", "won"):
        Table(cloud, "table").add(count_change("acme", "default", stage, "USD", 1, 100))
    for records in SIZES:
        fill(cloud, range(done, records), accounts)
        done = records
        one = deals("GET", "/opportunities?owner_id=owner1&limit=1").json["items"][0]["id"]
        for name, (method, path, body) in requests(accounts, one).items():
            api = others if path.startswith("/accounts") else deals
            costs.setdefault(name, []).append(bill.of(api, method, path, body))
    for name, seen in costs.items():
        assert len({tuple(calls) for calls, _ in seen}) == 1, name
        units = [units for _, units in seen]
        assert max(units) <= 1.3 * min(units), f"{name}: {dict(zip(SIZES, units, strict=True))}"
    assert costs["get"][0] == (["GetItem"], 0.5)
    for name in ("list by owner", "list by account", "list by stage", "search"):
        calls, units = costs[name][-1]
        # A stage is one of a pipeline, which is read first.
        # A search reads names by their beginning, and by their other words.
        first = {"list by stage": ["GetItem"], "search": ["Query"]}.get(name, [])
        assert calls == [*first, "Query"], name
        assert units <= 2 + len(first), name
    calls, units = costs["create"][0]
    assert calls == ["BatchGetItem", "TransactWriteItems"], "what it refers to with its pipeline"
    assert units == 1 + 4 + 3 * 2, "a consistent read; state, event, three indexes"
