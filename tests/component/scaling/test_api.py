"""The routes of the controller: its history and its settings, for the operator's administrators."""

from typing import Any

import boto3
import pytest

from scaling.events import Setting
from tests.component.conftest import ApiClient
from tests.component.scaling.world import World, alarm

TEXT = "CustomersTable orders table_capacity=100 indexes=0;"


@pytest.fixture
def api(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    boto3.client("ssm").put_parameter(Name="targets", Type="String", Value=TEXT)
    given = {
        "SYSTEM_NAME": "zebros",
        "PHASE": "growth",
        "SCALING_TARGETS_PARAMETER": "targets",
        "SCALING_BUDGET": "250",
        "OPERATOR_TENANT": "operator",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    from scaling.handlers.api import handler

    return ApiClient(handler, tenant="operator")


def test_the_history_is_a_list_newest_first_in_pages(api: ApiClient, world: World) -> None:
    world.alarms, world.metrics = {"ApiLatency"}, {"Duration": 300}
    world.run(alarm("ApiLatency"), looks=9)
    first = api("GET", "/scaling/actions?limit=1")
    assert first.status == 200, first.text
    assert first.json["items"][0]["resource"] == "CustomersApi"
    everything = api("GET", "/scaling/actions").json["items"]
    assert sorted(one["status"] for one in everything) == ["refused", "rolled_back"]
    following = api("GET", f"/scaling/actions?limit=1&cursor={first.json['next_cursor']}")
    assert [*first.json["items"], *following.json["items"]] == everything


def test_settings_show_what_differs_and_what_makes_it_permanent(api: ApiClient) -> None:
    scaling = boto3.client("application-autoscaling")

    def set_maximum(value: int) -> None:
        for kind in ("Read", "Write"):
            scaling.register_scalable_target(
                ServiceNamespace="dynamodb",
                ResourceId="table/orders",
                ScalableDimension=f"dynamodb:table:{kind}CapacityUnits",
                MinCapacity=25,
                MaxCapacity=value,
            )

    set_maximum(100)
    found = api("GET", "/scaling/settings")
    assert found.status == 200, found.text
    assert (found.json["mode"], found.json["budget_usd"]) == ("propose", 250)
    (one,) = found.json["items"]
    assert (one["setting"], one["value"], one["deployed"]) == (Setting.CAPACITY, 100, 100)
    assert (one["ceiling"], one.get("parameter")) == (300, None)
    set_maximum(150)
    (one,) = api("GET", "/scaling/settings").json["items"]
    assert (one["value"], one["deployed"]) == (150, 100)
    assert one["parameter"] == "strategy.yaml, Capacity: 150 for CustomersTable"


@pytest.mark.parametrize("path", ["/scaling/actions", "/scaling/settings"])
@pytest.mark.parametrize(
    "who",
    [
        {"tenant": "acme"},
        *({"roles": one} for one in ("sales-manager", "sales-representative", "read-only")),
    ],
    ids=str,
)
def test_nobody_else_sees_them(api: ApiClient, path: str, who: dict[str, str]) -> None:
    assert api.as_(**who)("GET", path).status == 403
