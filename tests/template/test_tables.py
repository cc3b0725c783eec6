"""Capacity, replicas and names of the resolved tables, compared with the scaling strategy."""

import json
import re
from typing import Any

import pytest

from tests.template.stack import (
    DOMAIN,
    EVERYTHING,
    PHASES,
    ROOT,
    functions,
    resources,
    statements,
    statements_of,
    system,
)
from zebros.cloudformation import TemplateError, resolve

# "DynamoDB | on-demand | provisioned + autoscaling | + DAX | advanced GSIs, DAX multi-AZ"
BILLING = {
    "mvp": "PAY_PER_REQUEST",
    "startup": "PROVISIONED",
    "growth": "PROVISIONED",
    "enterprise": "PROVISIONED",
}
# "DynamoDB capacity (read and write units, min-max): customers 25-100, contacts 50-200,
# opportunities 25-100, activities 100-400; the same for every GSI."
RANGES = {
    "CustomersTable": (25, 100),
    "ContactsTable": (50, 200),
    "OpportunitiesTable": (25, 100),
    "ActivitiesTable": (100, 400),
}
# "on-demand for variable load, provisioned for predictable load": the strategy names no range for
# these (docs/adr/0015).
ON_DEMAND = ("ReportingTable", "ImportsTable", "NotificationsTable", "ScalingTable", "EdgeTable")
INDEXES = {
    "CustomersTable": ["gsi1", "gsi2"],
    "ContactsTable": ["gsi1", "gsi2", "gsi3"],
    "OpportunitiesTable": ["gsi1", "gsi2", "gsi3"],
    "ActivitiesTable": ["gsi1"],
    "ReportingTable": ["gsi1", "gsi2"],
    "ImportsTable": ["gsi1", "gsi2"],
    "NotificationsTable": ["gsi1", "gsi2"],
    "ScalingTable": ["gsi1"],
    "EdgeTable": ["gsi1"],
}
ALL = sorted([*RANGES, *ON_DEMAND])
FENCE = "FENCE_TABLE_NAME"
"""The variable that is empty in a system with one region (test_fence.py)."""
REPLICATED = {"Phase": "enterprise", "ReplicaRegion": "eu-central-1"}
SETTINGS = [*({"Phase": phase} for phase in PHASES), REPLICATED]
PROVISIONED = [one for one in SETTINGS if BILLING[one["Phase"]] == "PROVISIONED"]
WRITES, READS = "WriteProvisionedThroughputSettings", "ReadProvisionedThroughputSettings"


def tables(**parameters: str) -> dict[str, dict[str, Any]]:
    return resources("AWS::DynamoDB::GlobalTable", **parameters)


def capacities(table: dict[str, Any]) -> dict[str, Any]:
    """What is set for the writes of table and indexes, and for the reads of each replica's."""
    found = {"writes table": table.get(WRITES)}
    for index in table["GlobalSecondaryIndexes"]:
        found[f"writes {index['IndexName']}"] = index.get(WRITES)
    for replica in table["Replicas"]:
        where = f"reads {replica['Region']}"
        found[f"{where} table"] = replica.get(READS)
        for index in replica["GlobalSecondaryIndexes"]:
            found[f"{where} {index['IndexName']}"] = index.get(READS)
    return found


def expected(name: str, kind: str) -> dict[str, Any]:
    """The setting of a table in the strategy's range."""
    low, high = RANGES[name]
    return {
        f"{kind}CapacityAutoScalingSettings": {
            "MinCapacity": low,
            "MaxCapacity": high,
            "SeedCapacity": high,
            # Ours: 70 % leaves 30 % for the two minutes that scaling out takes. An hour between
            # decreases stays below DynamoDB's limit of 27 a day.
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 70,
                "ScaleOutCooldown": 60,
                "ScaleInCooldown": 3600,
            },
        }
    }


def regions(parameters: dict[str, str]) -> list[str]:
    extra = parameters.get("ReplicaRegion")
    return ["us-east-1", extra] if extra else ["us-east-1"]


def test_every_table_has_a_range_of_the_strategy_or_is_on_demand() -> None:
    assert sorted(tables()) == ALL


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_a_table_is_billed_as_the_phase_says(name: str, parameters: dict[str, str]) -> None:
    assert tables(**parameters)[name]["BillingMode"] == BILLING[parameters["Phase"]]


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("parameters", PROVISIONED, ids=str)
def test_table_and_indexes_scale_within_the_range_in_every_region(
    name: str, parameters: dict[str, str]
) -> None:
    parts = ["table", *INDEXES[name]]
    wanted = {f"writes {part}": expected(name, "Write") for part in parts}
    for region in regions(parameters):
        wanted |= {f"reads {region} {part}": expected(name, "Read") for part in parts}
    assert capacities(tables(**parameters)[name]) == wanted


@pytest.mark.parametrize("name", ALL)
def test_a_table_on_demand_has_no_capacity(name: str) -> None:
    """CloudFormation rejects capacities on demand, and requires them otherwise."""
    assert set(capacities(tables(Phase="mvp")[name]).values()) == {None}


@pytest.mark.parametrize("name", ON_DEMAND)
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_tables_with_variable_load_are_always_on_demand(
    name: str, parameters: dict[str, str]
) -> None:
    table = tables(**parameters)[name]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert set(capacities(table).values()) == {None}


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_a_table_has_the_same_keys_and_indexes_in_every_phase(
    name: str, parameters: dict[str, str]
) -> None:
    """DynamoDB adds or removes one index per update, so a phase cannot bring several."""
    table = tables(**parameters)[name]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == INDEXES[name]
    for index in table["GlobalSecondaryIndexes"]:
        assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["doc"]}
    for replica in table["Replicas"]:
        assert [i["IndexName"] for i in replica["GlobalSecondaryIndexes"]] == INDEXES[name]
    keys = ["pk", "sk", *(f"{i}{part}" for i in INDEXES[name] for part in ("pk", "sk"))]
    assert table["AttributeDefinitions"] == [
        {"AttributeName": key, "AttributeType": "S"} for key in keys
    ]
    assert table["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_every_replica_can_be_restored_and_is_protected_from_growth_on(
    name: str, parameters: dict[str, str]
) -> None:
    replicas = tables(**parameters)[name]["Replicas"]
    assert [replica["Region"] for replica in replicas] == regions(parameters)
    for replica in replicas:
        recovery = replica["PointInTimeRecoverySpecification"]
        assert recovery == {"PointInTimeRecoveryEnabled": True}
        protected = parameters["Phase"] in ("growth", "enterprise")
        assert replica["DeletionProtectionEnabled"] is protected


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_a_table_publishes_its_changes_and_deletes_expired_items_in_every_phase(
    name: str, parameters: dict[str, str]
) -> None:
    """Several replicas require this stream; the relays read it."""
    table = tables(**parameters)[name]
    assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "ttl", "Enabled": True}
    assert table["SSESpecification"] == {"SSEEnabled": True}


@pytest.mark.parametrize("phase", PHASES)
def test_tables_are_named_after_the_stack_so_that_every_region_knows_their_names(
    phase: str,
) -> None:
    found = {name: table["TableName"] for name, table in tables(Phase=phase).items()}
    assert found == {name: f"zebros-{name.removesuffix('Table').lower()}" for name in ALL}


def test_code_gets_the_names_of_existing_tables() -> None:
    names = {table["TableName"] for table in tables().values()}
    used = {
        variables[variable]
        for function in functions().values()
        for variables in [function["Environment"]["Variables"]]
        for variable in variables
        if variable.endswith("TABLE_NAME") and variable != FENCE
    }
    assert used == names
    for name in ("StandardWorkerTask", "AnalyticsWorkerTask", "ImportWorkerTask"):
        (container,) = resources("AWS::ECS::TaskDefinition")[name]["ContainerDefinitions"]
        environment = {one["Name"]: one["Value"] for one in container["Environment"]}
        assert environment["REPORTING_TABLE_NAME"] == "zebros-reporting"
        assert environment["IMPORTS_TABLE_NAME"] == "zebros-imports"


@pytest.mark.parametrize("name", sorted(functions()))
def test_a_function_may_use_the_tables_that_it_knows(name: str) -> None:
    variables = functions()[name]["Environment"]["Variables"]
    known = {
        value for key, value in variables.items() if key.endswith("TABLE_NAME") and key != FENCE
    }
    arns = re.findall(r'"arn:aws:dynamodb:([^"]+)"', json.dumps(statements(name)))
    assert {arn.removesuffix("/index/*") for arn in arns} == {
        f"us-east-1:123456789012:table/{table}" for table in known
    }


@pytest.mark.parametrize(
    ("phase", "role", "names"),
    [
        ("growth", "TaskRole", {"reporting", "imports"}),
        ("enterprise", "TaskRole", {"reporting"}),
        ("enterprise", "ImportTaskRole", {"imports"}),
    ],
)
def test_a_worker_may_use_the_tables_of_its_tasks(phase: str, role: str, names: set[str]) -> None:
    allowed = json.dumps(statements_of(role, Phase=phase))
    arns = re.findall(r'"arn:aws:dynamodb:([^"]+)"', allowed)
    assert set(arns) == {f"us-east-1:123456789012:table/zebros-{name}" for name in names}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"Phase": "enterprise", "ReplicaRegion": "us-east-1"},
            r"ReplicaRegion is the stack's own region; a second replica needs another one\.$",
        ),
        *(
            ({"Phase": phase, "ReplicaRegion": "eu-central-1"}, r"needs Phase enterprise\.$")
            for phase in ("mvp", "startup", "growth")
        ),
        (
            {"Phase": "enterprise", "ReplicaRegion": "Frankfurt"},
            "'Frankfurt'; it must be a region such as eu-central-1, or empty",
        ),
    ],
)
def test_a_wrong_replica_region_is_rejected(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", EVERYTHING | parameters)


def test_a_system_has_one_replica_of_each_table_by_default() -> None:
    for table in (
        resolve(ROOT / "template.yaml", {"Phase": "enterprise", **DOMAIN})
        .of_type("AWS::DynamoDB::GlobalTable")
        .values()
    ):
        assert len(table["Replicas"]) == 1
    assert system().parameters["ReplicaRegion"] == ""
