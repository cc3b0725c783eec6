"""The controller's state machine: valid, every path ends, and consistent with the code."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from scaling.handlers.steps import STEPS
from tests.template.stack import ROOT, STATES_LANGUAGE, statements_of, system

TEXT = (ROOT / "statemachines" / "scaling.asl.json").read_text(encoding="utf-8")
STATES: dict[str, dict[str, Any]] = json.loads(TEXT)["States"]
TASKS = {name: one for name, one in STATES.items() if one["Type"] == "Task"}
WAYS = {
    "IsTrigger": ("$.step.next", {"verify": "Verify"}, "Done"),
    "HasLease": ("$.step.next", {"decide": "Decide"}, "Done"),
    "WhatFollows": ("$.decided.next", {"apply": "Apply", "wait": "Wait", "end": "End"}, "Done"),
    "WasApplied": ("$.step.next", {"wait": "Wait"}, "Done"),
}
"""Each choice: what it reads, and where each value leads."""
ARGUMENTS = {"Begin": {"message"}, "Decide": {"rounds"}, "End": {"requests"}}


def follows(state: dict[str, Any]) -> Iterator[str]:
    """The states that can follow a state."""
    yield from (state[name] for name in ("Next", "Default") if name in state)
    yield from (way["Next"] for way in state.get("Choices", []))


def test_the_definition_is_valid_amazon_states_language() -> None:
    schema = json.loads(STATES_LANGUAGE.read_text(encoding="utf-8"))
    faults = [error.message for error in Draft7Validator(schema).iter_errors(json.loads(TEXT))]
    assert faults == []


def test_every_state_is_reached_and_leads_to_the_end() -> None:
    found, waiting = set(), ["Begin"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(follows(STATES[name]))
    assert found == set(STATES)
    assert json.loads(TEXT)["StartAt"] == "Begin"
    assert [name for name in STATES if not list(follows(STATES[name]))] == ["Done"]


@pytest.mark.parametrize("name", TASKS)
def test_a_task_calls_its_step_with_its_execution_and_is_repeated(name: str) -> None:
    task = TASKS[name]
    payload = task["Parameters"]["Payload"]
    assert task["Parameters"]["FunctionName"] == "${StepsFunctionArn}"
    assert payload["step"] == name.lower()
    assert payload["execution.$"] == "$$.Execution.Name"
    given = {key.removesuffix(".$") for key in payload} - {"step", "execution"}
    assert given == ARGUMENTS.get(name, set())
    (retry,) = task["Retry"]
    assert retry["ErrorEquals"] == ["States.ALL"]
    seconds = sum(retry["IntervalSeconds"] * retry["BackoffRate"] ** n for n in range(6))
    assert retry["MaxAttempts"] == 6
    assert seconds > 60, "a resource that is being changed needs a minute"


def test_every_step_of_the_code_is_a_task() -> None:
    assert {name.lower() for name in TASKS} == set(STEPS)


@pytest.mark.parametrize("name", WAYS)
def test_a_choice_leads_where_the_step_says(name: str) -> None:
    variable, ways, default = WAYS[name]
    choices = STATES[name]["Choices"]
    assert {one["StringEquals"]: one["Next"] for one in choices} == ways
    assert {one["Variable"] for one in choices} == {variable}
    assert STATES[name]["Default"] == default


def test_the_order_of_the_steps() -> None:
    assert {name: one["Next"] for name, one in STATES.items() if "Next" in one} == {
        "Begin": "IsTrigger",
        "Verify": "HasLease",
        "Decide": "WhatFollows",
        "Apply": "WasApplied",
        "Wait": "Verify",
        "End": "IsTrigger",
    }
    assert STATES["Wait"]["SecondsPath"] == "$.decided.seconds"
    assert TASKS["Decide"]["ResultPath"] == "$.decided"
    assert TASKS["Decide"]["Parameters"]["Payload"]["rounds.$"] == "$.decided.rounds"
    assert TASKS["End"]["Parameters"]["Payload"]["requests.$"] == "$.decided.requests"
    assert TASKS["Begin"]["Parameters"]["Payload"]["message.$"] == "$"


def test_the_machine_calls_the_function_with_the_steps() -> None:
    machine = system().resources["ScalingFlow"].properties
    assert "ScalingSteps" in json.dumps(machine["DefinitionSubstitutions"])
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_the_machine_may_call_the_function_of_its_steps_and_nothing_else() -> None:
    flow = system().resources["ScalingFlow"].properties
    steps = {"Fn::GetAtt": ["ScalingSteps", "Arn"]}
    assert flow["DefinitionSubstitutions"] == {"StepsFunctionArn": steps}
    role = flow["RoleArn"]["Fn::GetAtt"][0]
    called = [one for one in statements_of(role) if one["Action"] == "lambda:InvokeFunction"]
    assert [one["Resource"] for one in called] == [steps]
