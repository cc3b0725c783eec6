"""The fence in the resolved templates: which processes read it, and that it is consistent."""

from functools import cache
from typing import Any

import pytest

from tests.template.stack import EVERYTHING, ROOT, SECONDARY, load
from zebros.cloudformation import Account, System, TemplateError, resolve

ROLES = ("primary", "secondary")
HOMES = {"primary": "us-east-1", "secondary": "us-west-2"}
OF_ROLE = {"primary": {"ReplicaRegion": "us-west-2"}, "secondary": SECONDARY}
CONTEXTS = ("Activities", "Customers", "Imports", "Notifications", "Opportunities", "Reporting")
CONTEXTS += ("Scaling",)
UNFENCED = ("Authorizer", "Docs")
"""Functions that write no record: the authorizer stores keys of identity providers."""


@cache
def region(role: str, witness: str = "us-east-2") -> System:
    parameters = EVERYTHING | OF_ROLE[role] | {"WitnessRegion": witness}
    return resolve(ROOT / "template.yaml", parameters, account=Account(region=HOMES[role]))


def arn(role: str) -> str:
    """The fence table's replica in a region."""
    return f"arn:aws:dynamodb:{HOMES[role]}:123456789012:table/zebros-fence"


def our_functions(system: System) -> dict[str, dict[str, Any]]:
    """The functions that know a table or the bus, whatever context they are of."""
    found = system.of_type("AWS::Lambda::Function")
    return {
        name: function
        for name, function in found.items()
        if name not in UNFENCED
        and any(
            variable.endswith(("TABLE_NAME", "BUS_NAME"))
            for variable in function.get("Environment", {}).get("Variables", {})
        )
    }


def test_the_fence_table_is_consistent_across_three_regions() -> None:
    table = region("primary").resources["FenceTable"].properties
    assert table["TableName"] == "zebros-fence"
    assert table["MultiRegionConsistency"] == "STRONG"
    assert [one["Region"] for one in table["Replicas"]] == ["us-east-1", "us-west-2"]
    assert table["GlobalTableWitnesses"] == [{"Region": "us-east-2"}]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"] == {"SSEEnabled": True}
    keys = [(one["AttributeName"], one["KeyType"]) for one in table["KeySchema"]]
    assert keys == [("pk", "HASH"), ("sk", "RANGE")]
    assert {
        (one["AttributeName"], one["AttributeType"]) for one in table["AttributeDefinitions"]
    } == {
        ("pk", "S"),
        ("sk", "S"),
    }


def test_the_fence_table_cannot_be_lost() -> None:
    for replica in region("primary").resources["FenceTable"].properties["Replicas"]:
        assert replica["DeletionProtectionEnabled"] is True
        assert replica["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    written = load("infra/shared.yaml")["Resources"]["FenceTable"]
    assert (written["DeletionPolicy"], written["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_a_secondary_uses_the_primary_s_fence_table() -> None:
    assert "FenceTable" not in region("secondary").resources


@pytest.mark.parametrize("role", ROLES)
def test_every_function_of_a_context_knows_the_fence_and_may_read_it(role: str) -> None:
    system = region(role)
    functions = our_functions(system)
    assert len(functions) >= 25
    rights = {n: p for n, p in system.of_type("AWS::IAM::Policy").items() if "FenceRights" in n}
    assert sorted(rights) == [f"{one}FenceRights" for one in CONTEXTS]
    granted = set()
    for policy in rights.values():
        (statement,) = policy["PolicyDocument"]["Statement"]
        assert statement["Effect"] == "Allow"
        assert statement["Action"] == "dynamodb:GetItem"
        assert statement["Resource"] == arn(role)
        granted |= {one["Ref"] for one in policy["Roles"]}
    for name, function in functions.items():
        variables = function["Environment"]["Variables"]
        assert variables["FENCE_TABLE_NAME"] == "zebros-fence", name
        assert variables["REGION_ROLE"] == role, name
        assert function["Role"]["Fn::GetAtt"][0] in granted, name


@pytest.mark.parametrize("role", ROLES)
def test_the_authorizer_of_each_region_reads_the_fence_and_has_a_queue(role: str) -> None:
    """It sends people who sign in, while its region writes; it guards nothing else."""
    system = region(role)
    variables = system.resources["Authorizer"].properties["Environment"]["Variables"]
    assert variables["SIGN_INS_QUEUE_URL"] == {"Ref": "CustomersSignInsQueue"}
    assert variables["SIGN_INS_FENCE_NAME"] == "zebros-fence"
    assert variables["REGION_ROLE"] == role
    assert "FENCE_TABLE_NAME" not in variables
    statements = [
        statement
        for policy in system.resources["AuthorizerRole"].properties["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Resource"] == arn(role)
    ]
    assert [(one["Effect"], one["Action"]) for one in statements] == [("Allow", "dynamodb:GetItem")]


def test_without_a_fence_the_primary_alone_sends_people_who_sign_in() -> None:
    queues = {"primary": {"Ref": "CustomersSignInsQueue"}, "secondary": ""}
    for role, queue in queues.items():
        authorizer = region(role, "").resources["Authorizer"].properties
        variables = authorizer["Environment"]["Variables"]
        assert variables["SIGN_INS_QUEUE_URL"] == queue
        assert (variables["SIGN_INS_FENCE_NAME"], variables["REGION_ROLE"]) == ("", "")
        assert "fence" not in str(region(role, "").resources["AuthorizerRole"].properties)


@pytest.mark.parametrize("role", ROLES)
def test_a_worker_knows_the_fence_and_may_read_it(role: str) -> None:
    system = region(role)
    for name in ("StandardWorkerTask", "AnalyticsWorkerTask", "ImportWorkerTask"):
        (container,) = system.resources[name].properties["ContainerDefinitions"]
        variables = {one["Name"]: one["Value"] for one in container["Environment"]}
        assert variables["FENCE_TABLE_NAME"] == "zebros-fence"
        assert variables["REGION_ROLE"] == role
        assert variables["AWS_REGION"] == HOMES[role]
    policy = system.resources["WorkerRights"].properties
    assert policy["Roles"] == [{"Ref": "TaskRole"}, {"Ref": "ImportTaskRole"}]
    fence = [one for one in policy["PolicyDocument"]["Statement"] if one["Resource"] == arn(role)]
    assert [(one["Effect"], one["Action"]) for one in fence] == [("Allow", "dynamodb:GetItem")]


def test_a_system_without_a_witness_has_no_fence() -> None:
    for role in ROLES:
        system = region(role, "")
        assert not [name for name in system.resources if "Fence" in name]
        for function in our_functions(system).values():
            variables = function["Environment"]["Variables"]
            assert (variables["FENCE_TABLE_NAME"], variables["REGION_ROLE"]) == ("", "")
        assert "fence" not in str(system.resources["WorkerRights"].properties)


def test_a_new_version_of_a_function_is_published_when_the_fence_is_added() -> None:
    with_fence, without = region("primary"), region("primary", "")
    for name, version in with_fence.of_type("AWS::Lambda::Version").items():
        if name.startswith((*CONTEXTS, "Authorizer")):
            assert "zebros-fence" in str(version["Description"])
            assert "fence" not in str(without.resources[name].properties["Description"])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ReplicaRegion": "", "WitnessRegion": "us-east-2"}, "needs ReplicaRegion"),
        ({"ReplicaRegion": "us-west-2", "WitnessRegion": "us-east-1"}, "must be a third region"),
        ({"ReplicaRegion": "us-west-2", "WitnessRegion": "us-west-2"}, "must be a third region"),
        ({"ReplicaRegion": "us-west-2", "WitnessRegion": "here"}, "must be a region such as"),
    ],
)
def test_a_wrong_witness_is_rejected(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        resolve(ROOT / "template.yaml", EVERYTHING | parameters)
