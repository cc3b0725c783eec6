"""The state machines of tasks: valid, every path ends, and consistent with the code.

That of imports has to be that of reports without the function, so that what is tested of one is
tested of both. They are two files, because a time in a definition is a number, for which no
placeholder is valid JSON, and because a task that no function carries out needs no state for one.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from imports.handlers.steps import handler as import_steps
from imports.jobs import JOBS as IMPORT_JOBS
from imports.service import POLICY as IMPORT_POLICY
from kernel.tasks.retry import Next, RetryPolicy
from kernel.tasks.tiers import WorkerRequired
from kernel.tasks.worker.timing import WorkerTiming
from reporting.handlers.steps import handler
from reporting.jobs import JOBS
from tests.template.stack import ROOT, STATES_LANGUAGE, system

TEXTS = {
    name: (ROOT / "statemachines" / f"{name}.asl.json").read_text(encoding="utf-8")
    for name in ("report", "import")
}
DEFINITIONS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in TEXTS.items()}
FLOWS = {"report": "ReportFlow", "import": "ImportFlow"}
STATES: dict[str, dict[str, Any]] = DEFINITIONS["report"]["States"]
START: str = DEFINITIONS["report"]["StartAt"]
TASKS = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
FUNCTIONS = {name: s for name, s in TASKS.items() if s["Resource"].endswith("lambda:invoke")}
LAMBDAS = {n: s for n, s in FUNCTIONS.items() if "step" in s["Parameters"]["Payload"]}
"""The steps; the other function makes reports."""


def follows(state: dict[str, Any]) -> Iterator[str]:
    """The states that can follow a state."""
    for name in ("Next", "Default"):
        if name in state:
            yield state[name]
    for way in [*state.get("Choices", []), *state.get("Catch", [])]:
        yield way["Next"]


def reached(start: str) -> set[str]:
    """Every state that can come after another one."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(follows(STATES[name]))
    return found


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_is_valid_amazon_states_language(name: str) -> None:
    schema = json.loads(STATES_LANGUAGE.read_text(encoding="utf-8"))
    faults = [error.message for error in Draft7Validator(schema).iter_errors(DEFINITIONS[name])]
    assert faults == []


def without_comments(value: Any) -> Any:
    """A definition without the texts for its readers."""
    if isinstance(value, dict):
        return {key: without_comments(one) for key, one in value.items() if key != "Comment"}
    return [without_comments(one) for one in value] if isinstance(value, list) else value


def test_the_machine_of_imports_is_that_of_reports_without_the_function() -> None:
    wanted = without_comments(DEFINITIONS["report"])
    states = wanted["States"]
    for name in ("RunInFunction", "Made", "NotMade"):
        del states[name]
    for name in ("NeedsTask", "NeedsRetry"):
        choices = states[name]["Choices"]
        states[name]["Choices"] = [one for one in choices if one["StringEquals"] != "function"]
    states["Queue"]["Parameters"]["MessageBody"]["job"] = "import"
    states["Queue"]["TimeoutSeconds"] = 6 * 3600
    cause = "The import failed; its run has the reason."
    states["Failed"] = {"Type": "Fail", "Error": "ImportFailed", "Cause": cause}
    assert without_comments(DEFINITIONS["import"]) == wanted


def test_the_machine_of_imports_calls_the_code_of_imports() -> None:
    queue = DEFINITIONS["import"]["States"]["Queue"]
    assert queue["TimeoutSeconds"] == IMPORT_POLICY.max_seconds
    assert queue["Parameters"]["MessageBody"]["job"] in {job.name for job in IMPORT_JOBS}
    steps = {s["Parameters"]["Payload"]["step"] for s in LAMBDAS.values()}
    assert steps == set(import_steps.steps)


def test_every_state_can_be_reached() -> None:
    assert reached(START) == set(STATES)


@pytest.mark.parametrize("name", STATES)
def test_from_every_state_there_is_a_way_to_an_end(name: str) -> None:
    assert any(STATES[after]["Type"] in ("Succeed", "Fail") for after in reached(name))


@pytest.mark.parametrize("name", LAMBDAS)
def test_a_step_is_retried_with_growing_pauses(name: str) -> None:
    retry = LAMBDAS[name]["Retry"][-1]
    assert retry["ErrorEquals"] == ["States.ALL"]
    assert retry["MaxAttempts"] >= 3
    assert retry["BackoffRate"] > 1
    assert retry["JitterStrategy"] == "FULL"


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"Fail"}))
def test_every_failure_is_published(name: str) -> None:
    """The last catch handles every error, stores it, and leads to the step `fail`."""
    caught = TASKS[name]["Catch"][-1]
    assert caught["ErrorEquals"] == ["States.ALL"]
    assert caught["ResultPath"] == "$.failure"
    assert "Fail" in reached(caught["Next"])


def test_a_failure_that_cannot_be_published_fails_the_execution() -> None:
    assert "Catch" not in STATES["Fail"]
    assert STATES[STATES["Fail"]["Next"]]["Type"] == "Fail"


@pytest.mark.parametrize("name", LAMBDAS)
def test_a_step_exists_and_gets_the_run_it_is_about(name: str) -> None:
    payload = LAMBDAS[name]["Parameters"]["Payload"]
    assert payload["step"] in handler.steps
    assert {"tenant_id.$", "run_id.$", "correlation_id.$"} <= set(payload)


def test_every_step_is_used() -> None:
    assert {s["Parameters"]["Payload"]["step"] for s in LAMBDAS.values()} == set(handler.steps)


def test_choices_handle_every_result_of_the_steps() -> None:
    answers = {
        choice["StringEquals"]
        for state in STATES.values()
        for choice in state.get("Choices", [])
        if "StringEquals" in choice
    }
    assert answers <= set(Next)
    for state in STATES.values():
        if state["Type"] == "Choice" and state is not STATES["Made"]:
            assert state["Default"] == "Ended", "a result that is not listed ends the execution"
    assert set(Next) - answers == {Next.END}


def test_a_task_waits_for_heartbeats_of_its_worker() -> None:
    queue = STATES["Queue"]
    assert queue["Resource"] == "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
    assert queue["TimeoutSeconds"] == RetryPolicy().max_seconds
    assert queue["HeartbeatSeconds"] >= 2 * WorkerTiming().heartbeat_interval, (
        "one lost heartbeat is tolerated"
    )
    assert queue["HeartbeatSeconds"] > WorkerTiming().visibility_timeout, (
        "the message is visible again before the heartbeat is missed"
    )
    assert queue["Parameters"]["MessageBody"]["task_token.$"] == "$$.Task.Token"
    assert queue["Parameters"]["MessageBody"]["job"] in {job.name for job in JOBS}
    assert queue["Parameters"]["QueueUrl.$"] == "$.step.queue_url", "that of the task's tier"


def test_the_function_gets_the_task_that_a_worker_gets_apart_from_the_token() -> None:
    run = STATES["RunInFunction"]
    message = dict(STATES["Queue"]["Parameters"]["MessageBody"])
    del message["task_token.$"]
    assert run["Parameters"]["Payload"] == message
    assert "Retry" not in run, "the step `recover` decides about every failure"


def test_both_ways_store_the_outcome_at_the_same_place() -> None:
    run, queue = STATES["RunInFunction"], STATES["Queue"]
    assert run["ResultSelector"]["outcome.$"] == "$.Payload.outcome"
    assert queue["ResultSelector"] == {"outcome.$": "$"}
    assert run["ResultPath"] == queue["ResultPath"] == "$.made"
    assert STATES["Complete"]["Parameters"]["Payload"]["outcome.$"] == "$.made.outcome"


def test_a_failure_that_the_function_returns_is_handled_like_one_that_is_caught() -> None:
    (failed,) = STATES["Made"]["Choices"]
    assert failed == {"Variable": "$.made.failure", "IsNull": False, "Next": "NotMade"}
    assert STATES["Made"]["Default"] == "Complete"
    caught = STATES["RunInFunction"]["Catch"][-1]
    passed = STATES["NotMade"]
    assert (passed["InputPath"], passed["ResultPath"]) == ("$.made.failure", caught["ResultPath"])
    assert passed["Next"] == caught["Next"] == "Recover"


def test_another_attempt_goes_where_the_step_says() -> None:
    """Its tier may be a larger one, and the queue of a tier another one than before."""
    choices = {c["StringEquals"]: c["Next"] for c in STATES["NeedsRetry"]["Choices"]}
    assert choices == {"function": "Pause", "queue": "Pause", "fail": "Fail"}
    again = STATES["Again"]
    place = {f"{name}.$": f"$.failure.{name}" for name in ("next", "tier", "queue_url")}
    assert (again["Parameters"], again["ResultPath"]) == (place, "$.step")
    assert STATES["Validate"]["ResultPath"] == "$.step"
    for name in ("next", "tier", "queue_url"):
        for step in ("Validate", "Recover"):
            assert STATES[step]["ResultSelector"][f"{name}.$"] == f"$.Payload.{name}"
    assert again["Next"] == "NeedsTask"
    where = {c["StringEquals"]: c["Next"] for c in STATES["NeedsTask"]["Choices"]}
    assert where == {"function": "RunInFunction", "queue": "Queue"}
    assert STATES["Recover"]["Parameters"]["Payload"]["tier.$"] == "$.step.tier"


def test_a_run_that_needs_a_worker_fails_without_a_retry() -> None:
    first = STATES["Validate"]["Retry"][0]
    assert first == {"ErrorEquals": ["BadParameters", WorkerRequired.__name__], "MaxAttempts": 0}


def test_after_a_lost_worker_the_task_is_queued_again_after_a_growing_pause() -> None:
    assert STATES["Queue"]["Catch"][-1]["Next"] == "Recover"
    assert "Queue" in reached("Recover")
    assert STATES["Pause"]["SecondsPath"] == "$.failure.seconds", "the code decides how long"
    assert STATES["Pause"]["Next"] == "Again"


def test_a_cancelled_report_is_not_a_failure() -> None:
    first = STATES["Queue"]["Catch"][0]
    assert (first["ErrorEquals"], first["Next"]) == (["Cancelled"], "Ended")


@pytest.mark.parametrize("name", FLOWS)
def test_the_template_fills_in_every_placeholder(name: str) -> None:
    flow = system().resources[FLOWS[name]].properties
    assert set(re.findall(r"\$\{(\w+)\}", TEXTS[name])) == set(flow["DefinitionSubstitutions"])
    assert flow["DefinitionString"] == DEFINITIONS[name]
    function = {"report": "ReportingSteps", "import": "ImportsSteps"}[name]
    substituted = flow["DefinitionSubstitutions"]["StepsFunctionArn"]
    assert substituted == {"Fn::GetAtt": [function, "Arn"]}
