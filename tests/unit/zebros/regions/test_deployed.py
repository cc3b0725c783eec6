"""The relays and maintenance functions of a deployed region."""

import io
import json
from typing import Any

import pytest

from tests.template.stack import resources
from zebros.client.stack import Resources
from zebros.errors import CliError
from zebros.regions.deployed import Completer, DeployedRelays, LazyResources, Refuser, tables

NAMES = {
    "CustomersRelay": "z-customers-relay",
    "OpportunitiesRelay": "z-opportunities-relay",
    "OpportunitiesEvents": "z-events",
    "OpportunitiesMaintenance": "z-maintenance",
    "ScalingMaintenance": "z-scaling-maintenance",
}
MAPPINGS = {
    "z-customers-relay": [("a", ":dynamodb:"), ("b", ":dynamodb:")],
    "z-opportunities-relay": [("c", ":dynamodb:"), ("q", ":sqs:")],
    "z-events": [("e", ":dynamodb:")],
}


class Lambda:
    """Event source mappings, and a function with prepared answers."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.states = dict.fromkeys("abcqe", "Disabled")
        self.answers, self.invoked = list(answers), list[dict[str, Any]]()

    def list_event_source_mappings(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        found = [
            {"UUID": uuid, "EventSourceArn": f"arn{kind}x", "State": self.states[uuid]}
            for uuid, kind in MAPPINGS[FunctionName]
        ]
        return {"EventSourceMappings": found}

    def get_event_source_mapping(self, UUID: str) -> dict[str, Any]:  # noqa: N803
        return {"State": self.states[UUID]}

    def update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:  # noqa: N803
        self.states[UUID] = "Enabled" if Enabled else "Disabled"

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        self.invoked.append({"function": FunctionName, **json.loads(Payload)})
        answer = self.answers.pop(0)
        failed = {"FunctionError": "Unhandled"} if "errorType" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


@pytest.fixture
def listed() -> LazyResources:
    found = LazyResources("zebros", "us-west-2")
    found.__dict__["found"] = Resources({"functions": NAMES})
    return found


def test_every_stream_of_every_relay_is_switched_and_nothing_else(listed: LazyResources) -> None:
    client = Lambda()
    relays = DeployedRelays(listed, client)
    assert relays.running() == 0
    relays.switch(enabled=True)
    assert client.states == {**dict.fromkeys("abc", "Enabled"), "q": "Disabled", "e": "Disabled"}
    assert relays.running() == 3
    relays.switch(enabled=False)
    assert relays.running() == 0


@pytest.mark.parametrize(("state", "runs"), [("Enabling", 1), ("Disabling", 0)])
def test_a_stream_that_is_being_switched_counts_as_what_it_becomes(
    listed: LazyResources, state: str, runs: int
) -> None:
    client = Lambda()
    client.states["a"] = state
    assert DeployedRelays(listed, client).running() == runs


def completer(listed: LazyResources, client: Lambda, pauses: list[float]) -> Completer:
    return Completer("zebros", listed, client, pauses.append)


def test_records_are_sent_to_the_context_of_their_table(listed: LazyResources) -> None:
    client, pauses = Lambda({"read": 1}), list[float]()
    answer = completer(listed, client, pauses)("zebros-opportunities", {"K": 3}, "region-move-1")
    assert answer == {"read": 1}
    (invoked,) = client.invoked
    assert invoked == {
        "function": "z-maintenance",
        "command": "complete",
        "records": {"K": 3},
        "run": "region-move-1",
    }
    assert pauses == []


@pytest.mark.parametrize("error", ["Busy", "ReadOnlyRegion"])
def test_a_function_that_is_busy_or_does_not_know_yet_that_it_writes_is_asked_again(
    listed: LazyResources, error: str
) -> None:
    failed = {"errorType": error, "errorMessage": "no"}
    client, pauses = Lambda(failed, failed, {"read": 1}), list[float]()
    assert completer(listed, client, pauses)("zebros-opportunities", {}, "r") == {"read": 1}
    assert pauses == [1.0, 2.0]


def test_another_failure_is_named_at_once(listed: LazyResources) -> None:
    client = Lambda({"errorType": "KeyError", "errorMessage": "x"})
    with pytest.raises(CliError, match=r"OpportunitiesMaintenance failed: x\."):
        completer(listed, client, [])("zebros-opportunities", {}, "r")


def test_a_failure_that_lasts_is_named(listed: LazyResources) -> None:
    client = Lambda(*[{"errorType": "Busy", "errorMessage": "busy"}] * 5)
    with pytest.raises(CliError, match="failed: busy"):
        completer(listed, client, [])("zebros-opportunities", {}, "r")
    assert len(client.invoked) == 5


def test_a_refusal_is_sent_to_the_context_of_who_operates_the_system(listed: LazyResources) -> None:
    busy = {"errorType": "ReadOnlyRegion", "errorMessage": "not yet"}
    client, pauses = Lambda(busy, {}), list[float]()
    Refuser(listed, client, pauses.append)("01J", {"target": "us-east-1"})
    sent = {"command": "refuse_move", "run": "01J", "move": {"target": "us-east-1"}}
    assert client.invoked == [{"function": "z-scaling-maintenance", **sent}] * 2
    assert pauses == [1.0]


def test_the_replicated_tables_have_the_names_of_the_templates() -> None:
    named = {n: t["TableName"] for n, t in resources("AWS::DynamoDB::GlobalTable").items()}
    # The registry of tenants, too: a move waits until the target has it.
    assert tables("zebros") == named
