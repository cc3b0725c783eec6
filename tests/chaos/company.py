"""A company whose records only an operator's command changes while traffic and faults go on."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kernel.domain.restored import OF_EVERY_CHANGE
from kernel.storage.packing import unpack
from tests.chaos.traffic import COMPANY
from tests.flows.conftest import Crm

type Item = dict[str, Any]

TABLES = {
    "opportunities": ("OpportunitiesTable",),
    "customers": ("CustomersTable", "ContactsTable"),
    "activities": ("ActivitiesTable",),
    "notifications": ("NotificationsTable",),
}
"""The tables of each context whose records the company has."""
_ACCOUNTS, _CONTACTS, _DEALS, _TASKS = 12, 6, 10, 6


@dataclass(frozen=True)
class Stored:
    """What a record's item says, apart from what every change sets."""

    document: dict[str, Any]
    index_keys: dict[str, Any]

    @property
    def archived(self) -> bool:
        """Whether the record is archived."""
        return "archived_at" in self.document


class Company:
    """Creates and changes the records through the API, while nothing fails."""

    def __init__(self, crm: Crm, seed: int) -> None:
        self._crm, self._seed, self._names = crm, seed, 0
        self.accounts: list[str] = []
        self.contacts: list[str] = []
        self.deals: list[str] = []
        self.tasks: list[str] = []

    def grow(self) -> None:
        """Create records of every kind, of which some are archived or won."""
        self.accounts = [self._create("/accounts", self._account()) for _ in range(_ACCOUNTS)]
        self.contacts = [
            self._create("/contacts", {"first_name": "Ada", "last_name": self._name()})
            for _ in range(_CONTACTS)
        ]
        self.deals = [self._create("/opportunities", self._deal(n)) for n in range(_DEALS)]
        self.tasks = [self._create("/tasks", self._task()) for _ in range(_TASKS)]
        self._call("POST", f"/accounts/{self.accounts[-1]}/archive", {})
        self._call("POST", f"/contacts/{self.contacts[-1]}/archive", {})
        self._call("POST", f"/opportunities/{self.deals[-1]}/won", {})
        self._crm.settle()

    def change(self, context: str) -> None:
        """Change, close, archive, create and lose records of a context."""
        {
            "opportunities": self._change_opportunities,
            "customers": self._change_customers,
            "activities": self._change_activities,
            "notifications": self._change_notifications,
        }[context]()
        self._crm.settle()

    def moment(self) -> str:
        """A time, in whole seconds, after what was done and before what will be."""
        time.sleep(1.1)
        now = datetime.now(UTC)
        time.sleep(0.1)
        return f"{now:%Y-%m-%dT%H:%M:%SZ}"

    def stored(self, context: str) -> dict[str, Stored]:
        """The company's records of a context by partition key."""
        return {
            item["pk"]["S"]: stored(item)
            for table in TABLES[context]
            for item in items(self._crm, table)
            if item["sk"]["S"] == "STATE" and item["pk"]["S"].startswith(f"TENANT#{COMPANY}#")
        }

    def _change_opportunities(self) -> None:
        for deal in self.deals[:3]:
            amount = {"minor_units": 1, "currency": "EUR"}
            self._call("PATCH", f"/opportunities/{deal}", {"name": "Wrong", "amount": amount})
        for deal in self.deals[3:5]:
            self._call("POST", f"/opportunities/{deal}/won", {})
        self._call("POST", f"/opportunities/{self.deals[5]}/lost", {"reason": "price"})
        for number in range(2):
            self._create("/opportunities", self._deal(number))
        self._crm.settle()  # a lost record has no event that is not yet published
        self._lose("OpportunitiesTable", "OPPORTUNITY", self.deals[6])

    def _change_customers(self) -> None:
        for account in self.accounts[:3]:
            self._call("PATCH", f"/accounts/{account}", {"name": "Wrong Name", "kind": "former"})
        self._call("POST", f"/accounts/{self.accounts[3]}/archive", {})
        self._call("POST", f"/accounts/{self.accounts[-1]}/restore", {})
        self._call("PATCH", f"/contacts/{self.contacts[0]}", {"last_name": "Wrong"})
        self._create("/accounts", self._account())
        self._create("/contacts", {"last_name": self._name()})
        self._crm.settle()
        self._lose("CustomersTable", "ACCOUNT", self.accounts[4])
        self._lose("ContactsTable", "CONTACT", self.contacts[1])

    def _change_activities(self) -> None:
        for task in self.tasks[:2]:
            self._call("PATCH", f"/tasks/{task}", {"title": "Wrong"})
        self._call("POST", f"/tasks/{self.tasks[2]}/complete", {})
        self._create("/tasks", self._task())
        self._crm.settle()
        self._lose("ActivitiesTable", "TASK", self.tasks[3])

    def _change_notifications(self) -> None:
        listed = self._call("GET", "/notifications?unread=true", user="rep")["items"]
        for one in listed[:3]:
            self._call("POST", f"/notifications/{one['id']}/read", {}, user="rep")
        self._create("/tasks", self._task())  # which notifies its assignee

    def _lose(self, table: str, kind: str, record_id: str) -> None:
        """Delete a record from its table, as no user can."""
        key = {"pk": {"S": f"TENANT#{COMPANY}#{kind}#{record_id}"}, "sk": {"S": "STATE"}}
        table_name = self._crm.state["resources"]["tables"][table]
        self._crm.client("dynamodb").delete_item(TableName=table_name, Key=key)

    def _account(self) -> dict[str, Any]:
        return {"name": f"{self._name()} Nordic Tools"}

    def _deal(self, number: int) -> dict[str, Any]:
        amount = {"minor_units": 1000 + number, "currency": "EUR"}
        return {"name": self._name(), "amount": amount, "owner_id": "rep"}

    def _task(self) -> dict[str, Any]:
        return {"title": self._name(), "assignee_id": "rep"}

    def _name(self) -> str:
        """A name that only records of the company have."""
        self._names += 1
        return f"{COMPANY} {self._seed} {self._names}"

    def _create(self, collection: str, body: dict[str, Any]) -> str:
        return str(self._call("POST", collection, body)["id"])

    def _call(self, method: str, path: str, body: Any = None, user: str = "admin") -> Any:
        headers = {} if method == "GET" else {"if-match": "*"}
        answer = self._crm(method, path, body, tenant=COMPANY, user=user, headers=headers)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()


def items(crm: Crm, table: str) -> Iterator[Item]:
    """All items of a table, as DynamoDB's API returns them."""
    name = crm.state["resources"]["tables"][table]
    for page in crm.client("dynamodb").get_paginator("scan").paginate(TableName=name):
        yield from page["Items"]


def stored(item: Item) -> Stored:
    """What the item of a record says."""
    document = json.loads(unpack(bytes(item["doc"]["B"])))
    return Stored(
        {name: value for name, value in document.items() if name not in OF_EVERY_CHANGE},
        {name: value for name, value in item.items() if name.startswith("gsi")},
    )
