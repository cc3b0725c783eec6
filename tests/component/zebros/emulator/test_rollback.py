"""`zebros rollback` with the functions, versions and aliases of the local platform."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from kernel.domain.ids import new_id
from tests.component.zebros.emulator.conftest import Emulator
from zebros import cli
from zebros.cli import rollback as command
from zebros.client import aws
from zebros.client.connection import Deployment
from zebros.client.stack import Resources
from zebros.errors import CliError, NotReady
from zebros.local.home import Home
from zebros.operations import rollback as operations
from zebros.operations.stopping_deployments import Update, last_update, stop_gradual

FUNCTION = """
  {name}:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: index.handler
      MemorySize: 128
      {alias}
      InlineCode: |
        def handler(event, context):
            return "{code}"
"""
ALIAS = "AutoPublishAlias: live"


class Stack:
    """A stack with two functions with the alias and one without, and the command for it."""

    def __init__(self, platform: Emulator, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.name, self._suffix = f"s{new_id()}", new_id()
        self._platform, self._home, self._capsys = platform, home, capsys
        self.lambdas = platform.client("lambda")
        platform.deploy(self.name, self._template("orders 1", "carts 1"))
        resources: dict[str, str] = {}
        summaries = platform.client("cloudformation").list_stack_resources(StackName=self.name)
        for one in summaries["StackResourceSummaries"]:
            if one["ResourceType"] == "AWS::Lambda::Function":
                resources[one["LogicalResourceId"]] = one["PhysicalResourceId"]
        self.functions = resources
        self.deployment = Deployment(
            Resources({"functions": resources}), platform.endpoint, "us-east-1"
        )
        home.mkdir()
        Home(home).write_state(
            {"resources": {"functions": resources}, "endpoint": platform.endpoint}
        )

    def _template(self, orders: str, carts: str) -> str:
        return "Transform: AWS::Serverless-2016-10-31\nResources:" + "".join(
            (
                FUNCTION.format(name="OrdersApi", alias=ALIAS, code=orders),
                FUNCTION.format(name="CartsApi", alias=ALIAS, code=carts),
                FUNCTION.format(name="OrdersEvents", alias="Timeout: 5", code=orders),
            )
        )

    def deploy(self, orders: str, carts: str) -> None:
        formation = self._platform.client("cloudformation")
        formation.update_stack(
            StackName=self.name,
            TemplateBody=self._template(orders, carts),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

        def complete() -> bool:
            found = formation.describe_stacks(StackName=self.name)["Stacks"][0]
            return bool(found["StackStatus"] == "UPDATE_COMPLETE")

        self._platform.until(complete)

    def answers(self) -> list[str]:
        """What requests get from both functions."""
        found = []
        for name in ("OrdersApi", "CartsApi"):
            answer = self.lambdas.invoke(FunctionName=self.functions[name], Qualifier="live")
            found.append(str(json.loads(answer["Payload"].read())))
        return found

    def alias(self, function: str, **changes: Any) -> dict[str, Any]:
        """The alias, after a change of it."""
        name = self.functions[function]
        if changes:
            self.lambdas.update_alias(FunctionName=name, Name="live", **changes)
        found: dict[str, Any] = self.lambdas.get_alias(FunctionName=name, Name="live")
        return found

    def more_memory(self, function: str) -> str:
        """What the scaling controller does; returns the version."""
        name = self.functions[function]
        self.lambdas.update_function_configuration(FunctionName=name, MemorySize=256)
        version = str(self.lambdas.publish_version(FunctionName=name)["Version"])
        self.alias(function, FunctionVersion=version)
        return version

    def run(self, *words: str, code: int = 0) -> str:
        """Run the command; returns what it prints."""
        assert cli.main(["--home", str(self._home), "rollback", *words]) == code
        printed = self._capsys.readouterr()
        return printed.out + printed.err

    def results(self, *words: str) -> dict[str, str]:
        found = json.loads(self.run("--json", *words))
        return {one["function"]: one["result"] for one in found["functions"]}


@pytest.fixture
def stack(
    platform: Emulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    made = Stack(platform, tmp_path / "home", capsys)
    monkeypatch.setattr(command, "STACK", made.name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "test")  # the command sets them for itself
    aws.client.cache_clear()
    yield made
    aws.client.cache_clear()


def test_what_the_last_deployment_changed_goes_back_and_forward_again(stack: Stack) -> None:
    stack.deploy("orders 1", "carts 2")
    stack.deploy("orders 2", "carts 2")
    assert stack.answers() == ["orders 2", "carts 2"]
    assert stack.results() == {
        "OrdersApi": "leads to 1",
        "CartsApi": "not changed by the last deployment",
    }
    assert stack.answers() == ["orders 1", "carts 2"]
    assert stack.results("--undo")["OrdersApi"] == "leads to 2"
    assert stack.answers() == ["orders 2", "carts 2"]
    assert "There is nothing to do" in stack.run("--undo")


def test_an_alias_that_leads_to_no_version_is_reported(stack: Stack) -> None:
    stack.alias("CartsApi", FunctionVersion="$LATEST")
    assert "The alias of CartsApi leads to $LATEST" in stack.run(code=1)


def test_a_second_roll_back_takes_nothing_further_back(stack: Stack) -> None:
    stack.deploy("orders 2", "carts 2")
    stack.deploy("orders 3", "carts 3")
    stack.run()
    assert stack.answers() == ["orders 2", "carts 2"]
    printed = stack.run()
    assert "is at an earlier version than 3 already" in printed
    assert "There is nothing to do" in printed
    assert stack.answers() == ["orders 2", "carts 2"]


def test_the_next_deployment_deploys_what_the_template_has(stack: Stack) -> None:
    stack.deploy("orders 2", "carts 2")
    assert "The next `sam deploy` deploys what the template then has" in stack.run()
    stack.deploy("orders 3", "carts 1")
    assert stack.answers() == ["orders 3", "carts 1"]


def test_a_dry_run_shows_versions_and_changes_nothing(stack: Stack) -> None:
    stack.deploy("orders 2", "carts 2")
    printed = stack.run("--dry-run")
    assert printed.count("would lead to 1") == 2
    assert "OrdersEvents" not in printed, "it has no alias"
    versions = stack.lambdas.list_versions_by_function(FunctionName=stack.functions["OrdersApi"])
    for one in versions["Versions"][1:]:
        assert one["LastModified"][:19] in printed
    assert stack.answers() == ["orders 2", "carts 2"]


def test_other_memory_alone_is_no_release(stack: Stack) -> None:
    stack.deploy("orders 1", "carts 2")
    assert stack.more_memory("CartsApi") == "3"
    assert stack.more_memory("OrdersApi") == "2"
    assert stack.results() == {
        "OrdersApi": "not changed by the last deployment",
        "CartsApi": "leads to 1",
    }
    assert stack.answers() == ["orders 1", "carts 1"]


def test_a_named_function_goes_back_whenever_it_was_deployed(stack: Stack) -> None:
    stack.deploy("orders 2", "carts 1")
    stack.deploy("orders 2", "carts 2")
    assert stack.results("OrdersApi") == {"OrdersApi": "leads to 1"}
    assert stack.answers() == ["orders 1", "carts 2"]


def test_a_version_may_be_named(stack: Stack) -> None:
    for number in (2, 3):
        stack.deploy(f"orders {number}", f"carts {number}")
    assert stack.results("OrdersApi=1") == {"OrdersApi": "leads to 1"}
    assert stack.answers() == ["orders 1", "carts 3"]
    assert stack.results("OrdersApi=1") == {"OrdersApi": "leads to 1 already"}


def test_a_function_without_an_earlier_version_stays(stack: Stack) -> None:
    assert set(stack.results().values()) == {"has no earlier version"}
    assert stack.answers() == ["orders 1", "carts 1"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("Orders",), "There are CartsApi, OrdersApi."),
        (("OrdersEvents",), "OrdersEvents is no function with the alias live."),
        (("OrdersApi=9",), "OrdersApi has no version 9."),
        (("OrdersApi=",), "the version must be a number, as in OrdersApi=3"),
        (("OrdersApi=²",), "the version must be a number, as in OrdersApi=3"),
        (("OrdersApi", "OrdersApi=1"), "OrdersApi is named more than once."),
        (("OrdersApi=1", "--undo"), "name functions without a version"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    stack: Stack, words: tuple[str, ...], expected: str
) -> None:
    stack.deploy("orders 2", "carts 2")
    assert expected in stack.run(*words, code=65)
    assert stack.answers() == ["orders 2", "carts 2"]


def test_a_gradual_deployment_ends(stack: Stack) -> None:
    stack.deploy("orders 2", "carts 2")
    weights = {"AdditionalVersionWeights": {"2": 0.9}}
    stack.alias("OrdersApi", FunctionVersion="1", RoutingConfig=weights)
    assert stack.results("--undo")["OrdersApi"] == "a gradual deployment moves it"
    assert stack.results()["OrdersApi"] == "leads to 1 alone; version 2 gets no requests"
    alias = stack.alias("OrdersApi")
    assert alias["FunctionVersion"] == "1"
    assert "RoutingConfig" not in alias
    assert stack.answers() == ["orders 1", "carts 1"]


def test_a_roll_back_that_was_killed_goes_on(stack: Stack) -> None:
    stack.deploy("orders 2", "carts 2")
    found = operations.functions_of(stack.deployment)
    moves = operations.plan(found, {}, last_update(stack.deployment, stack.name).began_at)
    next(operations.carry_out(stack.deployment, moves))
    assert sorted(stack.answers()) == ["carts 1", "orders 2"]
    stack.run()
    assert stack.answers() == ["orders 1", "carts 1"]


def test_an_alias_that_is_changed_meanwhile_stays_and_the_others_go_back(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.deploy("orders 2", "carts 2")

    def read(deployment: Deployment) -> list[operations.Function]:
        found = operations.functions_of(deployment)
        stack.alias("CartsApi", Description="changed by somebody else")
        return found

    monkeypatch.setattr(command, "functions_of", read)
    printed = stack.run(code=1)
    assert "not moved: It is being changed by somebody else." in printed
    assert "Run the command again" in printed
    assert stack.answers() == ["orders 1", "carts 2"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("UPDATE_IN_PROGRESS", "cancel-update-stack"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "wait for it"),
    ],
)
def test_while_the_stack_is_changed_nothing_moves(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, status: str, expected: str
) -> None:
    stack.deploy("orders 2", "carts 2")
    monkeypatch.setattr(command, "last_update", _update(status))
    for words in ((), ("--undo",), ("OrdersApi=1",), ("--dry-run",)):
        assert expected in stack.run(*words, code=69)
    assert stack.answers() == ["orders 2", "carts 2"]


def test_versions_of_a_deployment_that_failed_do_not_become_live(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.deploy("orders 2", "carts 2")
    for function in ("OrdersApi", "CartsApi"):
        stack.alias(function, FunctionVersion="1")
    monkeypatch.setattr(command, "last_update", _update("UPDATE_ROLLBACK_COMPLETE"))
    assert "were never released" in stack.run("--undo", code=69)
    assert stack.answers() == ["orders 1", "carts 1"]


def _update(status: str) -> Callable[[Deployment, str], Update]:
    def read(deployment: Deployment, name: str) -> Update:
        return Update(status, last_update(deployment, name).began_at)

    return read


class InAws(Deployment):
    """A deployment in AWS whose CodeDeploy answers as it is asked to."""

    client: Any

    def aws(self, service: str) -> Any:
        assert service == "codedeploy"
        return self.client


@pytest.fixture
def in_aws(platform: Emulator) -> tuple[InAws, Stubber]:
    groups = {"CustomersApiDeploymentGroup": "zebros-CustomersApiDeploymentGroup-1"}
    found = InAws(Resources({"deployment_groups": groups}), None, "eu-central-1")
    client = platform.client("codedeploy")
    object.__setattr__(found, "client", client)
    return found, Stubber(client)


def _active(stub: Stubber, **groups: str) -> None:
    """The next answers: deployments that have not ended, and their groups."""
    ids = list(groups)
    active = {"includeOnlyStatuses": ["Created", "Queued", "InProgress", "Ready"]}
    stub.add_response("list_deployments", {"deployments": ids}, active)
    if ids:
        infos = [
            {"deploymentId": one, "deploymentGroupName": group} for one, group in groups.items()
        ]
        stub.add_response(
            "batch_get_deployments", {"deploymentsInfo": infos}, {"deploymentIds": ids}
        )


def test_codedeploy_stops_and_takes_back_the_deployments_of_this_stack(
    in_aws: tuple[InAws, Stubber],
) -> None:
    deployment, stub = in_aws
    waited: list[float] = []
    ours, other = "zebros-CustomersApiDeploymentGroup-1", "shop-ApiDeploymentGroup-1"
    _active(stub, **{"d-1": ours, "d-2": other})
    stopped = {"deploymentId": "d-1", "autoRollbackEnabled": True}
    stub.add_response("stop_deployment", {"status": "Pending"}, stopped)
    _active(stub, **{"d-3": ours})  # it points the alias back
    _active(stub, **{"d-2": other})
    with stub:
        assert stop_gradual(deployment, waited.append) == ["d-1"]
    stub.assert_no_pending_responses()
    assert len(waited) == 1


def test_a_deployment_that_does_not_stop_is_reported(in_aws: tuple[InAws, Stubber]) -> None:
    deployment, stub = in_aws
    ours = "zebros-CustomersApiDeploymentGroup-1"
    _active(stub, **{"d-1": ours})
    stub.add_response("stop_deployment", {"status": "Pending"})
    for _ in range(61):
        _active(stub, **{"d-1": ours})
    with stub, pytest.raises(CliError, match="asked to stop d-1, and has not yet"):
        stop_gradual(deployment, lambda _: None)
    stub.assert_no_pending_responses()


def test_with_codedeploy_s_deployment_stopped_nothing_else_moves(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CloudFormation takes the whole stack back, which it does from the state before."""
    stack.deploy("orders 2", "carts 2")
    weights = {"AdditionalVersionWeights": {"2": 0.9}}
    stack.alias("OrdersApi", FunctionVersion="1", RoutingConfig=weights)
    monkeypatch.setattr(command, "last_update", _update("UPDATE_IN_PROGRESS"))
    monkeypatch.setattr(command, "stop_gradual", lambda _: ["d-1"])
    assert stack.results() == {
        "OrdersApi": "its gradual deployment is stopped",
        "CartsApi": "CloudFormation moves it",
    }
    assert stack.alias("OrdersApi")["RoutingConfig"] == weights
    assert stack.alias("CartsApi")["FunctionVersion"] == "2"
    assert "takes the whole stack back" in stack.run()
    monkeypatch.setattr(command, "stop_gradual", lambda _: [])
    with pytest.raises(NotReady):
        command._planned(stack.deployment, stack.name, [], undo=False, dry_run=False)
