"""Every damage to the records of a context is undone by a restore, and what follows is right."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.domain.clock import utc_now
from kernel.domain.ids import new_id
from kernel.storage.packing import pack, unpack
from tests.component.conftest import create_table, published
from tests.component.zebros import company as companies
from tests.component.zebros.company import Company
from zebros import cli
from zebros.client.connection import Connection
from zebros.errors import BadInput, CliError
from zebros.operations import restore as operations
from zebros.operations import restore_registry as registry
from zebros.operations import restored_tables
from zebros.operations.restore import Place, Request, Restore, Summary
from zebros.operations.restore_projections import rebuild_lost
from zebros.operations.tenants import State, registry_of

ANY = {"if-match": "*"}
CONTEXTS = (
    *("customers", "opportunities", "activities", "notifications", "reporting"),
    "imports",
)
OF_EVERY_CHANGE = ("version", "sequence", "updated_at", "updated_by")


def quiet(_text: str, _done: int, _total: int) -> None:
    """No progress is shown."""


@pytest.fixture
def company(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    for variable in ("LAKE_BUCKET", "FILES_BUCKET"):
        monkeypatch.setenv(variable, "lake")
    companies.clients()
    return Company(cloud)


def made(answer: Any) -> str:
    assert answer.status in (200, 201, 202), answer.text
    return str(answer.json["id"])


CERTAIN = {"won": 100, "lost": 0}
"""The probabilities of stages that are no guess."""


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
            {"key": key, "name": key, "probability": CERTAIN.get(kind, 50), "kind": kind}
            for key, kind in (("new", "open"), ("won", "won"), ("lost", "lost"))
        ]
        self.pipeline = made(company.deals("POST", "/pipelines", {"name": "P", "stages": stages}))
        self.tasks = [
            made(company.tasks("POST", "/tasks", {"title": f"T{n}", "assignee_id": "bob"}))
            for n in range(2)
        ]
        self.report = made(company.reports("POST", "/reports", {"report": "pipeline_by_stage"}))
        company.reports("POST", f"/reports/{self.report}/cancel", {})
        upload = new_id()
        key = f"imports/acme/{upload}/records.jsonl"
        company.s3.put_object(Bucket="lake", Key=key, Body=b"{}")
        wanted = {"upload_id": upload, "record_type": "accounts"}
        self.import_ = made(company.imports("POST", "/imports", wanted))
        company.imports("POST", f"/imports/{self.import_}/cancel", {})
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


def moment() -> datetime:
    """The time now; what happens before and after has other milliseconds."""
    time.sleep(0.002)
    now = utc_now()
    time.sleep(0.002)
    return now


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
    with Restore(company.stack, asked, place, quiet, lambda _: None) as run:
        summary = run.run()
        company.deliver()
        if not asked.dry_run:
            rebuild_lost(company.stack, asked, place, quiet, lambda _: None)
            place.remove()
    company.deliver()
    assert all(company.functions.enabled.values())
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
    kinds |= {"NOTIFICATION": data.notices[1], "REPORT": data.report, "IMPORT": data.import_}
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
    robbed = {"name": "Later", "external_ids": {"erp": "1"}}
    made(company.customers("POST", "/accounts", robbed))
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
    right, claimed, count = active(company), claims(company), unread(company)
    shown = company.board()
    copy(company)
    at = moment()
    damage(company, data)
    company.deliver()
    for context in CONTEXTS:
        summary = restored(company, context, at, tmp_path)
        assert summary.failed == []
        assert summary.changed_meanwhile == 0
    assert active(company) == right
    assert {k: v for k, v in claims(company).items() if k in claimed} == claimed
    assert unread(company) == count
    assert company.board() == shown
    assert not [one for one in company.events if one["type"] == "StreamGapDetected"]
    parked = [key for key in company.items("POSITION") if key[1].startswith("PARKED")]
    assert parked == [], "a projection without positions is paused"
    last = last_events(company)
    for key, (document, _) in records(company).items():
        stored = {k: v for k, v in document.items() if k in last[key]}
        assert {k: v for k, v in last[key].items() if k != "id"} == stored, key
    before = records(company)
    for context in CONTEXTS:
        again = restored(company, context, at, tmp_path)
        assert again.changed == 0, "a second restore has nothing to do"
    assert records(company) == before


def test_a_dry_run_counts_and_writes_nothing(company: Company, data: Data, tmp_path: Path) -> None:
    copy(company)
    at = moment()
    wrong_edits(company, data)
    created_later(company, data)
    company.deliver()
    before = company.client.scan(TableName="table")["Items"]
    summary = restored(company, "customers", at, tmp_path, dry_run=True)
    assert (summary.restored, summary.archived, summary.same) == (2, 2, 1)
    assert company.client.scan(TableName="table")["Items"] == before
    assert list(tmp_path.iterdir()) == []


def test_records_that_were_created_later_can_stay(
    company: Company, data: Data, tmp_path: Path
) -> None:
    copy(company)
    at = moment()
    wrong_edits(company, data)
    created_later(company, data)
    company.deliver()
    summary = restored(company, "customers", at, tmp_path, keep_new=True)
    assert (summary.restored, summary.archived) == (2, 0)
    found = company.customers("GET", "/accounts?name_prefix=later").json["items"]
    assert len(found) == 1, "a kept record is found"


def test_only_the_records_of_one_tenant_are_restored(
    company: Company, data: Data, tmp_path: Path
) -> None:
    ours = company.customers
    theirs = ours.as_(tenant="globex")
    other = made(theirs("POST", "/accounts", {"name": "Theirs"}))
    copy(company)
    at = moment()
    patch(ours, f"/accounts/{data.account}", name="Wrong")
    patch(theirs, f"/accounts/{other}", name="Right")
    summary = restored(company, "customers", at, tmp_path, tenant="acme")
    assert (summary.read, summary.restored) == (3, 1)
    assert ours("GET", f"/accounts/{data.account}").json["name"] == "Acme"
    assert theirs("GET", f"/accounts/{other}").json["name"] == "Right"


def test_external_ids_that_were_exchanged_go_back(
    company: Company, data: Data, tmp_path: Path
) -> None:
    claimed = claims(company)
    copy(company)
    at = moment()
    for account, value in ((data.account, "x"), (data.other, "1"), (data.account, "2")):
        patch(company.customers, f"/accounts/{account}", external_ids={"erp": value})
    later = {"name": "Later", "external_ids": {"erp": "9"}}
    made(company.customers("POST", "/accounts", later))
    assert restored(company, "customers", at, tmp_path).failed == []
    after = claims(company)
    assert {key: after[key] for key in claimed} == claimed
    assert len(after) == len(claimed) + 1, "the later account keeps its own"


def test_an_external_id_of_a_record_that_was_created_later_goes_back(
    company: Company, data: Data, tmp_path: Path
) -> None:
    claimed = claims(company)
    copy(company)
    at = moment()
    patch(company.customers, f"/accounts/{data.account}", external_ids={"erp": None})
    later = {"name": "Later", "external_ids": {"erp": "1", "crm": "5"}}
    created = made(company.customers("POST", "/accounts", later))
    assert restored(company, "customers", at, tmp_path).failed == []
    assert claims(company).items() >= claimed.items()
    shown = company.customers("GET", f"/accounts/{created}").json
    assert shown["external_ids"] == {"crm": "5"}
    assert shown["archived_at"]


def test_a_change_after_the_restore_has_begun_stays(
    company: Company, data: Data, tmp_path: Path
) -> None:
    copy(company)
    at = moment()
    patch(company.customers, f"/accounts/{data.account}", name="Wrong")

    def meanwhile(asked: dict[str, Any]) -> None:
        if asked.get("records"):
            company.functions.before = lambda _: None
            patch(company.customers, f"/accounts/{data.other}", name="Newer")
            made(company.customers("POST", "/accounts", {"name": "Newest"}))

    company.functions.before = meanwhile
    summary = restored(company, "customers", at, tmp_path)
    assert (summary.restored, summary.changed_meanwhile) == (1, 2)
    assert company.customers("GET", f"/accounts/{data.other}").json["name"] == "Newer"
    found = company.customers("GET", "/accounts?name_prefix=newest").json["items"]
    assert len(found) == 1


def test_a_restore_that_was_stopped_continues(
    company: Company, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        made(company.customers("POST", "/accounts", {"name": f"A{number}"}))
    company.deliver()
    right = active(company)
    copy(company)
    at = moment()
    everything_lost(company, data)
    monkeypatch.setattr("zebros.operations.scans._PAGE", 10)
    sent: list[str] = []

    def stops(asked: dict[str, Any]) -> None:
        sent.extend(one["record"] for one in asked.get("records", ()))
        if len(sent) > 15:
            raise KeyboardInterrupt

    company.functions.before = stops
    with pytest.raises(KeyboardInterrupt):
        restored(company, "customers", at, tmp_path)
    first = len(sent)
    company.functions.before = lambda asked: sent.extend(
        one["record"] for one in asked.get("records", ())
    )
    summary = restored(company, "customers", at, tmp_path)
    assert first < 25
    assert len(sent) - first < 43, "what was done is not sent again"
    assert summary.put_back == 43
    ours = ("TENANT#acme#ACCOUNT", "TENANT#acme#CONTACT")
    assert {k: v for k, v in active(company).items() if k.startswith(ours)} == {
        k: v for k, v in right.items() if k.startswith(ours)
    }
    run = {
        event["correlationid"] for event in company.events if "restore-" in event["correlationid"]
    }
    assert len(run) == 1, "both runs are one restore"


def test_a_report_that_ran_when_the_table_was_lost_has_failed(
    company: Company, data: Data, tmp_path: Path
) -> None:
    running = made(company.reports("POST", "/reports", {"report": "pipeline_by_stage"}))
    copy(company)
    at = moment()
    later = made(company.reports("POST", "/reports", {"report": "pipeline_by_stage"}))
    company.deliver()
    restored(company, "reporting", at, tmp_path)
    for report in (running, later):
        assert company.reports("GET", f"/reports/{report}").json["status"] == "pending"
    everything_lost(company, data)
    summary = restored(company, "reporting", at, tmp_path)
    assert summary.put_back == 3
    for report in (running, later):
        shown = company.reports("GET", f"/reports/{report}").json
        assert (shown["status"], shown["failure"]) == ("failed", "worker_lost")
        assert "restored" in shown["reason"]
    assert company.reports("GET", f"/reports/{data.report}").json["status"] == "cancelled"


def test_nobody_is_notified_of_a_restore(company: Company, data: Data, tmp_path: Path) -> None:
    made(company.deals("POST", f"/opportunities/{data.deals[0]}/won", {}, ANY))
    company.deliver()
    inbox = company.inbox.as_(user="ann")
    count = len(inbox("GET", "/notifications").json["items"])
    copy(company)
    at = moment()
    made(company.deals("POST", f"/opportunities/{data.deals[0]}/reopen", {}, ANY))
    patch(company.tasks, f"/tasks/{data.tasks[0]}", assignee_id="ann")
    company.deliver()
    again = len(inbox("GET", "/notifications").json["items"])
    restored(company, "opportunities", at, tmp_path)
    restored(company, "activities", at, tmp_path)
    assert company.deals("GET", f"/opportunities/{data.deals[0]}").json["status"] == "won"
    assert len(inbox("GET", "/notifications").json["items"]) == again >= count


def test_nobody_is_notified_of_records_that_are_put_back_or_returned(
    company: Company, data: Data, tmp_path: Path
) -> None:
    for path in (f"/accounts/{data.account}", f"/contacts/{data.contact}"):
        patch(company.customers, path, owner_id="bob")
    patch(company.tasks, f"/tasks/{data.tasks[0]}", owner_id="bob")
    company.deliver()
    count = unread(company)
    copy(company)
    at = moment()
    patch(company.customers, f"/accounts/{data.account}", owner_id="cid")
    company.deliver()
    returned = unread(company)
    assert returned == count + 1, "bob is notified of what a user did"
    for kind in ("CONTACT", "TASK"):
        for pk, sk in company.items(kind):
            key = {"pk": {"S": pk}, "sk": {"S": sk}}
            company.client.delete_item(TableName="table", Key=key)
    for context in ("customers", "activities"):
        assert restored(company, context, at, tmp_path).changed > 0
    assert company.customers("GET", f"/accounts/{data.account}").json["owner_id"] == "bob"
    assert unread(company) == returned


def test_an_account_that_was_archived_is_published_as_restored(
    company: Company, data: Data, tmp_path: Path
) -> None:
    copy(company)
    at = moment()
    archived(company, data)
    made(company.customers("POST", "/accounts", {"name": "Later"}))
    company.deliver()
    known = len(company.events)
    restored(company, "customers", at, tmp_path)
    found = sorted((one["type"], one["actor"], one["origin"]) for one in company.events[known:])
    kinds = ("AccountArchived", "AccountRestored", "ContactRestored")
    assert found == [(kind, "system", "system") for kind in kinds]


def test_an_unreadable_copy_leaves_the_record(company: Company, data: Data, tmp_path: Path) -> None:
    copy(company)
    at = moment()
    key = {"pk": {"S": f"TENANT#acme#ACCOUNT#{data.account}"}, "sk": {"S": "STATE"}}
    item = {**key, "version": {"N": "1"}, "doc": {"B": pack('{"name":"Secret"}')}}
    company.client.put_item(TableName="copy", Item=item)
    (failed,) = restored(company, "customers", at, tmp_path).failed
    assert failed["record"] == key["pk"]["S"]
    assert "Secret" not in failed["reason"]
    assert company.customers("GET", f"/accounts/{data.account}").json["name"] == "Acme"


def test_a_failure_of_the_function_is_named_and_the_restore_can_be_repeated(
    company: Company, data: Data, tmp_path: Path
) -> None:
    copy(company)
    at = moment()
    patch(company.customers, f"/accounts/{data.account}", name="Wrong")

    handler = company.functions.handlers["CustomersMaintenance"]

    def fails(asked: dict[str, Any], context: object) -> Any:
        if asked["records"]:
            raise ZeroDivisionError("it failed")
        return handler(asked, context)

    company.functions.handlers["CustomersMaintenance"] = fails
    with pytest.raises(CliError, match="CustomersMaintenance failed: it failed"):
        restored(company, "customers", at, tmp_path)
    company.functions.handlers["CustomersMaintenance"] = handler
    assert restored(company, "customers", at, tmp_path).restored == 1


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"records": "x"},
        {"records": ["x"]},
        {"records": [{"record": 1}]},
        {"records": [{"record": "x", "doc": 1}]},
        {"records": [{"record": "x", "doc": "?"}]},
        {"records": [{"record": "x", "last": []}]},
        {"records": [], "began": "yesterday"},
        {"records": [{"record": "x"}] * 201},
    ],
)
def test_a_wrong_command_is_refused(company: Company, event: dict[str, Any]) -> None:
    handler = company.functions.handlers["CustomersMaintenance"]
    with pytest.raises(ValueError, match=r"records|base64|event|at most|isoformat"):
        handler({"command": "restore", **event}, None)


def test_what_is_no_record_of_the_context_is_named(company: Company) -> None:
    handler = company.functions.handlers["CustomersMaintenance"]
    records = [{"record": "TENANT#acme#OTHER#1"}, {"record": "x"}]
    result = handler({"command": "restore", "records": records}, None)
    assert [one["reason"] for one in result["failed"]] == ["no type of record"] * 2


@pytest.fixture
def zebros(company: Company, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """The command, connected to the company."""
    monkeypatch.setattr(Connection, "deployment", lambda _: company.stack)
    monkeypatch.setattr("zebros.operations.rebuild._COUNTED_S", 0.0)
    monkeypatch.setattr("zebros.operations.restore.time.sleep", lambda _: None)
    return lambda *words: cli.main(["--home", str(tmp_path), "restore", *words])


BOTH = ("--from-table", "CustomersTable=copy", "--from-table", "ContactsTable=copy")


def test_the_command_prints_what_was_done(
    company: Company,
    data: Data,
    zebros: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy(company)
    wrong_edits(company, data)
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert zebros("customers", "--to", at, "--dry-run", *BOTH) == 0
    assert "Would be done: 3 read, 1 unchanged, 2 restored." in capsys.readouterr().out
    assert zebros("customers", "--to", at, "--json", *BOTH) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["context"], found["to"], found["restored"]) == ("customers", at, 2)
    assert found["run"] in {event["correlationid"] for event in published(company.client)}
    assert zebros("customers", "--to", at, *BOTH) == 0
    assert f"customers is as at {at}: 3 read, 3 unchanged." in capsys.readouterr().out
    assert "copy" in company.client.list_tables()["TableNames"], "it was not made by the command"


def test_ctrl_c_stops_the_command_and_says_how_to_continue(
    company: Company,
    data: Data,
    zebros: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy(company)

    def stops(asked: dict[str, Any]) -> None:
        if asked.get("records"):
            raise KeyboardInterrupt

    company.functions.before = stops
    words = ("customers", "--to", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", *BOTH)
    assert zebros(*words) == 130
    assert "The same command continues it." in capsys.readouterr().err
    company.functions.before = lambda _: None
    assert zebros(*words) == 0


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nothing", "--to", "2026-01-31T09:30:00Z"), "There is no context nothing"),
        (("customers", "--to", "2999-01-31T09:30:00Z"), "is in the future"),
        (("customers", "--to", "2026-01-31T09:30:00"), "has no time zone"),
        (("customers", "--to", "yesterday"), "is not a time"),
        (("customers", "--to", "2026-01-31T09:30:00Z", "--tenant", "a#b"), "is no tenant"),
        (("customers", "--to", "2026-01-31T09:30:00Z", "--from-table", "x"), "in place of which"),
        (("activities", "--to", "2026-01-31T09:30:00Z", "--from-table", "x"), "no table x"),
    ],
)
def test_a_wrong_restore_is_refused(
    zebros: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    reason: str,
) -> None:
    assert zebros(*words) == 65
    assert reason in capsys.readouterr().err


class Recovery:
    """What DynamoDB says about the history of a table."""

    def __init__(self, status: str, first: datetime, last: datetime) -> None:
        self._found = {
            "PointInTimeRecoveryStatus": status,
            "EarliestRestorableDateTime": first,
            "LatestRestorableDateTime": last,
        }

    def describe_continuous_backups(self, **_: Any) -> dict[str, Any]:
        return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": self._found}}


@pytest.mark.parametrize(
    ("status", "hours", "reason"),
    [
        ("ENABLED", -1, "its history begins at 2026-01-31T09:00:00Z"),
        ("ENABLED", 2, "the latest time is 2026-01-31T10:00:00Z"),
        ("DISABLED", 0, "is not enabled"),
        ("ENABLED", 0, ""),
        ("ENABLED", 1, ""),
    ],
)
def test_a_time_that_dynamodb_cannot_restore_is_refused(
    company: Company, monkeypatch: pytest.MonkeyPatch, status: str, hours: int, reason: str
) -> None:
    first = datetime(2026, 1, 31, 9, tzinfo=UTC)
    recovery = Recovery(status, first, first + timedelta(hours=1))
    monkeypatch.setattr(type(company.stack), "aws", lambda *_: recovery)
    at = first + timedelta(hours=hours)
    if reason:
        with pytest.raises(BadInput, match=reason):
            restored_tables.check_time(company.stack, "table", at)
    else:
        restored_tables.check_time(company.stack, "table", at)


def test_copies_are_made_by_dynamodb_and_deleted_at_the_end(
    company: Company,
    data: Data,
    zebros: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library in place of DynamoDB copies the table as it is now."""
    company.client.update_continuous_backups(
        TableName="table",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    monkeypatch.setattr(restored_tables, "check_time", lambda *_: None)
    copied: list[dict[str, Any]] = []
    company.stack.aws("dynamodb").meta.events.register(
        "provide-client-params.dynamodb.RestoreTableToPointInTime",
        lambda params, **_: copied.append(params),
    )
    at = datetime.now(UTC).replace(microsecond=0)
    name = restored_tables.name_of("table", at)
    assert name == f"table-restored-{at:%Y%m%dT%H%M%SZ}"
    words = ("activities", "--to", at.isoformat(), "--json")
    assert zebros(*words, "--keep") == 0
    assert json.loads(capsys.readouterr().out)["tables"] == {"ActivitiesTable": name}
    assert name in company.client.list_tables()["TableNames"]
    (asked,) = copied
    assert asked["RestoreDateTime"] == at
    assert asked["BillingModeOverride"] == "PAY_PER_REQUEST"
    assert asked["GlobalSecondaryIndexOverride"] == []
    assert zebros(*words) == 0, "the copy that exists is read again"
    assert name not in company.client.list_tables()["TableNames"]


def test_a_copy_whose_first_request_got_no_answer_in_time_is_used(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.client.update_continuous_backups(
        TableName="table",
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )
    monkeypatch.setattr(restored_tables, "check_time", lambda *_: None)
    at = datetime.now(UTC).replace(microsecond=0)
    name = restored_tables.begin(company.stack, "table", at)
    # botocore sends a request again whose answer it has not got.
    monkeypatch.setattr(restored_tables, "status", lambda *_: None)
    assert restored_tables.begin(company.stack, "table", at) == name


def test_a_copy_that_disappears_is_named(company: Company) -> None:
    with pytest.raises(CliError, match="There is no table gone any more"):
        restored_tables.wait(company.stack, "gone", lambda: None, lambda _: None)
    restored_tables.delete(company.stack, "gone")


def test_the_registry_of_tenants_is_restored(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[bool] = []
    monkeypatch.setattr(registry, "forget_decisions", lambda *_: flushed.append(True))
    company.stack.resources.tables["EdgeTable"] = "table"
    tenants = registry_of(company.stack)
    for name in ("acme", "globex", "initech"):
        tenants.add(name)
    copy(company)
    before = {one.name: one for one in tenants.list()}
    tenants.change("acme", state=State.SUSPENDED, reason="by mistake")
    key = {"pk": {"S": "TENANT#globex"}, "sk": {"S": "TENANT"}}
    company.client.delete_item(TableName="table", Key=key)
    tenants.add("later")

    def restored_now(**more: Any) -> dict[str, Any]:
        asked = {"tenant": None, "dry_run": False, "units_per_second": 100.0, **more}
        return registry.restore_registry(company.stack, "copy", pause=lambda _: None, **asked)

    done = {"read": 3, "same": 1, "restored": 1, "put_back": 1, "changed_meanwhile": 0}
    assert restored_now(dry_run=True) == done
    assert tenants.get("acme").state is State.SUSPENDED
    assert flushed == []
    assert restored_now(tenant="initech")["same"] == 1
    assert restored_now() == done
    assert flushed == [True]
    assert {one.name: one for one in tenants.list()} == {**before, "later": tenants.get("later")}
    assert restored_now()["same"] == 3
    tenants.change("acme", state=State.SUSPENDED)
    assert tenants.get("acme").state is State.SUSPENDED, "its version has grown"


def no_external_ids(company: Company) -> None:
    for item in company.client.scan(TableName="table")["Items"]:
        if item["sk"]["S"] == "EXTERNAL":
            key = {"pk": item["pk"], "sk": item["sk"]}
            company.client.delete_item(TableName="table", Key=key)


def test_external_ids_alone_are_repaired_without_an_event(
    company: Company, data: Data, tmp_path: Path
) -> None:
    company.publish()
    claimed, known = claims(company), len(company.events)
    copy(company)
    at = moment()
    no_external_ids(company)
    assert restored(company, "customers", at, tmp_path, dry_run=True).repaired == 2
    assert claims(company) == {}
    summary = restored(company, "customers", at, tmp_path)
    assert (summary.same, summary.repaired) == (1, 2)
    assert claims(company) == claimed
    assert len(company.events) == known


def test_a_version_never_comes_again(company: Company, data: Data, tmp_path: Path) -> None:
    path = f"/accounts/{data.account}"
    copy(company)
    at = moment()
    patch(company.customers, path, name="Wrong")
    patch(company.customers, path, name="Wrong again")
    seen = company.customers("GET", path)
    restored(company, "customers", at, tmp_path)
    after = company.customers("GET", path)
    assert after.json["version"] == seen.json["version"] + 1
    assert company.customers("PATCH", path, {"name": "X"}, seen.etag).status == 412
    assert company.customers("PATCH", path, {"name": "X"}, after.etag).status == 200


@pytest.mark.parametrize("published_first", [True, False])
def test_a_lost_record_continues_after_its_last_event(
    company: Company, data: Data, tmp_path: Path, published_first: bool
) -> None:
    """The event is in the lake, or still in the outbox of the record that was deleted."""
    deal = data.deals[0]
    copy(company)
    at = moment()
    for units in (1, 2, 3):
        amount = {"minor_units": units, "currency": "USD"}
        patch(company.deals, f"/opportunities/{deal}", amount=amount)
    version = company.deals("GET", f"/opportunities/{deal}").json["version"]
    if published_first:
        company.deliver()
    pk = {"S": f"TENANT#acme#OPPORTUNITY#{deal}"}
    for item in company.client.scan(TableName="table")["Items"]:
        outbox = published_first and item["sk"]["S"].startswith("EVENT#")
        if item["pk"] == pk and (item["sk"]["S"] == "STATE" or outbox):
            company.client.delete_item(TableName="table", Key={"pk": pk, "sk": item["sk"]})
    assert restored(company, "opportunities", at, tmp_path).put_back == 1
    about = [one for one in company.events if one["subject"] == f"opportunity/{deal}"]
    about.sort(key=lambda one: str(one["id"]))
    assert [int(one["sequence"]) for one in about] == [1, 2, 3, 4, 5]
    assert about[-1]["type"] == "OpportunityUpdated"
    assert "amount" in about[-1]["data"]["changed"]
    assert company.deals("GET", f"/opportunities/{deal}").json["version"] == version + 1
    assert not [one for one in company.events if one["type"] == "StreamDiverged"]


def test_the_number_of_unread_notifications_follows_in_the_same_transaction(
    company: Company, data: Data, tmp_path: Path
) -> None:
    bob = company.inbox.as_(user="bob")
    copy(company)
    at = moment()
    bob("POST", f"/notifications/{data.notices[0]}/read", {})
    for title in ("Later", "Later still"):
        made(company.tasks("POST", "/tasks", {"title": title, "assignee_id": "bob"}))
    company.deliver()
    asked = request("notifications", at)
    place = Place.read(tmp_path / "n.json", asked)
    Restore(company.stack, asked, place, quiet, lambda _: None).run()
    assert unread(company) == 2
    assert len(bob("GET", "/notifications?unread=true").json["items"]) == 2
