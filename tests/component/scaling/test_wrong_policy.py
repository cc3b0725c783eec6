"""A wrong policy: no setting is changed, and an event says what is wrong, once a day."""

from datetime import timedelta
from typing import Any

import boto3
import pytest

from kernel.domain.clock import utc_now
from tests.component.conftest import ApiClient, published
from tests.component.notifications.test_administrators import deliver, texts
from tests.component.scaling.world import SCHEDULE, TENANT, alarm

RIGHT = "CustomersTable orders table_capacity=100 indexes=0;"
STEPS: dict[str, dict[str, Any]] = {
    "begin": {"message": SCHEDULE},
    "verify": {},
    "decide": {"rounds": 0},
    "apply": {},
    "end": {"requests": 0},
}


@pytest.fixture
def given(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A system whose policy is right."""
    boto3.client("ssm").put_parameter(Name="targets", Type="String", Value=RIGHT)
    values = {
        "SYSTEM_NAME": "zebros",
        "PHASE": "growth",
        "SCALING_MODE": "apply",
        "SCALING_TARGETS_PARAMETER": "targets",
        "SCALING_BUDGET": "250",
        "OPERATOR_TENANT": TENANT,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def step(name: str, **fields: Any) -> dict[str, Any]:
    """A step, as the state machine calls it."""
    from scaling.handlers.steps import handler

    return handler({"step": name, "execution": "one", **STEPS[name], **fields}, None)


def spoil(given: pytest.MonkeyPatch, fault: str) -> str:
    """Make one thing wrong; returns the sentence about it."""
    from scaling.model import policy_check
    from scaling.model.policy_file import policy_document

    document = policy_document()
    match fault:
        case "ceiling below floor":
            growth = {**document["ceilings"]["growth"], "memory": 0.5}
            document = {**document, "ceilings": {**document["ceilings"], "growth": growth}}
            sentence = (
                "memory: its ceiling of 0.5 times what is deployed is below its floor, which is"
                " what is deployed; at least 1"
            )
        case "tiers with a gap":
            users = {**document["tiers"]["users"], "growing": [30, 100]}
            document = {**document, "tiers": {**document["tiers"], "users": users}}
            sentence = (
                "tiers: users: growing must begin with the value after the last one of startup,"
                " which is 24; it begins with 30"
            )
        case "budget":
            given.setenv("SCALING_BUDGET", "-1")
            return "budget: must be at least 0, not -1"
        case "mode":
            given.setenv("SCALING_MODE", "maybe")
            return "mode: 'maybe' is not known; one of propose, apply"
        case "targets":
            systems = boto3.client("ssm")
            systems.put_parameter(Name="targets", Value="A b memory;", Overwrite=True)
            return "targets: A: 'memory' must be a name, =, and its value"
        case "curves":
            systems = boto3.client("ssm")
            name = "zebros-scaling-curves"
            systems.put_parameter(Name=name, Type="String", Value="CustomersApi 128=fast;")
            return "curves: CustomersApi: '128=fast' must be megabytes, =, and milliseconds"
    given.setattr(policy_check, "policy_document", lambda: document)
    return sentence


FAULTS = ("ceiling below floor", "tiers with a gap", "budget", "mode", "targets", "curves")


def recorded(cloud: Any) -> list[tuple[str, str, str]]:
    """(type, reason, sentence) of every event."""
    events = [(one["type"], one["data"]["current"]) for one in published(cloud)]
    return [(type_, one["reason"], one["because"]) for type_, one in events]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_policy_is_refused_in_a_sentence_and_recorded_once_a_day(
    cloud: Any, given: pytest.MonkeyPatch, fault: str
) -> None:
    sentence = spoil(given, fault)
    refused = ("ScalingActionRefused", "wrong_policy", sentence)
    for name in STEPS:
        assert step(name)["next"] == "done"
    assert step("begin", message=alarm("ApiLatency"))["next"] == "done"
    assert recorded(cloud) == [refused]
    tomorrow = utc_now() + timedelta(days=1)
    given.setattr("scaling.bootstrap.utc_now", lambda: tomorrow)
    step("begin")
    assert recorded(cloud) == [refused, refused]


def test_a_wrong_policy_leaves_no_lease_and_the_next_run_with_a_right_one_works(
    cloud: Any, given: pytest.MonkeyPatch
) -> None:
    with given.context() as wrong:
        spoil(wrong, "budget")
        assert step("begin")["next"] == "done"
    kinds = {one["pk"]["S"].split("#")[2] for one in cloud.scan(TableName="table")["Items"]}
    assert kinds == {"SCALING_ACTION"}
    assert step("begin")["next"] == "verify"


def test_the_stored_curves_are_what_a_decision_reads(given: pytest.MonkeyPatch) -> None:
    from scaling.bootstrap import watched

    assert watched().observer.situation(utc_now()).useful_memory == {}
    text = "CustomersApi 128=400 256=200 512=199; ReportingApi 128=400 256=200;"
    boto3.client("ssm").put_parameter(Name="zebros-scaling-curves", Type="String", Value=text)
    assert watched().observer.situation(utc_now()).useful_memory == {"CustomersApi": 256}


def test_administrators_are_notified_of_a_wrong_policy(
    cloud: Any, given: pytest.MonkeyPatch
) -> None:
    from notifications.handlers.api import handler

    inbox = ApiClient(handler, tenant=TENANT)
    assert texts(inbox) == []
    sentence = spoil(given, "ceiling below floor")
    step("begin")
    deliver(cloud)
    assert texts(inbox) == [
        f"Scaling changes nothing: {sentence}. Until it is corrected and deployed, nothing is"
        " scaled."
    ]


@pytest.mark.parametrize("fault", FAULTS)
def test_the_settings_are_answered_with_what_is_wrong(
    cloud: Any, given: pytest.MonkeyPatch, fault: str
) -> None:
    from scaling.handlers.api import handler

    sentence = spoil(given, fault)
    answer = ApiClient(handler, tenant=TENANT)("GET", "/scaling/settings")
    assert answer.status == 409
    assert answer.json["type"] == "urn:zebros:problem:wrong-scaling-policy"
    assert answer.json["detail"] == f"{sentence}."
