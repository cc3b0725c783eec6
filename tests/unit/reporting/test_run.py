"""The transitions of a report run, also repeated."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kernel.domain.errors import RuleViolation
from kernel.domain.events import DomainEvent
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.tasks.failures import BadParameters
from kernel.tasks.retry import RetryPolicy
from kernel.tasks.state import TaskRunStatus
from reporting.events import FailureCode, ReportResult, StreamPosition
from reporting.failures import FAILURES
from reporting.model import ReportRun
from reporting.parameters import ReportParameters
from reporting.service import checked_parameters

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
ANN = RequestContext(
    Principal("acme", "ann", frozenset({Role.SALES_REPRESENTATIVE}), team_id="north")
)
OUTCOME = ReportResult(
    file_name="win-rate.csv",
    media_type="text/csv",
    size_bytes=10,
    sha256="0" * 64,
    rows=1,
    totals=[{"won": 3}],
    position=StreamPosition(events=7),
)


def asked(**parameters: Any) -> ReportRun:
    wanted = ReportParameters.model_validate({"report": "win_rate", **parameters})
    run, events = ReportRun.request(ANN, "01ARZ3NDEKTSV4RRFFQ69G5FAV", wanted, AT)
    assert names(events) == ["ReportRequested"]
    return run


def names(events: Sequence[DomainEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def started() -> ReportRun:
    return asked().start(AT)[0]


def test_a_new_run_is_pending_and_belongs_to_its_requester() -> None:
    run = asked()
    assert (run.status, run.owner_id, run.team_id) == (TaskRunStatus.PENDING, "ann", "north")
    assert (run.parameters.by, run.parameters.format) == ("none", "pdf"), "defaults are stored"


def test_starting_publishes_one_event_however_many_workers_it_takes() -> None:
    run, events = asked().start(AT)
    assert names(events) == ["ReportStarted"]
    again, more = run.lose_worker().state.start(LATER)
    assert (again.status, again.attempts, more) == (TaskRunStatus.PROCESSING, 2, ())
    assert again.started_at == LATER
    unnoticed, none = again.start(LATER)
    assert (unnoticed.attempts, none) == (3, ())


def test_after_a_lost_worker_the_run_waits_for_another() -> None:
    run, _ = started().lose_worker()
    assert (run.status, run.attempts) == (TaskRunStatus.RETRY_PENDING, 1)
    assert run.lose_worker() == (run, ())


def test_a_worker_asked_to_stop_does_not_count_as_an_attempt() -> None:
    run = started().requeue(1).state
    assert (run.status, run.attempts) == (TaskRunStatus.RETRY_PENDING, 0)
    assert run.requeue(1) == (run, ())


def test_a_worker_that_was_considered_lost_requeues_nothing() -> None:
    again, _ = started().lose_worker().state.start(LATER)
    assert again.requeue(1) == (again, ()), "it belongs to the second worker"
    assert again.requeue(2).state.status is TaskRunStatus.RETRY_PENDING


def test_a_run_completes_once() -> None:
    run, events = started().complete(OUTCOME, LATER)
    assert (run.status, run.outcome, run.ended_at) == (TaskRunStatus.COMPLETED, OUTCOME, LATER)
    assert names(events) == ["ReportCompleted"]
    assert run.complete(OUTCOME, LATER) == (run, ())


def test_an_ended_run_never_changes() -> None:
    completed, _ = started().complete(OUTCOME, LATER)
    failed, events = started().fail(FAILURES.failure("WorkerLost"), LATER)
    cancelled, cancellation = started().cancel("ann", LATER)
    assert (names(events), names(cancellation)) == (["ReportFailed"], ["ReportCancelled"])
    for run in (completed, failed, cancelled):
        assert run.ended
        assert run.start(LATER) == (run, ())
        assert run.complete(OUTCOME, LATER) == (run, ())
        assert run.fail(FAILURES.failure("Unexpected"), LATER) == (run, ())
        assert run.requeue(run.attempts) == run.lose_worker() == (run, ())
        with pytest.raises(RuleViolation, match=run.status):
            run.cancel("ann", LATER)


@pytest.mark.parametrize("run", [asked(), started(), started().lose_worker().state])
def test_a_run_that_has_not_ended_can_be_cancelled(run: ReportRun) -> None:
    cancelled, _ = run.cancel("bob", LATER)
    assert (cancelled.status, cancelled.cancelled_by) == (TaskRunStatus.CANCELLED, "bob")


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "win-rate.pdf"),
        (
            {"by": "region", "from": "2026-01-01", "to": "2026-03-31", "format": "xlsx"},
            "win-rate-by-region-from-2026-01-01-to-2026-03-31.xlsx",
        ),
        ({"report": "pipeline_by_stage", "format": "csv"}, "pipeline-by-stage.csv"),
    ],
)
def test_the_file_name_describes_the_report(parameters: dict[str, Any], name: str) -> None:
    assert asked(**parameters).file_name == name


def test_the_requested_parameters_are_read_back() -> None:
    run = asked(by="region", **{"from": "2026-01-01"}, currency="EUR")
    assert ReportRun.model_validate_json(run.model_dump_json(exclude_none=True)) == run
    assert '"from":"2026-01-01"' in run.model_dump_json()
    assert checked_parameters(run).model_dump(exclude_none=True) == {
        "report": "win_rate",
        "by": "region",
        "from": datetime(2026, 1, 1).date(),
        "format": "pdf",
        "currency": "EUR",
    }


def test_a_stored_request_that_is_no_longer_valid_names_the_field() -> None:
    run = asked()
    parameters = run.parameters.model_copy(update={"by": "moon"})
    text = run.with_changes(parameters=parameters).model_dump_json(exclude_none=True)
    stored = ReportRun.model_validate_json(text)
    assert stored.model_dump_json(exclude_none=True) == text, "it stays readable unchanged"
    with pytest.raises(BadParameters, match=r"by .*moon.*allowed are"):
        checked_parameters(stored)


def test_every_failure_has_a_message_without_technical_details() -> None:
    trace = '{"errorMessage": "by: no", "errorType": "X", "stackTrace": ["File \\"x.py\\""]}'
    errors = [
        *("BadParameters", "NoWorker", "WorkerLost", "States.HeartbeatTimeout", "States.Timeout"),
        *("OutOfMemory", "TooMuchData", "UnreadableData", "KeyError", "SQS.SdkClientException"),
    ]
    for error in errors:
        message = FAILURES.failure(error, trace).message
        assert message.endswith(".")
        assert len(message) > 40
        assert not any(word in message for word in ("File", "States", "Error", "{", "x.py"))
    assert FAILURES.failure("KeyError", trace).code is FailureCode.UNKNOWN
    assert "by: no." in FAILURES.failure("BadParameters", trace).message
    assert "by: no." in FAILURES.failure("BadParameters", "by: no").message


def test_only_temporary_failures_are_retried() -> None:
    assert FAILURES.failure("States.HeartbeatTimeout").retryable
    assert FAILURES.failure("UnreadableData").retryable
    assert FAILURES.failure("SQS.AmazonSQSException").retryable
    assert not FAILURES.failure("NoWorker").retryable, "the hour is over"
    for final in ("BadParameters", "OutOfMemory", "TooMuchData", "KeyError", "Unexpected"):
        assert not FAILURES.failure(final).retryable


def test_pauses_grow_to_a_limit() -> None:
    assert [RetryPolicy().pause(n) for n in (0, 1, 2, 3, 4, 20)] == [2, 2, 4, 8, 16, 60]
