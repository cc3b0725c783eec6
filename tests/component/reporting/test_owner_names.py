"""Reports by owner have the names that the events of people carry."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.component.conftest import ApiClient
from tests.component.references import ARCHIVED, deliver
from tests.component.reporting.conftest import into_lake, opportunity
from tests.component.reporting.running import Running, content
from tests.component.test_budgets import Meter

Ask = Callable[..., dict[str, Any]]


def owners(run: dict[str, Any]) -> dict[str | None, str]:
    """The names in a report, by id."""
    return {row["owner_id"]: row["owner"] for row in json.loads(content(run))["rows"]}


@pytest.fixture
def people(cloud: Any) -> Any:
    """The consumer that learns of people."""
    from reporting.consumers.references import handler

    deliver(handler, "person/ann", name="Ann Lee", active=True)
    deliver(handler, "person/bob", name="Bob Holm", active=True)
    return handler


def made(running: Running, ask: Ask) -> dict[str, Any]:
    """A finished report by owner."""
    run = ask(report="sales_performance", by="owner")
    running.relay()
    assert running.machine.end(run["id"]) == "SUCCEEDED"
    return run


@pytest.mark.parametrize("megabytes", ["1", "0"], ids=["in the function", "by a worker"])
def test_a_report_has_names_wherever_it_is_made(
    ask: Ask, running: Running, people: Any, monkeypatch: pytest.MonkeyPatch, megabytes: str
) -> None:
    monkeypatch.setenv("FUNCTION_LAKE_MEGABYTES", megabytes)
    into_lake(opportunity("won", owner_id="ann"), opportunity("won", owner_id="zoe"))
    with running.worker():
        run = made(running, ask)
    assert owners(run) == {"ann": "Ann Lee", "zoe": "zoe"}


def test_a_person_who_was_renamed_has_the_new_name_and_a_leaver_keeps_the_last_one(
    ask: Ask, running: Running, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for deals of the time before: a report shows today's names."""
    monkeypatch.setenv("FUNCTION_LAKE_MEGABYTES", "1")
    into_lake(opportunity("won", owner_id="ann"), opportunity("won", owner_id="bob"))
    assert owners(made(running, ask)) == {"ann": "Ann Lee", "bob": "Bob Holm"}
    deliver(people, "person/ann", 2, name="Ann Lee-Holm", active=True)
    deliver(people, "person/bob", 2, name="Bob Holm", active=False, **ARCHIVED)
    assert owners(made(running, ask)) == {"ann": "Ann Lee-Holm", "bob": "Bob Holm"}


def test_people_of_another_tenant_give_no_name(
    ask: Ask, running: Running, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUNCTION_LAKE_MEGABYTES", "1")
    deliver(people, "person/zoe", tenant="bolt", name="Zoe of Bolt", active=True)
    into_lake(opportunity("won", owner_id="zoe"))
    assert owners(made(running, ask)) == {"zoe": "zoe"}


def test_a_list_of_reports_has_the_names_of_who_requested_them(
    api: ApiClient, ask: Ask, people: Any
) -> None:
    run = ask()
    ann = {"ann": {"name": "Ann Lee", "active": True}}
    meter = Meter()
    assert api("GET", "/reports?all=true&include=people").json["people"] == ann
    assert meter.taken() == {"Query": 1, "BatchGetItem": 1}
    assert api("GET", f"/reports/{run['id']}?include=people").json["people"] == ann
    assert "people" not in api("GET", f"/reports/{run['id']}").json
