"""Loads the demo company through the public API, once.

The custom fields of the first account contain the day for which the company was generated, and
whether loading was completed. A load that was interrupted is completed with the same dates; a
completed one is not repeated.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import batched
from typing import Any

from ulid import ULID

from zebros.client.api import Client
from zebros.demo.company import SYSTEM, DemoCompany, Record, generate
from zebros.errors import CliError
from zebros.loading.batch_sender import reason_of, send_batch

SEED = 20_260
_BATCH = 100
_IN_FLIGHT = 4
_DAY, _STATE = "demo_day", "demo_state"
_REFERENCES = {"account_id": "accounts", "contact_id": "contacts", "product_id": "products"}

OnProgress = Callable[[str, int, int], None]
"""Called with the collection, the records loaded so far, and all its records."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The demo company that is in the CRM."""

    records: dict[str, int]
    """The number of records by collection."""
    seconds: float
    today: date
    """The day for which the company was generated."""
    already_loaded: bool
    """Whether it had been loaded before."""


def load(
    client: Client,
    on_progress: OnProgress = lambda _collection, _count, _all: None,
    *,
    seed: int = SEED,
    today: date | None = None,
) -> Summary:
    """Load the demo company into the client's tenant. Raises CliError when a record is rejected."""
    started = time.perf_counter()
    page = client.get("/accounts", external_id=f"{SYSTEM}:A001", limit=1)
    first: Record = next(iter(page["items"]), {})
    custom: dict[str, Any] = first.get("custom_fields", {})
    day = date.fromisoformat(custom[_DAY]) if _DAY in custom else today or datetime.now(UTC).date()
    company = generate(seed, day)
    already_loaded = custom.get(_STATE) == "complete"
    if not already_loaded:
        company.accounts[0]["custom_fields"] = {_DAY: day.isoformat(), _STATE: "started"}
        _load(client, company, on_progress)
    return Summary(
        records={
            "products": len(company.products),
            "accounts": len(company.accounts),
            "contacts": len(company.contacts),
            "opportunities": len(company.opportunities),
            "tasks": len(company.tasks),
        },
        seconds=time.perf_counter() - started,
        today=day,
        already_loaded=already_loaded,
    )


def _load(client: Client, company: DemoCompany, on_progress: OnProgress) -> None:
    ids: dict[str, dict[str, str]] = {}
    for collection, records in (
        ("products", company.products),
        ("accounts", company.accounts),
        ("contacts", company.contacts),
        ("opportunities", company.opportunities),
    ):
        items = [_resolved(record, ids) for record in records]
        ids[collection] = _upsert(client, collection, items, on_progress)
    _create_tasks(client, company.tasks, ids["opportunities"], on_progress)
    client.request(
        "PATCH",
        f"/accounts/{ids['accounts']['A001']}",
        body={"custom_fields": {_STATE: "complete"}},
        headers={"If-Match": "*"},
    )


def _resolved(record: Record, ids: dict[str, dict[str, str]]) -> Record:
    """The record with ids of the CRM in place of external ids."""
    references = {
        name: ids[collection][record[name]]
        for name, collection in _REFERENCES.items()
        if name in record
    }
    return {**record, **references}


def _upsert(
    client: Client, collection: str, items: list[Record], on_progress: OnProgress
) -> dict[str, str]:
    """Upsert items in batches; returns their ids by external id."""
    batches = [list(batch) for batch in batched(items, _BATCH, strict=False)]
    ids: dict[str, str] = {}
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        answers = pool.map(
            lambda batch: send_batch(client, f"/{collection}", batch, str(ULID())), batches
        )
        for batch, results in zip(batches, answers, strict=True):
            for result in results:
                external_id = batch[result["index"]]["external_ids"][SYSTEM]
                if "id" not in result:
                    reason = reason_of(result.get("problem") or {}, result["status"])
                    raise CliError(f"The demo's {collection} {external_id} was rejected: {reason}.")
                ids[external_id] = result["id"]
            on_progress(collection, len(ids), len(items))
    return ids


def _create_tasks(
    client: Client, tasks: list[Record], opportunities: dict[str, str], on_progress: OnProgress
) -> None:
    """Create tasks. They have no external ids: fixed Idempotency-Keys prevent duplicates."""

    def create(task: Record) -> None:
        opportunity = opportunities[task["opportunity"]]
        body = {
            "title": task["title"],
            "due_on": task["due_on"],
            "assignee_id": task["assignee_id"],
            "related": [{"type": "opportunity", "id": opportunity}],
        }
        created = client.post("/tasks", body, key=f"demo-task-{task['key']}-{opportunity}")
        if task["done"]:
            client.request(
                "POST",
                f"/tasks/{created['id']}/complete",
                headers={"If-Match": "*"},
                key=f"demo-done-{created['id']}",
            )

    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        for count, _ in enumerate(pool.map(create, tasks), start=1):
            on_progress("tasks", count, len(tasks))
