"""What contexts know of each other's records is built from the lake; only then it is complete."""

from typing import Any

import pytest

from tests.component.conftest import Answer
from tests.component.references import aged_id
from tests.component.zebros import company as companies
from tests.component.zebros.company import LAKE, PEOPLE, REFERENCES, TIMELINE, Company
from tests.component.zebros.test_rebuild import quiet
from zebros import cli
from zebros.client.connection import Connection
from zebros.errors import BadInput, CliError
from zebros.operations.rebuild_references import begin_references, rebuild_references

ANY = {"if-match": "*"}
UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def company(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv("LAKE_BUCKET", "lake")
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    monkeypatch.setenv("FILES_BUCKET", "files")
    companies.clients()
    return Company(cloud)


def references_of(company: Company, tenant: str = "acme", **more: Any) -> dict[str, Any]:
    more = {"wait_seconds": 0.0, "pause": lambda _: None, **more}
    return rebuild_references(company.stack, tenant, quiet, **more)


def account(company: Company, name: str = "Umbra") -> str:
    answer = company.customers("POST", "/accounts", {"name": name})
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def deal(company: Company, account_id: str) -> Answer:
    return company.deals("POST", "/opportunities", {"name": "Deal", "account_id": account_id})


def task(company: Company, account_id: str) -> Answer:
    related = [{"type": "account", "id": account_id}]
    return company.tasks("POST", "/tasks", {"title": "Call", "related": related})


def an_upgraded_stack(company: Company) -> tuple[str, str]:
    """An active and an archived account, whose events were published before the projection was."""
    active, archived = account(company), account(company, "Old")
    company.customers("POST", f"/accounts/{archived}/archive", None, ANY)
    company.deliver(LAKE, TIMELINE)
    company.queues[REFERENCES].clear()
    company.replace({}, "POSITION")
    return active, archived


def test_an_upgraded_stack_accepts_every_id_until_the_rebuild(company: Company) -> None:
    active, archived = an_upgraded_stack(company)
    for one in (active, archived, UNKNOWN_ID):
        assert (deal(company, one).status, task(company, one).status) == (201, 201)
    company.deliver(LAKE)
    result = references_of(company)
    assert result["tenant"] == "acme"
    assert (deal(company, active).status, task(company, active).status) == (201, 201)
    for one in (archived, UNKNOWN_ID):
        assert (deal(company, one).status, task(company, one).status) == (422, 422)
    assert "archived" in deal(company, archived).text


def test_a_rebuild_is_repeated_without_a_difference(company: Company) -> None:
    an_upgraded_stack(company)
    assert references_of(company)["positions_replaced"] == 4
    before = company.items("POSITION", "REFERENCES")
    assert references_of(company)["positions_replaced"] == 0
    assert company.items("POSITION", "REFERENCES") == before


def test_a_rebuild_gives_an_upgraded_stack_the_names_of_people(company: Company) -> None:
    """Positions of an earlier release have no names, and reporting has no positions at all."""
    person = {"id": "bob", "name": "Bob Holm"}
    assert company.customers("POST", "/people", person).status == 201
    made = company.deals("POST", "/opportunities", {"name": "Deal", "owner_id": "bob"}).json
    company.deliver(LAKE, TIMELINE, REFERENCES)
    company.queues[PEOPLE].clear()
    for key, item in company.items("POSITION").items():
        company.replace({key: {**item, "memory": {"S": "{}"}}})
    of_deal, of_reports = f"/opportunities/{made['id']}?include=people", "/reports?include=people"
    assert company.deals("GET", of_deal).json["people"] == {}
    references_of(company)
    known = {"name": "Bob Holm", "active": True}
    assert company.deals("GET", of_deal).json["people"] == {"bob": known}
    reports = company.reports.as_(user="bob")
    reports("POST", "/reports", {"report": "win_rate"})
    assert reports("GET", of_reports).json["people"] == {"bob": known}


def test_live_events_and_a_rebuild_lead_to_the_same(company: Company) -> None:
    first = account(company)
    company.deliver()
    company.customers("POST", f"/accounts/{first}/archive", None, ANY)
    company.deliver()
    before = company.items("POSITION")
    references_of(company)
    assert company.items("POSITION") == before


def test_a_lake_that_lacks_a_record_completes_nothing(company: Company) -> None:
    present, absent = account(company), account(company, "Lost")
    company.publish()
    for queue in company.queues.values():
        queue[:] = [event for event in queue if absent not in event["subject"]]
    company.deliver(LAKE)
    with pytest.raises(CliError, match=f"no event of account/{absent}"):
        references_of(company)
    assert company.items("REFERENCES") == {}
    assert deal(company, absent).status == 201
    assert deal(company, present).status == 201


def test_a_lake_with_a_gap_completes_nothing(company: Company) -> None:
    one = account(company)
    company.customers("PATCH", f"/accounts/{one}", {"name": "New"}, ANY)
    company.publish()
    company.queues[LAKE] = [e for e in company.queues[LAKE] if e["sequence"] != "1"]
    company.deliver(LAKE)
    with pytest.raises(CliError, match=f"lacks events of account/{one}"):
        references_of(company)
    assert company.items("REFERENCES") == {}


def test_dead_letters_are_redriven_first(company: Company) -> None:
    import boto3

    url = company.stack.resources.queue("OpportunitiesReferencesDeadLetters")
    boto3.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    with pytest.raises(BadInput, match="OpportunitiesReferences has 1 dead-letter"):
        references_of(company)
    assert company.items("REFERENCES") == {}


def test_a_tenant_without_records_is_complete_from_the_beginning(company: Company) -> None:
    assert begin_references(company.stack, "acme") is True
    assert (deal(company, UNKNOWN_ID).status, task(company, UNKNOWN_ID).status) == (422, 422)
    assert deal(company, aged_id(minutes=1)).status == 201
    assert deal(company, account(company)).status == 201


def test_a_tenant_with_records_of_an_earlier_stack_is_not(company: Company) -> None:
    an_upgraded_stack(company)
    assert begin_references(company.stack, "acme") is False
    assert company.items("REFERENCES") == {}


def test_the_command_builds_references(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    an_upgraded_stack(company)
    monkeypatch.setattr(Connection, "deployment", lambda _: company.stack)
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert cli.app.main(["--tenant", "acme", "events", "rebuild", "references"]) == 0
    assert "acme: 4 records read" in capsys.readouterr().out
    assert len(company.items("REFERENCES")) == 3
