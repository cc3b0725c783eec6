"""The steps of the state machine, also repeated, and the start of executions."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import boto3
import pytest

from kernel.domain.clock import utc_now
from kernel.tasks.failures import BadParameters
from kernel.tasks.retry import RetryPolicy
from reporting.bootstrap import repository, runs
from reporting.failures import FAILURES
from reporting.handlers.steps import handler
from reporting.service import ReportRunService
from tests.component.conftest import ApiClient, published
from tests.component.kernel.queues import body, lambda_event
from tests.component.reporting.running import with_parameters
from tests.component.reporting.test_reports_api import OUTCOME

Ask = Callable[..., dict[str, Any]]
MAX_ATTEMPTS, MAX_SECONDS = RetryPolicy().max_attempts, RetryPolicy().max_seconds
MISSED_HEARTBEAT = {"Error": "States.HeartbeatTimeout"}


def step(name: str, run: dict[str, Any], tenant: str = "acme", **given: Any) -> Any:
    return handler({"step": name, "tenant_id": tenant, "run_id": run["id"], **given}, None)


def state(api: ApiClient, run: dict[str, Any]) -> Any:
    return api("GET", f"/reports/{run['id']}").json


def types_published(cloud: Any) -> list[str]:
    return [event["type"] for event in published(cloud)]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Move the clock of the steps by this many seconds."""

    def pass_(seconds: float) -> None:
        now = lambda: utc_now() + timedelta(seconds=seconds)  # noqa: E731
        service = ReportRunService(repository(), now, FAILURES)
        monkeypatch.setattr(handler, "_runs", lambda: service)

    return pass_


def test_a_waiting_run_is_queued(ask: Ask) -> None:
    run = ask()
    queued = {"next": "queue", "tier": "standard", "queue_url": "standard-queue"}
    assert step("validate", run) == queued
    assert step("validate", run) == queued


def test_a_run_cancelled_before_its_start_ends_without_failing(
    api: ApiClient, ask: Ask, cloud: Any
) -> None:
    run = ask()
    api("POST", f"/reports/{run['id']}/cancel")
    assert step("validate", run)["next"] == "end"
    assert types_published(cloud) == ["ReportRequested", "ReportCancelled"]


def test_a_run_that_does_not_exist_ends(buckets: Any) -> None:
    assert step("validate", {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})["next"] == "end"


def test_a_run_of_another_tenant_does_not_exist(ask: Ask) -> None:
    assert step("validate", ask(), tenant="globex")["next"] == "end"


def test_a_request_that_is_no_longer_a_valid_report_fails_with_its_own_code(ask: Ask) -> None:
    run = ask()
    stored = repository().runs.get("acme", run["id"])
    repository().change("acme", run["id"], with_parameters(by="moon"))
    assert stored.parameters.by == "none"
    with pytest.raises(BadParameters, match="by"):
        step("validate", run)


def test_completing_twice_publishes_one_event(api: ApiClient, ask: Ask, cloud: Any) -> None:
    run = ask()
    runs().start("acme", run["id"])
    outcome = OUTCOME.model_dump(mode="json")
    assert step("complete", run, outcome=outcome) == {"next": "end"}
    assert step("complete", run, outcome=outcome) == {"next": "end"}
    assert types_published(cloud) == ["ReportRequested", "ReportStarted", "ReportCompleted"]
    completed = published(cloud)[-1]
    assert completed["data"]["current"]["outcome"]["sha256"] == "a" * 64
    assert completed["data"]["current"]["outcome"]["position"] == {"events": 7}
    assert completed["data"]["current"]["owner_id"] == "ann", "the user to notify"
    assert completed["actor"] == "system"


def test_all_events_of_a_run_carry_the_requests_correlation_id(api: ApiClient, cloud: Any) -> None:
    asked = api("POST", "/reports", {"report": "win_rate"}, {"x-correlation-id": "corr-1"})
    runs().start("acme", asked.json["id"])
    step("complete", asked.json, outcome=OUTCOME.model_dump(mode="json"))
    assert [event["correlationid"] for event in published(cloud)] == ["corr-1"] * 3


def test_failing_twice_publishes_one_event_with_a_plain_reason(
    api: ApiClient, ask: Ask, cloud: Any
) -> None:
    run = ask()
    cause = '{"errorMessage": "boom", "errorType": "KeyError", "stackTrace": ["File x.py"]}'
    for _ in range(2):
        assert step("fail", run, failure={"Error": "KeyError", "Cause": cause}) == {"next": "end"}
    assert types_published(cloud) == ["ReportRequested", "ReportFailed"]
    reason = published(cloud)[-1]["data"]["current"]["reason"]
    assert reason.startswith("Something went wrong on our side")
    assert not any(word in reason for word in ("boom", "KeyError", "x.py"))


def test_a_completed_run_does_not_fail_afterwards(api: ApiClient, ask: Ask) -> None:
    run = ask()
    runs().start("acme", run["id"])
    step("complete", run, outcome=OUTCOME.model_dump(mode="json"))
    step("fail", run, failure={"Error": "States.Timeout"})
    assert state(api, run)["status"] == "completed"


def test_a_lost_worker_is_recorded_and_replaced_after_a_growing_pause(
    api: ApiClient, ask: Ask, cloud: Any
) -> None:
    run = ask()
    pauses = []
    for _ in range(3):
        runs().start("acme", run["id"])
        after = step("recover", run, failure=MISSED_HEARTBEAT)
        assert after["next"] == "queue"
        pauses.append(after["seconds"])
        seen = state(api, run)
        assert seen["status"] == "retry_pending"
        assert seen["progress_text"] == "The worker was lost; waiting for another"
    assert pauses == [2, 4, 8]
    assert types_published(cloud) == ["ReportRequested", "ReportStarted"], (
        "ReportStarted is published once"
    )


def test_a_report_fails_after_the_allowed_number_of_lost_workers(api: ApiClient, ask: Ask) -> None:
    run = ask()
    for _ in range(MAX_ATTEMPTS):
        runs().start("acme", run["id"])
        after = step("recover", run, failure=MISSED_HEARTBEAT)
    assert after["next"] == "fail"
    step("fail", run, failure={"Error": after["error"], "Cause": after["cause"]})
    assert state(api, run)["failure"] == "worker_lost"


def test_the_step_that_recovers_may_be_repeated(api: ApiClient, ask: Ask) -> None:
    run = ask()
    runs().start("acme", run["id"])
    for _ in range(3):
        assert step("recover", run, failure=MISSED_HEARTBEAT)["next"] == "queue"
    assert state(api, run)["attempts"] == 1


def test_waiting_for_a_worker_does_not_count_as_a_lost_worker(
    api: ApiClient, ask: Ask, later: Callable[[float], None]
) -> None:
    run = ask()
    later(1800)
    for _ in range(MAX_ATTEMPTS + 1):
        after = step("recover", run, failure=MISSED_HEARTBEAT)
        assert (after["next"], after["seconds"]) == ("queue", 5)
    assert (state(api, run)["status"], state(api, run)["attempts"]) == ("pending", 0)
    later(MAX_SECONDS)
    after = step("recover", run, failure=MISSED_HEARTBEAT)
    assert (after["next"], after["error"]) == ("fail", "NoWorker")


def test_an_unavailable_queue_is_retried_for_an_hour(
    ask: Ask, later: Callable[[float], None]
) -> None:
    run, failure = ask(), {"Error": "SQS.SdkClientException", "Cause": "Service Unavailable"}
    after = step("recover", run, failure=failure)
    assert (after["next"], after["seconds"]) == ("queue", 5)
    later(MAX_SECONDS)
    after = step("recover", run, failure=failure)
    assert (after["next"], after["error"]) == ("fail", "NoWorker")


def test_a_timeout_is_a_lost_worker_until_the_time_limit_is_reached(
    ask: Ask, later: Callable[[float], None]
) -> None:
    """Step Functions reports a missed heartbeat as States.Timeout too."""
    run = ask()
    runs().start("acme", run["id"])
    later(60)
    assert step("recover", run, failure={"Error": "States.Timeout"})["next"] == "queue"
    runs().start("acme", run["id"])
    later(MAX_SECONDS)
    after = step("recover", run, failure={"Error": "States.Timeout"})
    assert (after["next"], after["error"]) == ("fail", "TimedOut")


def test_a_permanent_failure_is_not_retried(ask: Ask) -> None:
    run = ask()
    runs().start("acme", run["id"])
    failure = {"Error": "OutOfMemory", "Cause": "256MB"}
    after = step("recover", run, failure=failure)
    assert (after["next"], after["error"], after["cause"]) == ("fail", "OutOfMemory", "256MB")


def test_an_ended_run_is_not_recovered(api: ApiClient, ask: Ask) -> None:
    run = ask()
    runs().start("acme", run["id"])
    api("POST", f"/reports/{run['id']}/cancel")
    assert step("recover", run, failure=MISSED_HEARTBEAT)["next"] == "end"


@pytest.fixture
def executions(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The names of the executions that the reactor starts."""
    states = boto3.client("stepfunctions")
    arn = states.create_state_machine(
        name="reports",
        definition='{"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 9, "End": true}}}',
        roleArn="arn:aws:iam::123456789012:role/flow",
    )["stateMachineArn"]
    monkeypatch.setenv("STATE_MACHINE_ARN", arn)

    def names() -> list[str]:
        found = states.list_executions(stateMachineArn=arn)["executions"]
        return [execution["name"] for execution in found]

    return names


def test_a_request_starts_one_execution_however_often_it_is_delivered(
    ask: Ask, cloud: Any, executions: Callable[[], list[str]]
) -> None:
    from reporting.consumers.workflow import handler as consume

    run = ask()
    (event,) = published(cloud)
    batch = lambda_event([body(event), body(event)])
    assert consume(batch, None) == {"batchItemFailures": []}
    assert consume(lambda_event([body(event)]), None) == {"batchItemFailures": []}
    assert executions() == [run["id"]]


def test_an_execution_that_ended_is_not_started_again(
    ask: Ask, cloud: Any, executions: Callable[[], list[str]]
) -> None:
    from reporting.consumers.workflow import handler as consume

    ask()
    (event,) = published(cloud)
    consume(lambda_event([body(event)]), None)
    other = {**event, "correlationid": "another input, as after a redrive"}
    assert consume(lambda_event([body(other)]), None) == {"batchItemFailures": []}
    assert len(executions()) == 1


def test_a_replay_starts_nothing(ask: Ask, cloud: Any, executions: Callable[[], list[str]]) -> None:
    from reporting.consumers.workflow import handler as consume

    ask()
    (event,) = published(cloud)
    consume(lambda_event([body(event, replayed=True)]), None)
    assert executions() == []


def test_other_events_start_nothing_and_an_invalid_one_affects_no_other(
    ask: Ask, cloud: Any, executions: Callable[[], list[str]]
) -> None:
    from reporting.consumers.workflow import handler as consume

    run = ask()
    (event,) = published(cloud)
    broken = {**event, "data": {"current": {}}}
    invocation = lambda_event([body(broken), body({**event, "type": "ReportStarted"}), body(event)])
    first = invocation["Records"][0]["messageId"]
    assert consume(invocation, None) == {"batchItemFailures": [{"itemIdentifier": first}]}
    assert executions() == [run["id"]]
