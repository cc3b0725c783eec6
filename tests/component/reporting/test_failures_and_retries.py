"""Failures while a report is created: lost workers, damaged data, two workers for one run."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import reporting.jobs.report
from kernel.domain.errors import Busy
from kernel.runtime import aws
from kernel.tasks.job import JobControl, JobFailed
from kernel.tasks.retry import RetryPolicy
from reporting.bootstrap import repository, runs
from reporting.job_errors import DiskFull, LakeUnreadable, TooComplex
from tests.component.conftest import ApiClient
from tests.component.kernel.flows import left, until
from tests.component.reporting.conftest import LAKE, into_lake, opportunity
from tests.component.reporting.running import Running, a_task, content, seen, with_parameters

Ask = Callable[..., dict[str, Any]]
MAX_ATTEMPTS = RetryPolicy().max_attempts


def test_a_run_without_a_free_worker_waits_and_completes(
    api: ApiClient, ask: Ask, impatient: Running
) -> None:
    run = ask()
    impatient.relay()
    until(lambda: impatient.machine.entered(run["id"]).count("Queue") == 2)
    assert seen(api, run)["status"] == "pending"
    with impatient.worker():
        assert impatient.machine.end(run["id"]) == "SUCCEEDED"
        until(lambda: left(impatient.queue) == 0)
    assert seen(api, run)["attempts"] == 1, "waiting is not an attempt"


def test_a_lost_worker_is_replaced_and_the_report_completed_once(
    api: ApiClient, ask: Ask, impatient: Running
) -> None:
    run = ask()
    impatient.queue_task()
    aws.client("sqs").receive_message(QueueUrl=impatient.queue, VisibilityTimeout=5)
    runs().start("acme", run["id"])  # ... and then its worker is killed
    until(lambda: seen(api, run)["status"] == "retry_pending")
    with impatient.worker():
        assert impatient.machine.end(run["id"]) == "SUCCEEDED"
        until(
            lambda: left(impatient.queue) == 0, 10
        )  # the first message is delivered again without effect
    assert impatient.published(run["id"]) == ["ReportRequested", "ReportStarted", "ReportCompleted"]
    assert seen(api, run)["attempts"] == 2


def test_unreadable_events_are_retried_and_then_fail_with_a_plain_reason(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    key = "tenant=acme/context=opportunities/date=2026-02-03/x.jsonl.gz"
    boto3.client("s3").put_object(Bucket=LAKE, Key=key, Body=b"no gzip")
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert (failed["failure"], failed["attempts"]) == ("unreadable_data", MAX_ATTEMPTS)
    assert "could not be read" in failed["reason"]
    assert "gzip" not in failed["reason"]
    assert running.published(run["id"]) == ["ReportRequested", "ReportStarted", "ReportFailed"]


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "SlowDown", "Message": "busy"}}, "GetObject"),
        EndpointConnectionError(endpoint_url="http://nowhere"),
        Busy("Someone else is storing this report."),
        LakeUnreadable("A file could not be fetched."),
        DiskFull("There is no space."),
        OSError(28, "No space left on device"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_temporary_failure_is_retried(
    api: ApiClient,
    ask: Ask,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    original, calls = reporting.jobs.report.compute, []

    def compute(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise fault
        return original(*given, **more)

    monkeypatch.setattr(reporting.jobs.report, "compute", compute)
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert (seen(api, run)["status"], seen(api, run)["attempts"]) == ("completed", 2)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (TooComplex("needs 300MB"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (ZeroDivisionError("internal detail"), "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_a_permanent_failure_fails_at_once(
    api: ApiClient,
    ask: Ask,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    code: str,
) -> None:
    def compute(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(reporting.jobs.report, "compute", compute)
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert (failed["failure"], failed["attempts"]) == (code, 1)
    assert str(fault) not in failed["reason"] or not str(fault)


def test_a_disk_that_stays_full_is_reported_as_that(
    api: ApiClient, ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reporting.jobs.report, "compute", compute)
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert (failed["failure"], failed["attempts"]) == ("worker_lost", MAX_ATTEMPTS)
    assert failed["reason"].startswith("The disk of the worker that made this report is full")


def test_a_request_that_is_no_longer_a_valid_report_fails_with_the_field(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    run = ask()
    repository().change("acme", run["id"], with_parameters(by="moon"))
    running.relay()
    assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert failed["failure"] == "bad_parameters"
    assert "by: 'moon' is not a known grouping" in failed["reason"].replace("by ", "by: ", 1)
    assert running.machine.entered(run["id"]) == ["Validate", "Fail", "Failed"]


def test_a_failing_step_is_repeated(
    api: ApiClient, ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete, calls = runs().complete, []

    def stumbling(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise TimeoutError("the table did not answer")
        return complete(*given)

    monkeypatch.setattr(runs(), "complete", stumbling)
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert (len(calls), seen(api, run)["status"]) == (2, "completed")


def test_a_report_created_twice_has_the_outcome_of_the_first(ask: Ask, running: Running) -> None:
    into_lake(opportunity("won"))
    run, job = ask(), running.job()
    first = job.run(a_task(run), JobControl())
    file = content(run)
    into_lake(opportunity("won"))  # the second report would include more events
    assert job.run(a_task(run), JobControl()) == first
    assert content(run) == file
    assert first["totals"][0]["won"] == 1


def test_two_workers_that_finish_at_the_same_time_have_one_outcome(
    ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was considered lost but finishes: neither knows of the other's file."""
    into_lake(opportunity("won"))
    run, job = ask(), running.job()
    original, both = reporting.jobs.report.render, threading.Barrier(2, timeout=20)

    def render(*given: Any) -> None:
        original(*given)
        both.wait()

    monkeypatch.setattr(reporting.jobs.report, "render", render)
    outcomes: list[Any] = []

    def one() -> None:
        outcomes.append(job.run(a_task(run), JobControl()))

    threads = [threading.Thread(target=one)]
    threads[0].start()
    until(lambda: both.n_waiting == 1)
    into_lake(opportunity("won"))
    threads.append(threading.Thread(target=one))
    threads[1].start()
    for thread in threads:
        thread.join(20)
    assert outcomes[0] == outcomes[1]
    assert hashlib.sha256(content(run)).hexdigest() == outcomes[0]["sha256"]


def computed_again(*_: Any, **__: Any) -> None:
    pytest.fail("computed again")


def test_an_existing_file_is_not_created_again(
    ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker died after storing it, or could not report it."""
    run, job = ask(), running.job()
    first = job.run(a_task(run), JobControl())
    monkeypatch.setattr(
        reporting.jobs.report, "compute", lambda *_, **__: pytest.fail("computed again")
    )
    assert job.run(a_task(run), JobControl()) == first


def test_a_task_of_a_completed_run_is_answered_with_its_outcome(
    ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask()
    running.relay()
    with running.worker():
        running.machine.end(run["id"])
    monkeypatch.setattr(
        reporting.jobs.report, "compute", lambda *_, **__: pytest.fail("computed again")
    )
    outcome = running.job().run(a_task(run), JobControl())
    assert outcome["file_name"] == "win-rate.json"
    assert len(running.published(run["id"])) == 3


def test_a_report_that_keeps_killing_its_workers_fails(ask: Ask, running: Running) -> None:
    run = ask()
    for _ in range(MAX_ATTEMPTS):
        runs().start("acme", run["id"])
    with pytest.raises(JobFailed, match="WorkerLost"):
        running.job().run(a_task(run), JobControl())


def test_no_temporary_file_is_left(ask: Ask, running: Running, tmp_path: Path) -> None:
    import tempfile

    into_lake(opportunity("won"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tempfile.tempdir = str(scratch)
    try:
        running.job().run(a_task(ask(format="xlsx")), JobControl())
    finally:
        tempfile.tempdir = None
    assert list(scratch.iterdir()) == []
