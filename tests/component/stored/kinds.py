"""Every type of record: its API, and a record of it as the example of its last event shows it."""

import importlib
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

from kernel.domain.aggregate import Aggregate
from kernel.runtime.contexts import contexts
from kernel.storage.packing import pack, unpack
from kernel.storage.records import RecordStore
from kernel.storage.table import Item
from tests.component.conftest import Answer, ApiClient
from tools.drift import ROOT

TENANT = "acme"


@dataclass(frozen=True)
class Kind:
    """One type of record and where its API shows it."""

    name: str
    context: str
    path: str
    """The list, and in front of an id the record."""
    filter: str = ""
    gets: bool = True
    shows: bool = True
    """Whether the list shows the record itself, and not a view of it."""
    patch: dict[str, Any] | None = None
    """A change of a field that every example has or may have; None without PATCH."""

    @property
    def store(self) -> RecordStore[Any]:
        """The store of its records."""
        bootstrap = importlib.import_module(f"{self.context}.bootstrap")
        (found,) = [one for one in bootstrap.stores() if one.record_type == self.name]
        return found  # type: ignore[no-any-return]

    @property
    def api(self) -> ApiClient:
        """Its API, for an administrator who is the user of the examples."""
        handler = importlib.import_module(f"{self.context}.handlers.api").handler
        return ApiClient(handler, tenant=TENANT)

    def example(self) -> Aggregate:
        """A record with many fields."""
        state = {**examples()[self.name], "owner_id": "ann", "tenant_id": TENANT, "sequence": 1}
        if self.name == "task":
            state["assignee_id"] = "ann"
        if self.name != "notification":
            state |= {"tags": ["a"], "external_ids": {"erp": "1"}, "custom_fields": {"x": 1}}
        return self.store.documents.model.model_validate_json(json.dumps(state))  # type: ignore[no-any-return]

    def document(self) -> dict[str, Any]:
        """The stored document of the example."""
        document: dict[str, Any] = json.loads(self.store.documents.encode(None, self.example()))
        return document

    def store_as(self, document: Any, **attributes: Any) -> str:
        """Store the example with another document; returns its id."""
        example = self.example()
        text = document if isinstance(document, str) else json.dumps(document)
        item = self.store.item(example, "{}") | {"doc": pack(text)} | attributes
        self.store.table.put(item)
        return example.id

    def stored(self) -> Item:
        """The stored item, with its document as JSON in place of `doc`."""
        example = self.example()
        item = self.store.table.get(self.store.key(TENANT, example.id), "STATE", consistent=True)
        assert item is not None
        return {**item, "doc": json.loads(unpack(item["doc"]))}

    def get(self, record_id: str) -> Answer:
        """GET the record."""
        return self.api("GET", f"{self.path}/{record_id}")

    def list(self) -> Answer:
        """GET its list."""
        return self.api("GET", f"{self.path}{self.filter}")


@cache
def examples() -> dict[str, dict[str, Any]]:
    """The richest state of every record type among the examples of events."""
    found: dict[str, dict[str, Any]] = {}
    for context in contexts():
        for file in sorted((ROOT / "events" / "examples" / context).glob("*.json")):
            event = json.loads(file.read_text(encoding="utf-8"))
            kind = event["subject"].partition("/")[0]
            if event["type"] == "StreamGapDetected" or event["data"]["current"].get("archived_at"):
                continue
            if len(event["data"]["current"]) > len(found.get(kind, {})):
                found[kind] = event["data"]["current"]
    return found


KINDS = {
    one.name: one
    for one in (
        Kind("account", "customers", "/accounts", patch={"region": "South"}),
        Kind("contact", "customers", "/contacts", patch={"title": "Head"}),
        Kind("opportunity", "opportunities", "/opportunities", patch={"description": "Soon"}),
        Kind("pipeline", "opportunities", "/pipelines"),
        Kind("product", "opportunities", "/products", patch={"family": "Small"}),
        Kind("task", "activities", "/tasks", "?status=closed", patch={"description": "Soon"}),
        Kind("report", "reporting", "/reports", filter="?all=true"),
        Kind("import", "imports", "/imports", filter="?all=true"),
        Kind("notification", "notifications", "/notifications", gets=False),
        Kind("person", "customers", "/people", patch={"active": False}),
        Kind("scaling_action", "scaling", "/scaling/actions", gets=False),
        Kind("tenant_usage", "scaling", "/scaling/usage", gets=False, shows=False),
    )
}
