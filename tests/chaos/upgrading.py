"""An upgrade under faults that has something to do: records as the first release stored them.

Index keys are what has changed since then (kernel/storage/archived.py): archived records had none,
and accounts and contacts had no search entries. No document has a second form yet, and there is one
dictionary.
"""

import json
from dataclasses import dataclass
from typing import Any

from kernel.storage.packing import unpack
from tests.chaos.company import Company, Item, items
from tests.chaos.verdict import Events, Verdict
from tests.flows.conftest import Crm
from zebros.operations.upgrade import current_forms

_TABLES = {
    "CustomersTable": "ACCOUNT",
    "ContactsTable": "CONTACT",
    "OpportunitiesTable": "OPPORTUNITY",
    "ActivitiesTable": "TASK",
}
_FIRST_INDEX_KEYS = 1


@dataclass(frozen=True)
class Read:
    """What a record's item says, and the entries by which it is found."""

    version: int
    document: str
    attributes: dict[str, Any]
    """Index keys, and the number of the form of its search entries."""
    entries: frozenset[tuple[str, str]]


class Upgrade:
    """`zebros upgrade`, after records of all tenants were brought to the form of release 0.1.0."""

    words = ("upgrade",)
    killed = True

    def __init__(self, crm: Crm, company: Company) -> None:
        self._crm, self._company = crm, company
        self._right: dict[str, Read] = {}

    def prepare(self) -> None:
        """Store records in the older form, also those that writers change meanwhile."""
        self._company.grow()
        for table, kind in _TABLES.items():
            listed = list(items(self._crm, table))
            right = read(listed, kind)
            for item in _states(listed, kind):
                key, older = item["pk"]["S"], aged(item)
                if older != item:
                    self._age(table, older, right[key])
                    self._right[key] = right[key]
        assert self._right, "nothing to upgrade"
        self._forget()

    def look(self) -> None:
        """Nothing: a report changes no record of these."""

    def judge(self, events: dict[str, Events], verdict: Verdict) -> None:
        """No record may have the older form; those that nobody changed are as they were."""
        verdict.checked["upgraded records"] += len(self._right)
        left = self._crm.zebros.json("upgrade", "--check", "--dry-run")
        if left["upgraded"] or left["unreadable"]:
            verdict.wrong.append(f"not upgraded: {left}")
        now = {
            key: one
            for table, kind in _TABLES.items()
            for key, one in read(list(items(self._crm, table)), kind).items()
        }
        verdict.wrong += not_upgraded(self._right, now)

    def _age(self, table: str, item: Item, right: Read) -> None:
        """Store a record in the older form, unless somebody changes it."""
        client, name = self._crm.client("dynamodb"), self._crm.state["resources"]["tables"][table]
        client.put_item(
            TableName=name,
            Item=item,
            ConditionExpression="version = :v",
            ExpressionAttributeValues={":v": item["version"]},
        )
        for pk, sk in right.entries:
            client.delete_item(TableName=name, Key={"pk": {"S": pk}, "sk": {"S": sk}})

    def _forget(self) -> None:
        """Leave the place of the upgrade to the older form, which was completed."""
        file = self._crm.zebros.home / "upgrade-local.json"
        forms = {**current_forms(), "index_keys": _FIRST_INDEX_KEYS}
        tables = dict.fromkeys(_TABLES)
        document = {"purpose": {"forms": forms, "tenant": None}, "tables": tables}
        file.write_text(json.dumps(document), encoding="utf-8")


def aged(item: Item) -> Item:
    """The item of a record as the first release stored it."""
    older = {name: value for name, value in item.items() if name != "search"}
    if "archived_at" in json.loads(unpack(bytes(item["doc"]["B"]))):
        older = {name: value for name, value in older.items() if not name.startswith("gsi")}
    return older


def read(listed: list[Item], kind: str) -> dict[str, Read]:
    """The records of a kind among the items of a table, by partition key."""
    entries: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for item in listed:
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if f"SEARCH#{kind}#" in pk:
            owner = pk.split("#", 2)[1], sk.rpartition("#")[2]
            entries.setdefault(owner, set()).add((pk, sk))
    found = {}
    for item in _states(listed, kind):
        _, tenant, _, record_id = item["pk"]["S"].split("#")
        found[item["pk"]["S"]] = Read(
            int(item["version"]["N"]),
            unpack(bytes(item["doc"]["B"])),
            {k: v for k, v in item.items() if k.startswith("gsi") or k == "search"},
            frozenset(entries.get((tenant, record_id), ())),
        )
    return found


def not_upgraded(right: dict[str, Read], now: dict[str, Read]) -> list[str]:
    """The records that are found otherwise than before, or read otherwise without a change."""
    wrong = []
    for key, before in right.items():
        after = now.get(key)
        if after is None:
            wrong.append(f"{key} is gone")
        elif after.version == before.version and after != before:
            wrong.append(f"{key} is not upgraded: {after}, not {before}")
        elif (after.attributes, after.entries) != (before.attributes, before.entries):
            # Writers change no field of an aged record by which it is found.
            wrong.append(f"{key} is found otherwise: {after}, not {before}")
    return wrong


def _states(listed: list[Item], kind: str) -> list[Item]:
    return [one for one in listed if one["sk"]["S"] == "STATE" and f"#{kind}#" in one["pk"]["S"]]
