"""Events for the meters of usage, their delivery, and what is counted."""

import itertools
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

from kernel.domain.clock import rfc3339
from kernel.domain.ids import ids_at
from kernel.storage.table import Add, Table
from scaling.repository.usage import usage_key
from tests.component.conftest import published
from tests.component.kernel.queues import body, lambda_event

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
_numbers = itertools.count(1)
COUNTED = {"users": "person", "customers": "account", "opportunities": "opportunity"}
"""The type of record that a metric counts."""


def event(
    subject: str,
    sequence: int = 1,
    at: datetime = MONDAY,
    *,
    name: str = "AccountCreated",
    tenant: str = "globex",
    actor: str = "ann",
    origin: str = "api",
    **current: Any,
) -> dict[str, Any]:
    """An event about a record; within a subject, later ones have later times."""
    return {
        "specversion": "1.0",
        "id": ids_at(at + timedelta(milliseconds=sequence), 1)[0],
        "source": "zebros.customers",
        "type": name,
        "subject": subject,
        "time": rfc3339(at),
        "tenantid": tenant,
        "sequence": str(sequence),
        "correlationid": "c-1",
        "actor": actor,
        "origin": origin,
        "data": {"current": current},
    }


def new(record_type: str, **more: Any) -> dict[str, Any]:
    """The first event of a new record."""
    active = {"active": True} if record_type == "person" else {}
    return event(f"{record_type}/new-{next(_numbers)}", **active, **more)


def gone(created: dict[str, Any]) -> dict[str, Any]:
    """The event after which a record does not count any more."""
    at = datetime.fromisoformat(created["time"]) + timedelta(seconds=1)
    person = created["subject"].startswith("person/")
    state = {"active": False} if person else {"archived_at": rfc3339(at)}
    return event(created["subject"], 2, at, tenant=created["tenantid"], **state)


def deliver(events: Iterable[dict[str, Any]], size: int = 100) -> None:
    """Let the consumer receive events in batches; none fails."""
    from scaling.consumers.usage import handler

    for some in batched(events, size, strict=False):
        assert handler(lambda_event(map(body, some)), None) == {"batchItemFailures": []}


def counters(client: Any, tenant: str = "globex") -> dict[tuple[str, str], dict[str, int]]:
    """All counters of a tenant, by the keys after the tenant."""
    beginning = f"TENANT#{tenant}#"
    found = {}
    for page in client.get_paginator("scan").paginate(TableName="table"):
        for item in page["Items"]:
            key = item["pk"]["S"].removeprefix(beginning)
            if item["pk"]["S"].startswith(beginning) and key.startswith(("USAGE", "ACTIVE")):
                amounts = {n: int(v["N"]) for n, v in item.items() if n not in ("pk", "sk")}
                found[key, item["sk"]["S"]] = amounts
    return found


def stored_before(client: Any, tenant: str = "globex", **levels: int) -> None:
    """Levels that earlier events have left."""
    Table(client, "table").add(Add(usage_key(tenant), "TOTAL", levels))


def tier_changes(client: Any, tenant: str = "globex") -> Sequence[tuple[str | None, str]]:
    """The tiers before and after each TenantTierChanged of a tenant, in their order."""
    return [
        (one["data"].get("previous_tier"), one["data"]["current"]["tier"])
        for one in published(client)
        if one["type"] == "TenantTierChanged" and one["subject"] == f"tenant_usage/{tenant}"
    ]
