"""What a tenant uses is counted again from the lake, and is what its events had counted."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.component.conftest import published
from tests.component.scaling.metering import counters
from tests.component.zebros import company as companies
from tests.component.zebros.company import USAGE, MeteredCompany
from zebros import cli
from zebros.client.connection import Connection
from zebros.errors import CliError
from zebros.operations import rebuild, rebuilding
from zebros.operations.restore_projections import rebuild_lost

ANY = {"if-match": "*"}


@pytest.fixture
def company(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> MeteredCompany:
    monkeypatch.setenv("LAKE_BUCKET", "lake")
    monkeypatch.setenv("FILES_BUCKET", "files")
    companies.clients()
    return MeteredCompany(cloud)


def usage_of(company: MeteredCompany) -> dict[str, Any]:
    """Build usage again, without progress and pauses."""
    return rebuild.rebuild_usage(
        company.stack, "acme", lambda *_: None, wait_seconds=0.0, pause=lambda _: None
    )


def some_work(company: MeteredCompany) -> None:
    """Records of five contexts, by three users; some are archived or changed."""
    account = company.customers("POST", "/accounts", {"name": "Ümlaut & Søn"}).json["id"]
    company.customers("POST", "/accounts", {"name": "Other"})
    assert company.customers("POST", f"/accounts/{account}/archive", {}, ANY).status == 200
    for user in ("bob", "cid"):
        body = {"id": user, "name": user.title()}
        assert company.customers("POST", "/people", body).status == 201
    assert company.customers("PATCH", "/people/cid", {"active": False}, ANY).status == 200
    bob = company.deals.as_(user="bob")
    for number in range(4):
        deal = bob("POST", "/opportunities", {"name": f"D{number}", "owner_id": "ann"}).json["id"]
        bob("POST", f"/opportunities/{deal}/won", {}, ANY)
    cid = company.tasks.as_(user="cid")
    assert cid("POST", "/tasks", {"title": "Call", "assignee_id": "bob"}).status == 201
    report = company.reports("POST", "/reports", {"report": "win_rate", "by": "region"})
    assert report.status == 202, report.text
    company.reports("POST", f"/reports/{report.json['id']}/cancel", {})
    for _ in range(2):  # notifications follow from the first events
        company.deliver()


def nothing(_company: MeteredCompany) -> None:
    """No damage."""


def wrong_total(company: MeteredCompany) -> None:
    key = {"pk": {"S": "TENANT#acme#USAGE"}, "sk": {"S": "TOTAL"}}
    company.put({**key, "customers": {"N": "20000"}, "bytes": {"N": "1"}})


def day_of_no_event(company: MeteredCompany) -> None:
    key = {"pk": {"S": "TENANT#acme#USAGE"}, "sk": {"S": "DAY#2020-01-01"}}
    company.put({**key, "customers": {"N": "1"}})


def user_of_no_event(company: MeteredCompany) -> None:
    ((pk, _), _) = next(iter(company.items("ACTIVE").items()))
    company.put({"pk": {"S": pk}, "sk": {"S": "mallory"}, "d1h09": {"N": "1"}})


def no_users(company: MeteredCompany) -> None:
    company.replace({}, "ACTIVE")


def wrong_memory(company: MeteredCompany) -> None:
    for item in company.items("POSITION#usage").values():
        company.put({**item, "memory": {"S": "{}"}})


def everything_lost(company: MeteredCompany) -> None:
    company.replace({}, "USAGE", "ACTIVE", "POSITION#usage", "TENANT_USAGE")


@pytest.mark.parametrize(
    "damage",
    [
        nothing,
        wrong_total,
        day_of_no_event,
        user_of_no_event,
        no_users,
        wrong_memory,
        everything_lost,
    ],
)
def test_usage_is_counted_again_as_its_events_had_counted_it(
    company: MeteredCompany, damage: Callable[[MeteredCompany], None]
) -> None:
    some_work(company)
    right, days = counters(company.client, "acme"), company.days()
    assert (
        right["USAGE", "TOTAL"].items() >= {"customers": 1, "users": 1, "opportunities": 4}.items()
    )
    assert {key[1] for key in right if key[0].startswith("ACTIVE")} == {"ann", "bob", "cid"}
    damage(company)
    result = usage_of(company)
    assert counters(company.client, "acme") == right
    assert company.days() == days
    assert company.functions.enabled[USAGE]
    assert (result["counters_changed"] > 0) == (damage not in (nothing, wrong_memory))
    assert (result["positions_replaced"] > 0) == (damage in (wrong_memory, everything_lost))
    assert company.tier() == "startup"
    again = usage_of(company)
    assert (again["counters_changed"], again["positions_replaced"]) == (0, 0)


def test_events_after_a_rebuild_go_on_counting(company: MeteredCompany) -> None:
    some_work(company)
    everything_lost(company)
    usage_of(company)
    company.customers("POST", "/accounts", {"name": "Third"})
    company.deliver()
    assert counters(company.client, "acme")["USAGE", "TOTAL"]["customers"] == 2
    right = counters(company.client, "acme")
    assert usage_of(company)["counters_changed"] == 0
    assert counters(company.client, "acme") == right


def test_a_tier_that_a_wrong_counter_had_made_is_corrected(company: MeteredCompany) -> None:
    some_work(company)
    wrong_total(company)
    company.customers("POST", "/accounts", {"name": "Third"})
    company.deliver()
    assert company.tier() == "enterprise"
    usage_of(company)
    changes = [one for one in published(company.client) if one["type"] == "TenantTierChanged"]
    assert [one["data"]["current"]["tier"] for one in changes] == [
        "startup",
        "enterprise",
        "startup",
    ]


def test_a_lake_without_some_events_changes_nothing(company: MeteredCompany) -> None:
    some_work(company)
    wrong_total(company)
    wrong = counters(company.client, "acme")
    for file in company.s3.list_objects_v2(Bucket="lake")["Contents"]:
        if "context=notifications" in file["Key"]:
            company.s3.delete_object(Bucket="lake", Key=file["Key"])
    with pytest.raises(CliError, match="Nothing was changed"):
        usage_of(company)
    assert counters(company.client, "acme") == wrong
    assert company.functions.enabled[USAGE]


def test_the_command_counts_usage(
    company: MeteredCompany, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    some_work(company)
    wrong_total(company)
    monkeypatch.setattr(Connection, "deployment", lambda _: company.stack)
    monkeypatch.setitem(rebuild.rebuild_counters.__kwdefaults__, "pause", lambda _: None)
    assert cli.main(["events", "rebuild", "usage", "--wait", "0"]) == 0
    assert re.fullmatch(
        r"acme: \d+ records read, \d+ events applied, 0 positions replaced, 1 counters changed.\n",
        capsys.readouterr().out,
    )


def test_usage_that_was_lost_with_its_table_is_counted_by_a_restore(
    company: MeteredCompany,
) -> None:
    some_work(company)
    right = counters(company.client, "acme")
    everything_lost(company)
    request: Any = SimpleNamespace(context="scaling", wait_seconds=0.0)
    place: Any = SimpleNamespace(
        lost={"usage": ["acme"]}, tenants={"acme"}, summary=SimpleNamespace(changed=0)
    )
    (result,) = rebuild_lost(company.stack, request, place, lambda *_: None, lambda _: None)
    assert (result["rebuilt"], result["tenant"]) == ("usage", "acme")
    assert counters(company.client, "acme") == right


def test_many_counters_are_sent_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [1500, 500, 1, 5000, 1999, *[1] * 25]
    parts = rebuilding._by_counters({"pk": "p", "items": dict.fromkeys(range(n))} for n in sizes)
    found = [[len(one["items"]) for one in part] for part in parts]
    assert found == [[1500, 500], [1], [5000], [1999, 1], [1] * 20, [1] * 4]
