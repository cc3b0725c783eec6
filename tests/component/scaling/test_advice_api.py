"""The routes of the adviser, for the operator's administrators."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import boto3
import pytest

from kernel.domain.errors import Forbidden
from kernel.domain.principal import system_request
from scaling.model.usage import DayOfUsage
from scaling.service.advice import MOST_TENANTS
from tests.component.conftest import ApiClient
from tests.unit.scaling.tenants import days

TEXT = (
    "CustomersTable crm-customers table_capacity=100 indexes=1;"
    " ActivitiesTable crm-activities table_capacity=0 indexes=1; Cache cache cache_replicas=1;"
)
NOW = datetime(2026, 11, 27, 12, 20, tzinfo=UTC)


class Tenants:
    """A reader of generated days."""

    def __init__(self, **tenants: list[DayOfUsage]) -> None:
        self.tenants = tenants
        self.asked: set[int] = set()

    def days_of_usage(self, tenant_id: str, last: int) -> Sequence[DayOfUsage]:
        self.asked.add(last)
        return self.tenants[tenant_id][-last:]

    def metered_tenants(self) -> Sequence[str]:
        return sorted(self.tenants)


@pytest.fixture
def tenants(monkeypatch: pytest.MonkeyPatch) -> Tenants:
    made = Tenants(
        acme=days(12, opportunities=60, length=100, today=NOW.date()),
        globex=days(60, growth=0.5, data_mb=20_000, length=100, today=NOW.date()),
    )
    monkeypatch.setattr("scaling.bootstrap.usage_reader", lambda: made)
    monkeypatch.setattr("scaling.bootstrap.utc_now", lambda: NOW)
    return made


@pytest.fixture
def api(cloud: Any, tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    boto3.client("ssm").put_parameter(Name="targets", Type="String", Value=TEXT)
    given = {
        "SYSTEM_NAME": "zebros",
        "PHASE": "startup",
        "SCALING_TARGETS_PARAMETER": "targets",
        "OPERATOR_TENANT": "operator",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    from scaling.handlers.api import handler

    return ApiClient(handler, tenant="operator")


def put_hours(count: int) -> None:
    """Consumed capacity of a table in CloudWatch, an hour each; the hour now has far more."""
    watch, hour = boto3.client("cloudwatch"), NOW.replace(minute=30, second=0, microsecond=0)
    values = [
        {
            "MetricName": "ConsumedWriteCapacityUnits",
            "Dimensions": [{"Name": "TableName", "Value": "crm-customers"}],
            "Timestamp": hour - timedelta(hours=ago) if ago else NOW - timedelta(minutes=5),
            "Value": 900.0 if ago else 1e12,
        }
        for ago in range(count + 1)
    ]
    for first in range(0, count + 1, 500):
        watch.put_metric_data(Namespace="AWS/DynamoDB", MetricData=values[first : first + 500])


def test_the_advice_is_for_the_system_and_each_tenant(api: ApiClient, tenants: Tenants) -> None:
    found = api("GET", "/scaling/advice")
    assert found.status == 200, found.text
    system = found.json["system"]
    assert (system["phase"], system["urgency"], system["target"]) == ("startup", "now", "growth")
    assert (system["users"], system["tenants"], system["days_needed"]) == (72, 2, 14)
    assert system["move"]["parameters"] == ["Phase=growth", "Deployment=at-once"]
    assert system["move"]["needs"] == ["CertificateArn", "DomainName", "HostedZoneId"]
    assert system["move"]["data_lost"] == []
    assert system["monthly_cents_after"] > system["monthly_cents"] > 0
    assert system["options"][0]["phase"] == "growth"
    assert system["sentences"][0] == (
        "Move to growth: startup is for 25 users, and there are 72 users of 2 tenants."
    )
    assert [one["tenant_id"] for one in found.json["tenants"]] == ["globex", "acme"]
    assert [one["tier"] for one in found.json["tenants"]] == ["growing", "startup"]
    users = found.json["tenants"][0]["evidence"][0]
    assert (users["metric"], users["value"], users["next_boundary"]) == ("users", 60, 101)
    assert users["next_in_days"] == {"expected": 83, "earliest": 83, "latest": 83}
    assert found.json["left_out"] == 0
    assert len(found.json["assumptions"]) >= 5
    assert tenants.asked == {90}


def test_one_tenant_s_advice_leaves_the_system_s_as_it_is(api: ApiClient) -> None:
    everything, one = (api("GET", f"/scaling/advice{query}") for query in ("", "?tenant=acme"))
    assert [each["tenant_id"] for each in one.json["tenants"]] == ["acme"]
    assert one.json["system"] == everything.json["system"]
    assert one.json["left_out"] == 0


def test_a_tenant_without_usage_is_refused(api: ApiClient) -> None:
    found = api("GET", "/scaling/advice?tenant=nobody")
    assert found.status == 422
    assert found.json["errors"] == [{"field": "tenant", "message": "must be a tenant with usage"}]


def test_only_the_largest_tenants_get_their_own_advice(api: ApiClient, tenants: Tenants) -> None:
    several = {f"t{n}": days(n, length=20, today=NOW.date()) for n in range(MOST_TENANTS + 1)}
    tenants.tenants = several
    found = api("GET", "/scaling/advice").json
    assert [one["tenant_id"] for one in found["tenants"]] == [
        f"t{n}" for n in range(MOST_TENANTS, 0, -1)
    ]
    assert (found["left_out"], found["system"]["tenants"]) == (1, MOST_TENANTS + 1)


def test_several_tenants_are_read_at_a_time(api: ApiClient, tenants: Tenants) -> None:
    meeting = Barrier(2, timeout=10)
    read = tenants.days_of_usage

    def slow(tenant_id: str, last: int) -> Sequence[DayOfUsage]:
        meeting.wait()
        return read(tenant_id, last)

    tenants.days_of_usage = slow  # type: ignore[method-assign]
    assert api("GET", "/scaling/advice").json["system"]["tenants"] == 2


def test_without_usage_it_says_how_much_is_needed(api: ApiClient, tenants: Tenants) -> None:
    tenants.tenants = {}
    found = api("GET", "/scaling/advice").json
    assert found["system"]["urgency"] == "no_data"
    assert found["system"]["sentences"] == [
        "No advice: there are 0 days with a number of users, and 14 are needed."
    ]
    assert found["system"]["options"] == []


def test_tables_are_advised_from_their_own_hours(api: ApiClient) -> None:
    put_hours(340)
    found = {one["table"]: one for one in api("GET", "/scaling/advice").json["tables"]}
    assert set(found) == {"CustomersTable", "ActivitiesTable"}
    table = found["CustomersTable"]
    assert (table["hours"], table["current"]) == (340, "provisioned")
    best = table["options"][0]
    # 900 writes an hour x 730 x 0.625 USD per million.
    assert (best["mode"], best["monthly_cents"]) == ("on demand", 41)
    assert table["change"].startswith("strategy.yaml, Tables, startup:")
    assert table["break_even"] == 0.2889
    assert found["ActivitiesTable"]["options"] == []
    assert found["ActivitiesTable"]["hours"] == 0


def test_hours_of_this_hour_do_not_count(api: ApiClient) -> None:
    put_hours(335)
    (table, _) = sorted(
        api("GET", "/scaling/advice").json["tables"], key=lambda one: -int(one["hours"])
    )
    assert (table["hours"], table["options"]) == (335, [])


def test_the_bill_adds_up(api: ApiClient) -> None:
    found = api("GET", "/scaling/bill")
    assert found.status == 200, found.text
    bill = found.json
    last = NOW.date().replace(day=1) - timedelta(days=1)
    assert (bill["month"], bill["days"]) == (f"{last:%Y-%m}", last.day)
    assert bill["phase"] == "startup"
    for name in ("tenants", "features", "causes"):
        assert sum(one["cents"] for one in bill[name]) == bill["cents"], name
    for tenant in bill["tenants"]:
        assert sum(one["cents"] for one in tenant["features"]) == tenant["cents"]
    assert [one["tenant_id"] for one in bill["tenants"]] == ["globex", "acme"]
    assert bill["cents"] > 10_000


def test_an_invoice_of_another_month_is_divided(api: ApiClient, tenants: Tenants) -> None:
    month = (NOW.date().replace(day=1) - timedelta(days=40)).replace(day=1)
    found = api("GET", f"/scaling/bill?month={month:%Y-%m}&cents=12345")
    assert found.status == 200, found.text
    assert (found.json["month"], found.json["cents"]) == (f"{month:%Y-%m}", 12345)
    assert sum(one["cents"] for one in found.json["tenants"]) == 12345
    (asked,) = tenants.asked
    assert asked >= (NOW.date() - month).days + 28, "levels of the weeks before count"


def test_many_tenants_are_one_row(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaling.service.advice.MOST_ROWS", 1)
    bill = api("GET", "/scaling/bill").json
    assert [one.get("tenant_id") for one in bill["tenants"]] == ["globex", None]
    assert sum(one["cents"] for one in bill["tenants"]) == bill["cents"]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("month=2026-13", "must be a month such as 2026-11"),
        ("month=november", "must be a month such as 2026-11"),
        ("month=2020-01", "must be one of the last twelve months"),
        ("month=2099-01", "must have begun before today. No day of 2099-01 is complete."),
        ("cents=-1", "must be"),
        ("cents=1.5", "must be"),
    ],
)
def test_a_wrong_question_is_refused_in_a_sentence(
    api: ApiClient, query: str, message: str
) -> None:
    found = api("GET", f"/scaling/bill?{query}")
    assert found.status == 422, found.text
    (error,) = found.json["errors"]
    assert error["field"] == query.partition("=")[0]
    assert message in error["message"]


@pytest.mark.parametrize("path", ["/scaling/advice", "/scaling/bill"])
@pytest.mark.parametrize(
    "who",
    [
        {"tenant": "acme"},
        *({"roles": one} for one in ("sales-manager", "sales-representative", "read-only")),
    ],
    ids=str,
)
def test_nobody_else_sees_them(
    api: ApiClient, tenants: Tenants, path: str, who: dict[str, str]
) -> None:
    assert api.as_(**who)("GET", path).status == 403
    assert tenants.asked == set(), "refused before anything is read"


def test_nothing_of_aws_is_read_for_anybody_else(api: ApiClient) -> None:
    boto3.client("ssm").delete_parameter(Name="targets")
    assert api.as_(tenant="acme")("GET", "/scaling/advice").status == 403


def test_wrong_targets_are_a_sentence(api: ApiClient) -> None:
    boto3.client("ssm").put_parameter(
        Name="targets", Type="String", Value="CustomersTable", Overwrite=True
    )
    found = api("GET", "/scaling/advice")
    wrong = "urn:zebros:problem:wrong-scaling-policy"
    assert (found.status, found.json["type"]) == (409, wrong)
    assert found.json["detail"].startswith("targets: ")


def test_the_adviser_itself_answers_only_the_operator(api: ApiClient, tenants: Tenants) -> None:
    from scaling.bootstrap import adviser, metrics
    from scaling.model.inventory import Inventory

    with pytest.raises(Forbidden, match="Only the tenant that operates the system"):
        adviser().advise(system_request("acme"), Inventory({}), metrics())
    assert tenants.asked == set()
