"""Loading the demo company through the public API, as any customer would, and only once.

The first account remembers the day the company was generated for and whether loading was finished:
a load that was cut off is completed with the same dates, and one that was finished is left alone.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from zebros.client.api import Client
from zebros.demo.company import SYSTEM, DemoCompany, Record, generate
from zebros.errors import Trouble
from zebros.loading.run import reason_of

SEED = 20_260
_BATCH = 100
_IN_FLIGHT = 4
_DAY, _STATE = "demo_day", "demo_state"

OnProgress = Callable[[str, int, int], None]
"""Called with what is being loaded, how many are, and how many there are in all."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo company has, and how long loading took."""

    records: dict[str, int]
    seconds: float
    today: date
    """The day the company was generated for."""
    found: bool
    """Whether it was there already."""


def load(
    client: Client,
    on_progress: OnProgress = lambda _what, _done, _all: None,
    *,
    seed: int = SEED,
    today: date | None = None,
) -> Summary:
    """Put the demo company into the tenant of `client`. Raises Trouble when one is refused."""
    started = time.perf_counter()
    first = _first_account(client)
    kept: dict[str, Any] = (first or {}).get("custom_fields", {})
    day = date.fromisoformat(kept[_DAY]) if _DAY in kept else today or datetime.now(UTC).date()
    company = generate(seed, day)
    finished = kept.get(_STATE) == "complete"
    if not finished:
        company.accounts[0]["custom_fields"] = {_DAY: day.isoformat(), _STATE: "begun"}
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
        found=finished,
    )


def _first_account(client: Client) -> Record | None:
    page = client.get("/accounts", external_id=f"{SYSTEM}:A001", limit=1)
    return next(iter(page["items"]), None)


def _load(client: Client, company: DemoCompany, on_progress: OnProgress) -> None:
    ids: dict[str, dict[str, str]] = {}
    for kind, records in (
        ("products", company.products),
        ("accounts", company.accounts),
        ("contacts", company.contacts),
        ("opportunities", company.opportunities),
    ):
        items = [_resolved(record, ids) for record in records]
        ids[kind] = _upsert(client, kind, items, on_progress)
    _tasks(client, company.tasks, ids["opportunities"], on_progress)
    client.request(
        "PATCH",
        f"/accounts/{ids['accounts']['A001']}",
        body={"custom_fields": {_STATE: "complete"}},
        headers={"If-Match": "*"},
    )


_REFERENCES = {"account_id": "accounts", "contact_id": "contacts", "product_id": "products"}


def _resolved(record: Record, ids: dict[str, dict[str, str]]) -> Record:
    """The record with the CRM's ids in place of the demo's own."""
    found = {name: ids[kind][record[name]] for name, kind in _REFERENCES.items() if name in record}
    return {**record, **found}


def _upsert(
    client: Client, kind: str, items: list[Record], on_progress: OnProgress
) -> dict[str, str]:
    """Upsert items in batches; their ids by external id."""
    batches = [items[start : start + _BATCH] for start in range(0, len(items), _BATCH)]
    ids: dict[str, str] = {}
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        answers = pool.map(lambda batch: client.post(f"/{kind}/batch", {"items": batch}), batches)
        for batch, answer in zip(batches, answers, strict=True):
            for result in answer["results"]:
                external = batch[result["index"]]["external_ids"][SYSTEM]
                if "id" not in result:
                    reason = reason_of(result.get("problem") or {}, result["status"])
                    raise Trouble(f"The demo's {kind} {external} was refused: {reason}.")
                ids[external] = result["id"]
            on_progress(kind, len(ids), len(items))
    return ids


def _tasks(
    client: Client, tasks: list[Record], deals: dict[str, str], on_progress: OnProgress
) -> None:
    """Tasks have no external ids: fixed Idempotency-Keys keep a second try from doubling them."""

    def create(task: Record) -> None:
        body = {
            "title": task["title"],
            "due_on": task["due_on"],
            "assignee_id": task["assignee_id"],
            "related": [{"type": "opportunity", "id": deals[task["about"]]}],
        }
        made = client.post("/tasks", body, key=f"demo-task-{task['key']}-{deals[task['about']]}")
        if task["done"]:
            client.request(
                "POST",
                f"/tasks/{made['id']}/complete",
                headers={"If-Match": "*"},
                key=f"demo-done-{made['id']}",
            )

    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        for done, _ in enumerate(pool.map(create, tasks), start=1):
            on_progress("tasks", done, len(tasks))
