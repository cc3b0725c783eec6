"""The scaling controller on the deployed system: an alarm's message in, a setting read back.

The local platform deploys no alarms, no reserved concurrency, and nothing that Application Auto
Scaling or ElastiCache scales, so the trigger here is that of memory. The other adapters have their
own tests (tests/component/scaling, tests/component/zebros/emulator/test_scaling_adapters.py).
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.component.scaling.world import alarm
from tests.flows.conftest import Crm

DEPLOYED, AFTER, ALARM = 256, 384, "zebros-ApiLatency"


@pytest.fixture(scope="module")
def slow(crm: Crm) -> Iterator[None]:
    """The API of customers is slow, and the alarm is raised."""
    watch, now = crm.client("cloudwatch"), datetime.now(UTC)
    dimensions = [{"Name": "FunctionName", "Value": crm.state["functions"]["CustomersApi"]}]
    for minutes in range(25):
        at = now - timedelta(minutes=minutes)
        data = {"MetricName": "Duration", "Dimensions": dimensions, "Timestamp": at, "Value": 9000}
        watch.put_metric_data(Namespace="AWS/Lambda", MetricData=[data] * 20)
    watch.put_metric_alarm(
        AlarmName=ALARM,
        Namespace="AWS/ApiGateway",
        MetricName="Latency",
        Statistic="Average",
        Period=300,
        EvaluationPeriods=3,
        Threshold=200,
        ComparisonOperator="GreaterThanThreshold",
    )
    yield
    watch.delete_alarms(AlarmNames=[ALARM])


@pytest.fixture
def applying(crm: Crm) -> Iterator[None]:
    """The mode apply, with a budget for one step; afterwards what was deployed."""
    functions, name = crm.client("lambda"), crm.state["functions"]["ScalingSteps"]
    found = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    before = {key: str(value) for key, value in found.items()}
    changed = before | {"SCALING_MODE": "apply"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
    yield
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def memory(crm: Crm) -> int:
    """The memory of the version that requests get."""
    found = crm.client("lambda").get_function_configuration(
        FunctionName=crm.state["functions"]["CustomersApi"], Qualifier="live"
    )
    return int(found["MemorySize"])


def raise_alarm(crm: Crm) -> None:
    """Raise the alarm, which was not: CloudWatch sends a message to the default bus."""
    watch = crm.client("cloudwatch")
    for state in ("OK", "ALARM"):
        watch.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="a test")


def actions(crm: Crm, **wanted: str) -> list[dict[str, Any]]:
    """The actions with these fields, newest first."""
    answer = crm("GET", "/scaling/actions?limit=200")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return [one for one in found if wanted.items() <= one.items()]


def machine(crm: Crm) -> str:
    """The ARN of the state machine."""
    found = crm.client("stepfunctions").list_state_machines()["stateMachines"]
    (arn,) = [one["stateMachineArn"] for one in found if "ScalingFlow" in one["name"]]
    return str(arn)


def executions(crm: Crm) -> list[str]:
    """The states of the controller's executions, newest first."""
    found = crm.client("stepfunctions").list_executions(stateMachineArn=machine(crm))["executions"]
    return [one["status"] for one in found]


@pytest.mark.usefixtures("slow")
def test_the_mode_propose_records_what_it_would_change_and_changes_nothing(crm: Crm) -> None:
    assert memory(crm) == DEPLOYED
    raise_alarm(crm)
    crm.until(lambda: bool(actions(crm, status="proposed", resource="CustomersApi")), 60)
    (proposed,) = actions(crm, status="proposed", resource="CustomersApi")
    assert (proposed["before"], proposed["after"], proposed["rule"]) == (
        *(DEPLOYED, AFTER),
        "api_latency",
    )
    assert memory(crm) == DEPLOYED
    crm.until(lambda: executions(crm)[0] == "SUCCEEDED", 60)


@pytest.mark.usefixtures("slow", "applying")
def test_the_mode_apply_changes_the_setting_once_and_the_api_shows_what_differs(crm: Crm) -> None:
    before = len(executions(crm))
    for _ in range(2):
        raise_alarm(crm)
    crm.until(lambda: bool(actions(crm, status="applied", resource="CustomersApi")), 120)
    assert memory(crm) == AFTER
    time.sleep(2)
    crm.until(lambda: len(executions(crm)) == before + 2, 60)
    crm.until(lambda: executions(crm).count("RUNNING") <= 1, 60)
    assert len(actions(crm, status="applied")) == 1, "the second message acts on nothing"
    assert crm("GET", "/customers/unknown").status_code in (403, 404), "requests are served"
    answer = crm("GET", "/scaling/settings")
    assert answer.status_code == 200, answer.text
    found = {(one["setting"], one["resource"]): one for one in answer.json()["items"]}
    assert found["memory", "CustomersApi"] == {
        "setting": "memory",
        "resource": "CustomersApi",
        "value": AFTER,
        "deployed": DEPLOYED,
        "ceiling": 1024,
        "parameter": f"CustomersMemory={AFTER}",
    }
    drift = crm.zebros.json("scale", "drift")
    assert [(one["resource"], one["value"], one["parameter"]) for one in drift["settings"]] == [
        ("CustomersApi", AFTER, f"CustomersMemory={AFTER}")
    ]


def test_a_message_of_an_unknown_shape_is_refused_in_a_sentence(crm: Crm) -> None:
    message = alarm("ApiLatency", configuration={"something": "new"})
    flows = crm.client("stepfunctions")
    flows.start_execution(stateMachineArn=machine(crm), input=json.dumps(message))
    crm.until(lambda: bool(actions(crm, reason="unknown_alarm")), 60)
    (refused,) = actions(crm, reason="unknown_alarm")
    assert "neither a metric alarm nor a composite one" in refused["because"]


def test_other_tenants_and_other_roles_see_nothing(crm: Crm) -> None:
    for path in ("actions", "settings", "advice", "bill"):
        path = f"/scaling/{path}"
        assert crm("GET", path, tenant="globex").status_code == 403
        assert crm("GET", path, user="manager").status_code == 403


def test_advice_and_bill_are_for_the_operator(crm: Crm) -> None:
    answer = crm("GET", "/scaling/advice")
    assert answer.status_code == 200, answer.text
    assert answer.json()["system"]["phase"] == "mvp"
    tables = {one["table"]: one for one in answer.json()["tables"]}
    names = ("Customers", "Contacts", "Opportunities", "Activities")
    assert set(tables) == {f"{name}Table" for name in names}
    assert {one["current"] for one in tables.values()} == {"on demand"}
    bill = crm("GET", "/scaling/bill").json()
    assert sum(one["cents"] for one in bill["tenants"]) == bill["cents"] > 0
    assert crm.zebros.json("scale", "bill") == bill
    printed = crm.zebros.json("scale", "advise")
    assert printed["system"] == answer.json()["system"]
