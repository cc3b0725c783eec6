"""A loss of the controller's table is undone, and what contexts keep of each other's records."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.domain.clock import utc_now
from kernel.storage.table import Table
from tests.component.scaling.metering import counters
from tests.component.scaling.world import TENANT, World, alarm
from tests.component.zebros import company as companies
from tests.component.zebros.company import MeteredCompany
from tests.component.zebros.test_restore import (
    CONTEXTS,
    OF_EVERY_CHANGE,
    copy,
    everything_lost,
    made,
    moment,
    quiet,
    restored,
)
from zebros.contract import contract
from zebros.operations.rebuild_references import rebuild_references

ANY = {"if-match": "*"}
OF_SCALING = ("SCALING_ACTION", "TENANT_USAGE", "HISTORY", "USAGE", "ACTIVE", "POSITION#usage")


@pytest.fixture
def company(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> MeteredCompany:
    for variable in ("CONTACTS_TABLE_NAME", "FILES_BUCKET"):
        monkeypatch.setenv(variable, "table")
    monkeypatch.setenv("LAKE_BUCKET", "lake")
    companies.clients()
    return MeteredCompany(cloud)


@pytest.fixture
def world(company: MeteredCompany) -> World:
    """The controller of the system, which has changed a setting and taken it back."""
    world = World(Table(company.client, "table"), now=utc_now() - timedelta(hours=3))
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=9)
    some_work(company)
    return world


def some_work(company: MeteredCompany) -> None:
    """People, active and archived records that others refer to, and usage of several contexts."""
    for user in ("ann", "bob", "cid"):
        made(company.customers("POST", "/people", {"id": user, "name": user.title()}))
    company.customers("PATCH", "/people/cid", {"active": False}, ANY)
    company.deliver()
    accounts = [
        made(company.customers("POST", "/accounts", {"name": f"A{number}"})) for number in range(2)
    ]
    contact = {"last_name": "Holm", "account_id": accounts[0]}
    made(company.customers("POST", "/contacts", contact))
    made(company.customers("POST", f"/accounts/{accounts[1]}/archive", {}, ANY))
    deal = {"name": "D", "account_id": accounts[0], "owner_id": "bob"}
    made(company.deals("POST", "/opportunities", deal))
    made(company.tasks("POST", "/tasks", {"title": "T", "assignee_id": "bob"}))
    for _ in range(3):  # notifications follow from events, and are counted
        company.deliver()
    rebuild_references(company.stack, "acme", quiet, wait_seconds=0.0, pause=lambda _: None)


def stored(company: MeteredCompany) -> dict[str, Any]:
    """Actions and tiers, without what every change sets."""
    from scaling.bootstrap import stores

    found = {}
    for item in company.client.scan(TableName="table")["Items"]:
        for store in stores():
            kind = f"#{store.record_type.upper()}#"
            if item["sk"]["S"] == "STATE" and kind in item["pk"]["S"]:
                key = {"pk": item["pk"]["S"], "doc": item["doc"]["B"]}
                record = store.from_item(key).model_dump(exclude=set(OF_EVERY_CHANGE))
                found[item["pk"]["S"]] = (record, item["gsi1pk"]["S"], item["gsi1sk"]["S"])
    return found


def known(company: MeteredCompany) -> dict[tuple[str, str], Any]:
    """What contexts keep of each other's records: memories of positions, markers and names."""
    keeping = tuple(
        f"TENANT#acme#{kind}#{name}"
        for name, one in contract().projections.items()
        if one.references or name == "usage"
        for kind in ("POSITION", "REFERENCES", "NAMES")
    )
    return {
        key: json.loads(item["memory"]["S"]) if "memory" in item else item
        for key, item in company.items("POSITION", "REFERENCES", "NAMES").items()
        if key[0].startswith(keeping) and not key[1].startswith("EVENT#")
    }


def without_bytes(company: MeteredCompany) -> dict[tuple[str, str], dict[str, int]]:
    """The counters of usage, without the bytes of events: a restore publishes some."""
    return {
        key: {name: value for name, value in amounts.items() if name != "bytes"}
        for key, amounts in counters(company.client, "acme").items()
    }


def lost(company: MeteredCompany) -> None:
    company.replace({}, *OF_SCALING)


def unreadable(company: MeteredCompany) -> None:
    for item in company.items("SCALING_ACTION", "TENANT_USAGE").values():
        if item["sk"]["S"] == "STATE":
            company.put({**item, "doc": {"B": b"?"}})


def deleted(company: MeteredCompany) -> None:
    for key, item in company.items("SCALING_ACTION", "TENANT_USAGE").items():
        if item["sk"]["S"] == "STATE":
            address = {"pk": {"S": key[0]}, "sk": {"S": key[1]}}
            company.client.delete_item(TableName="table", Key=address)


@pytest.mark.parametrize("damage", [lost, unreadable, deleted])
def test_the_loss_of_the_controller_s_table_is_undone(
    company: MeteredCompany,
    world: World,
    damage: Callable[[MeteredCompany], None],
    tmp_path: Path,
) -> None:
    right, used, days = stored(company), counters(company.client, "acme"), company.days()
    history = [one.id for one in world.actions.history(TENANT)]
    kinds = {key.split("#")[2] for key in right}
    assert kinds == {"SCALING_ACTION", "TENANT_USAGE"}
    assert history
    copy(company)
    at = moment()
    damage(company)
    assert stored_or_none(company) != right
    summary = restored(company, "scaling", at, tmp_path)
    assert (summary.failed, summary.put_back + summary.restored) == ([], len(right))
    assert stored(company) == right
    assert [one.id for one in world.actions.history(TENANT)] == history
    assert (counters(company.client, "acme"), company.days()) == (used, days)
    assert company.tier() == "startup"
    again = restored(company, "scaling", at, tmp_path)
    assert again.changed == 0, "a second restore has nothing to do"
    made(company.customers("POST", "/accounts", {"name": "Next"}))
    company.deliver()
    following = counters(company.client, "acme")["USAGE", "TOTAL"]["customers"]
    assert following == used["USAGE", "TOTAL"]["customers"] + 1


def stored_or_none(company: MeteredCompany) -> dict[str, Any] | None:
    from kernel.domain.errors import UnreadableRecord

    try:
        return stored(company)
    except UnreadableRecord:
        return None


def test_what_was_changed_since_stays(
    company: MeteredCompany, world: World, tmp_path: Path
) -> None:
    """A restore of the table does not bring back a setting: it would say what none has."""
    copy(company)
    at = moment()
    world.now = utc_now()
    world.metrics = {"Duration": 900}
    world.run(alarm("ApiLatency"), holder="two", looks=9)
    company.deliver()
    right = stored(company)
    summary = restored(company, "scaling", at, tmp_path)
    assert (summary.changed, summary.failed) == (0, [])
    assert stored(company) == right


def test_what_contexts_keep_of_others_is_as_before_a_loss_of_everything(
    company: MeteredCompany, world: World, tmp_path: Path
) -> None:
    right, used = known(company), without_bytes(company)
    kept = {key[0].split("#")[3] for key in right}
    assert kept == {"opportunities-references", "reporting-references", "timeline", "usage"}
    assert any(key[1] == "COMPLETE" for key in right)
    assert any("#NAMES#" in key[0] for key in right)
    assert {"archived": True}.items() <= max(
        right.values(), key=lambda one: "archived" in one
    ).items()
    copy(company)
    at = moment()
    everything_lost(company, None)  # type: ignore[arg-type]
    for context in (*CONTEXTS, "scaling"):
        assert restored(company, context, at, tmp_path).failed == []
    assert known(company) == right
    assert without_bytes(company) == used
