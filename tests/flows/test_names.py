"""A person who is renamed has the new name in lists and reports everywhere."""

from typing import Any

from tests.flows.conftest import Crm

TENANT = "acme"
ANY = {"if-match": "*"}


def rows(crm: Crm) -> dict[str, str]:
    """The names in a report by owner, by id."""
    made = crm.report({"report": "pipeline_by_stage", "by": "owner"}, tenant=TENANT)
    return {row["owner_id"]: row["owner"] for row in made["result"]["rows"]}


def names(crm: Crm, path: str, person: str) -> Any:
    answer = crm("GET", f"{path}include=people", tenant=TENANT)
    assert answer.status_code == 200, answer.text
    return answer.json()["people"].get(person, {}).get("name")


def test_a_new_name_arrives_in_lists_records_and_reports(crm: Crm) -> None:
    person = "flow-of-names"
    made = crm("POST", "/people", {"id": person, "name": "Nora Vale"}, tenant=TENANT)
    assert made.status_code == 201, made.text
    crm.settle()
    account = crm("POST", "/accounts", {"name": "Named", "owner_id": person}, tenant=TENANT)
    deal = crm(
        "POST",
        "/opportunities",
        {
            "name": "Named",
            "owner_id": person,
            "amount": {"minor_units": 100, "currency": "USD"},
            "expected_close_on": "2026-12-01",
        },
        tenant=TENANT,
    )
    task = crm("POST", "/tasks", {"title": "Named", "assignee_id": person}, tenant=TENANT)
    assert [one.status_code for one in (account, deal, task)] == [201] * 3
    crm.settle()
    paths = [
        f"/accounts?owner_id={person}&",
        f"/accounts/{account.json()['id']}?",
        f"/opportunities?owner_id={person}&",
        f"/opportunities/{deal.json()['id']}?",
        f"/tasks?assignee_id={person}&",
        f"/tasks/{task.json()['id']}?",
    ]
    assert [names(crm, path, person) for path in paths] == ["Nora Vale"] * len(paths)
    assert rows(crm)[person] == "Nora Vale"
    changed = crm(
        "PATCH", f"/people/{person}", {"name": "Nora Vale-Ito"}, tenant=TENANT, headers=ANY
    )
    assert changed.status_code == 200, changed.text
    crm.settle()
    assert [names(crm, path, person) for path in paths] == ["Nora Vale-Ito"] * len(paths)
    assert rows(crm)[person] == "Nora Vale-Ito"
