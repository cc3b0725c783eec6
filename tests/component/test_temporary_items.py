"""Items of the tables are permanent or expire: "TTL on every kind of temporary item"."""

import ast
import json
from datetime import timedelta
from typing import Any

import pytest

from kernel.domain.clock import utc_now
from kernel.domain.ids import new_id
from kernel.domain.principal import system_request
from kernel.storage.table import Table
from kernel.storage.unit_of_work import UnitOfWork
from scaling.events import Setting
from scaling.model.actions import ScalingAction
from scaling.model.decision import Change
from scaling.model.readings import Target
from tests.component.conftest import NEVER, ApiClient, published
from tests.component.references import deliver
from tests.component.scaling.world import SCHEDULE, World
from tests.component.test_budgets import ROOT

# How long DynamoDB keeps each kind of item after it was written; None is permanent.
LIFETIMES = {
    "STATE": None,
    "EXTERNAL": None,
    "POSITION": None,  # without it, an event that is delivered again would be applied again
    "TIMELINE": None,
    "REFERENCES": None,
    "NAMES": None,
    "UNIQUE": None,
    "SEARCH": None,
    "BOARD": None,
    "USAGE": None,  # days are the history of which bills and advice are made
    "ACTIVE": None,
    "UNREAD": None,
    "REPORTSLOTS": None,
    "REPORTWAITING": None,
    "IMPORTSLOTS": None,
    "IMPORTWAITING": None,
    "EVENT": timedelta(days=7),
    "IDEMPOTENCY": timedelta(days=1),
    "PROGRESS": timedelta(days=7),
    "CONNECTIONS": timedelta(hours=2),
    "ADMINISTRATORS": timedelta(days=90),
    "PARKED": timedelta(days=365),
    "HISTORY": timedelta(days=30),
    "LEASE": timedelta(days=1, minutes=15),
}
# The modules that write items, each with the kinds that it writes.
WRITERS = {
    "kernel/storage/records.py": {"STATE", "EXTERNAL"},
    "kernel/storage/outbox.py": {"EVENT"},
    "kernel/storage/unique.py": {"UNIQUE"},
    "kernel/storage/search.py": {"SEARCH"},
    "kernel/storage/idempotency.py": {"IDEMPOTENCY"},
    "kernel/storage/references.py": {"REFERENCES", "NAMES"},
    "kernel/messaging/positions.py": {"POSITION", "PARKED"},
    "kernel/messaging/rebuilding.py": {"BOARD", "USAGE", "ACTIVE"},
    "kernel/tasks/repository.py": {"PROGRESS"},
    "kernel/tasks/slots.py": {"REPORTSLOTS", "REPORTWAITING", "IMPORTSLOTS", "IMPORTWAITING"},
    "activities/repository.py": {"TIMELINE"},
    "notifications/repository.py": {"CONNECTIONS", "UNREAD", "ADMINISTRATORS"},
    # The last good keys of an issuer: one item a tenant, for ever.
    "edge/registry.py": set(),
    "scaling/repository/actions.py": {"HISTORY"},
    "scaling/repository/lease.py": {"LEASE"},
    "scaling/repository/usage.py": {"USAGE", "ACTIVE"},
    "opportunities/repository/boards.py": {"BOARD"},
}
_BY_PARTITION = {"EXTERNAL", "IDEMPOTENCY", "TIMELINE", "BOARD", "UNREAD", "CONNECTIONS"}
_BY_PARTITION |= {
    "REPORTSLOTS",
    "REPORTWAITING",
    "IMPORTSLOTS",
    "IMPORTWAITING",
    "REFERENCES",
    "NAMES",
    "UNIQUE",
    "SEARCH",
    "HISTORY",
    "LEASE",
    "USAGE",
    "ACTIVE",
    "ADMINISTRATORS",
}


def kind(item: dict[str, Any]) -> str:
    """The kind of an item, by its keys."""
    label = str(item["pk"]["S"].split("#")[2])
    return label if label in _BY_PARTITION else str(item["sk"]["S"].partition("#")[0])


@pytest.fixture
def written(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Items of every kind, written by the code that writes them."""
    monkeypatch.setenv("FILES_BUCKET", "files")
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    monkeypatch.setenv("SOCKET_ENDPOINT", "https://sockets.example/live")
    from activities.consumers import timeline
    from customers.handlers.api import handler as customers
    from imports.bootstrap import slots as import_slots
    from notifications.consumers import inbox
    from notifications.handlers import socket
    from notifications.handlers.api import handler as notifications
    from opportunities.consumers import board
    from opportunities.handlers.api import handler as opportunities
    from reporting.bootstrap import runs, slots
    from reporting.handlers.api import handler as reporting
    from scaling.consumers import usage

    deal = {"name": "Big", "external_ids": {"erp": "7"}, "amount": None, "owner_id": "ann"}
    made = ApiClient(opportunities)("POST", "/opportunities", deal, {"idempotency-key": "k"})
    assert made.status == 201, made.text
    ApiClient(opportunities)("POST", "/products", {"name": "Starter", "code": "S-1"})
    contact = {"last_name": "Lovelace", "emails": ["ada@example.com"]}
    assert ApiClient(customers)("POST", "/contacts", contact).status == 201
    path = f"/opportunities/{made.json['id']}"
    ApiClient(opportunities)("POST", f"{path}/won", {}, made.etag)
    run = ApiClient(reporting)("POST", "/reports", {"report": "win_rate"}).json
    runs().record_progress("acme", run["id"], 0.5, "Half")
    slots().table.transact([slots().put("acme", slots().read("acme"))])
    of_imports = import_slots()
    waiting = of_imports.wait("acme", new_id(), "standard")
    of_imports.table.transact([of_imports.put("acme", of_imports.read("acme")), waiting])
    ApiClient(notifications)("GET", "/notifications")
    request = {"routeKey": "$connect", "connectionId": "c1"}
    who = {"authorizer": {"tenant": "bolt", "user": "bob", "expires": NEVER}}
    socket.handler({"requestContext": {**request, **who}}, None)
    events = published(cloud)
    deals = [one for one in events if one["subject"].startswith("opportunity/")]
    deals.append({**deals[-1], "id": new_id(), "sequence": "9"})  # too early
    for consumer in (board, timeline, inbox, usage):
        messages = [json.dumps({"detail": event}) for event in deals]
        batch = {"Records": [{"messageId": text, "body": text} for text in messages]}
        assert consumer.handler(batch, None) == {"batchItemFailures": []}
    deliver(timeline.handler, "person/bob", name="Bob", active=True)
    timeline.handler({"rebuild": {"tenant": "acme", "complete": True}}, None)
    world = World(Table(cloud, "table"), now=utc_now())
    world.controller.begin("one", SCHEDULE)
    change = Change(Target(Setting.MEMORY, "CustomersApi"), "api_latency", 256, 384, 300, 1, "slow")
    begun = ScalingAction.begin("acme", change, 256, world.now)
    world.actions.save(UnitOfWork(system_request("acme")), None, begun)
    items: list[dict[str, Any]] = cloud.scan(TableName="table")["Items"]
    return items


def test_every_kind_of_temporary_item_expires(written: list[dict[str, Any]]) -> None:
    now = utc_now().timestamp()
    assert {kind(item) for item in written} == set(LIFETIMES)
    for item in written:
        lifetime = LIFETIMES[kind(item)]
        if lifetime is None:
            assert "ttl" not in item, item["pk"]
        else:
            left = int(item["ttl"]["N"]) - now
            assert left == pytest.approx(lifetime.total_seconds(), abs=60), item["pk"]


def test_every_module_that_writes_items_is_known() -> None:
    """A new kind of item belongs into the table above, with its lifetime."""
    found = set()
    for path in sorted((ROOT / "services").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Dict(keys=keys) if any(
                    isinstance(key, ast.Constant) and key.value == "sk" for key in keys
                ):
                    found.add(str(path.relative_to(ROOT / "services")))
                case ast.Call(func=ast.Name(id="Add")):
                    found.add(str(path.relative_to(ROOT / "services")))
    only_keys = {"kernel/storage/table.py", "kernel/runtime/fence.py"}
    assert found - only_keys == set(WRITERS)
    assert set[str]().union(*WRITERS.values()) == set(LIFETIMES)
