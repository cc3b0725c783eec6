"""Every damage to the records of a context is undone by a restore, and what follows is right."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kernel.storage.packing import unpack
from tests.component.conftest import create_table
from tests.component.zebros import company as companies
from tests.component.zebros.company import Company
from zebros.operations import restore as operations
from zebros.operations.restore import Place, Request, Restore, Summary
from zebros.operations.restore_projections import rebuild_lost

ANY = {"if-match": "*"}
CONTEXTS = ("customers", "opportunities", "activities", "notifications", "reporting")
OF_EVERY_CHANGE = ("version", "sequence", "updated_at", "updated_by")
type Damage = Callable[[Company], None]


def quiet(_text: str, _done: int, _total: int) -> None:
    """No progress is shown."""


@pytest.fixture
def company(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Company:
    for variable in ("CONTACTS_TABLE_NAME", "FILES_BUCKET"):
        monkeypatch.setenv(variable, "table")
    monkeypatch.setenv("LAKE_BUCKET", "lake")
    companies.clients()
    return Company(cloud)


def made(answer: Any) -> str:
    assert answer.status in (200, 201, 202), answer.text
    return str(answer.json["id"])


class Data:
    """The records of a company before anything goes wrong."""

    def __init__(self, company: Company) -> None:
        erp = {"external_ids": {"erp": "1"}}
        self.account = made(company.customers("POST", "/accounts", {"name": "Acme", **erp}))
        other = {"name": "Other", "external_ids": {"erp": "2"}, "owner_id": "ann"}
        self.other = made(company.customers("POST", "/accounts", other))
        contact = {"last_name": "Holm", "account_id": self.account}
        self.contact = made(company.customers("POST", "/contacts", contact))
        amount = {"minor_units": 700, "currency": "USD"}
        self.product = made(company.deals("POST", "/products", {"name": "Licence"}))
        self.deals = [
            made(company.deals("POST", "/opportunities", {"name": f"D{n}", "amount": amount}))
            for n in range(3)
        ]
        stages = [
            {"key": key, "name": key, "probability": 50, "kind": kind}
            for key, kind in (("new", "open"), ("won", "won"), ("lost", "lost"))
        ]
        self.pipeline = made(company.deals("POST", "/pipelines", {"name": "P", "stages": stages}))
        self.tasks = [
            made(company.tasks("POST", "/tasks", {"title": f"T{n}", "assignee_id": "bob"}))
            for n in range(2)
        ]
        self.report = made(company.reports("POST", "/reports", {"report": "pipeline_by_stage"}))
        company.reports("POST", f"/reports/{self.report}/cancel", {})
        company.deliver()
        found = company.inbox.as_(user="bob")("GET", "/notifications").json["items"]
        self.notices = [str(one["id"]) for one in found]
        assert len(self.notices) == 2


@pytest.fixture
def data(company: Company) -> Data:
    return Data(company)


def copy(company: Company) -> None:
    """What DynamoDB's point-in-time recovery gives: the table as it is now, under another name."""
    create_table(company.client, "copy")
    for item in company.client.scan(TableName="table")["Items"]:
        company.client.put_item(TableName="copy", Item=item)


def records(company: Company) -> dict[str, Any]:
    """Every record as JSON with its index keys, without what every change sets."""
    found = {}
    for item in company.client.scan(TableName="table")["Items"]:
        if item["sk"]["S"] == "STATE":
            document = json.loads(unpack(item["doc"]["B"]))
            found[item["pk"]["S"]] = (
                {k: v for k, v in document.items() if k not in OF_EVERY_CHANGE},
                {k: v for k, v in item.items() if k.startswith("gsi")},
            )
    return found


def active(company: Company) -> dict[str, Any]:
    return {k: v for k, v in records(company).items() if "archived_at" not in v[0]}


def claims(company: Company) -> dict[str, str]:
    return {
        item["pk"]["S"]: item["record_id"]["S"]
        for item in company.client.scan(TableName="table")["Items"]
        if item["sk"]["S"] == "EXTERNAL"
    }


def unread(company: Company) -> int:
    return int(company.inbox.as_(user="bob")("GET", "/notifications/unread-count").json["unread"])


def last_events(company: Company) -> dict[str, Any]:
    """The state of each record in its last event, as a subscriber and the lake have it."""
    last: dict[str, Any] = {}
    for event in sorted(company.events, key=lambda one: str(one["id"])):
        kind, _, record_id = event["subject"].partition("/")
        current = {k: v for k, v in event["data"]["current"].items() if k not in OF_EVERY_CHANGE}
        last[f"TENANT#{event['tenantid']}#{kind.upper()}#{record_id}"] = current
    return last


def request(context: str, at: datetime, **more: Any) -> Request:
    of_context = {t.table for t in operations.contract().records.values() if t.context == context}
    from_tables = dict.fromkeys(of_context, "copy")
    return Request(context, at, from_tables=from_tables, wait_seconds=0, **more)


def restored(company: Company, context: str, at: datetime, folder: Path, **more: Any) -> Summary:
    asked = request(context, at, **more)
    place = Place.read(folder / f"{context}.json", asked)
    summary = Restore(company.stack, asked, place, quiet, lambda _: None).run()
    company.deliver()
    if not asked.dry_run:
        rebuild_lost(company.stack, asked, place, quiet, lambda _: None)
        place.remove()
        company.deliver()
    return summary


def patch(api: Any, path: str, **fields: Any) -> None:
    answer = api("PATCH", path, fields, ANY)
    assert answer.status == 200, answer.text


def wrong_edits(company: Company, data: Data) -> None:
    patch(company.customers, f"/accounts/{data.account}", name="Wrong", external_ids={"erp": "9"})
    patch(company.customers, f"/contacts/{data.contact}", last_name="Wrong")
    patch(company.deals, f"/products/{data.product}", name="Wrong", active=False)
    first, second, _ = data.deals
    made(company.deals("POST", f"/opportunities/{first}/won", {}, ANY))
    patch(company.deals, f"/opportunities/{second}", amount={"minor_units": 1, "currency": "EUR"})
    patch(company.tasks, f"/tasks/{data.tasks[0]}", title="Wrong")
    made(company.tasks("POST", f"/tasks/{data.tasks[1]}/complete", {}, ANY))
    company.inbox.as_(user="bob")("POST", f"/notifications/{data.notices[0]}/read", {})


def archived(company: Company, data: Data) -> None:
    for path in (f"/accounts/{data.account}", f"/contacts/{data.contact}"):
        made(company.customers("POST", f"{path}/archive", {}, ANY))


def deleted(company: Company, data: Data) -> None:
    kinds = {"ACCOUNT": data.account, "CONTACT": data.contact, "OPPORTUNITY": data.deals[1]}
    kinds |= {"PIPELINE": data.pipeline, "PRODUCT": data.product, "TASK": data.tasks[0]}
    kinds |= {"NOTIFICATION": data.notices[1], "REPORT": data.report}
    for kind, record_id in kinds.items():
        key = {"pk": {"S": f"TENANT#acme#{kind}#{record_id}"}, "sk": {"S": "STATE"}}
        company.client.delete_item(TableName="table", Key=key)


def created_later(company: Company, data: Data) -> None:
    made(company.customers("POST", "/accounts", {"name": "Later"}))
    made(company.customers("POST", "/contacts", {"last_name": "Later"}))
    made(company.deals("POST", "/opportunities", {"name": "Later"}))
    made(company.deals("POST", "/products", {"name": "Later"}))
    made(company.tasks("POST", "/tasks", {"title": "Later", "assignee_id": "bob"}))


def everything_lost(company: Company, _data: Data) -> None:
    for item in company.client.scan(TableName="table")["Items"]:
        company.client.delete_item(TableName="table", Key={"pk": item["pk"], "sk": item["sk"]})


def mess_then_loss(company: Company, data: Data) -> None:
    wrong_edits(company, data)
    created_later(company, data)
    company.deliver()
    everything_lost(company, data)


def unreadable(company: Company, _data: Data) -> None:
    for item in company.client.scan(TableName="table")["Items"]:
        if item["sk"]["S"] == "STATE":
            company.client.put_item(TableName="table", Item={**item, "doc": {"B": b"?"}})


def no_keys(company: Company, _data: Data) -> None:
    for item in company.client.scan(TableName="table")["Items"]:
        key = {"pk": item["pk"], "sk": item["sk"]}
        if item["sk"]["S"] == "EXTERNAL":
            company.client.delete_item(TableName="table", Key=key)
        if item["sk"]["S"] == "STATE":
            kept = {k: v for k, v in item.items() if not k.startswith("gsi1")}
            company.client.put_item(TableName="table", Item=kept)


DAMAGES = [
    wrong_edits,
    archived,
    deleted,
    created_later,
    everything_lost,
    mess_then_loss,
    unreadable,
    no_keys,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_restore_undoes_the_damage_everywhere(
    company: Company, data: Data, damage: Callable[[Company, Data], None], tmp_path: Path
) -> None:
    right, held, count = active(company), claims(company), unread(company)
    shown = company.board()
    copy(company)
    at = datetime.now(UTC)
    damage(company, data)
    company.deliver()
    for context in CONTEXTS:
        summary = restored(company, context, at, tmp_path)
        assert summary.failed == []
        assert summary.changed_meanwhile == 0
    assert active(company) == right
    assert {k: v for k, v in claims(company).items() if k in held} == held
    assert unread(company) == count
    assert company.board() == shown
    last = last_events(company)
    for key, (document, _) in records(company).items():
        stored = {k: v for k, v in document.items() if k in last[key]}
        assert {k: v for k, v in last[key].items() if k != "id"} == stored, key
    before = records(company)
    for context in CONTEXTS:
        again = restored(company, context, at, tmp_path)
        assert again.changed == 0, "a second restore has nothing to do"
    assert records(company) == before
