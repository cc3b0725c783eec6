"""Small reports in the function, large ones by workers, and what happens without a worker."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

import reporting.jobs.report
from reporting.handlers.steps import handler as steps
from reporting.job_errors import TooComplex
from tests.component.conftest import ApiClient
from tests.component.kernel.flows import carried_out, left, task_queue, until
from tests.component.reporting.conftest import LAKE, into_lake, opportunity
from tests.component.reporting.running import (
    Remaining,
    Running,
    content,
    in_function,
    seen,
    stored,
)

Ask = Callable[..., dict[str, Any]]
MADE = ["ReportRequested", "ReportStarted", "ReportCompleted"]


@pytest.fixture
def small(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """The function makes reports of at most two files of events, 1 MB together."""
    monkeypatch.setenv("FUNCTION_LAKE_MEGABYTES", "1")


@pytest.fixture
def no_worker(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack has no worker."""
    monkeypatch.setenv("STANDARD_QUEUE_URL", "")
    monkeypatch.setenv("ANALYTICS_QUEUE_URL", "")


@pytest.fixture
def too_complex(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first attempt needs more memory than it has; the list has the attempts."""
    original, attempts = reporting.jobs.report.compute, list[str]()

    def compute(*given: Any, **more: Any) -> Any:
        attempts.append(threading.current_thread().name)
        if len(attempts) == 1:
            raise TooComplex("needs more")
        return original(*given, **more)

    monkeypatch.setattr(reporting.jobs.report, "compute", compute)
    return attempts


def end(running: Running, run: dict[str, Any]) -> str:
    running.relay()
    return running.machine.end(run["id"])


def states(running: Running, run: dict[str, Any]) -> list[str]:
    """The states of an execution, without choices and passes."""
    shown = ("Validate", "RunInFunction", "Queue", "Recover", "Complete", "Fail")
    return [name for name in running.machine.entered(run["id"]) if name in shown]


@pytest.mark.usefixtures("no_worker")
def test_a_stack_without_a_worker_makes_small_reports(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    into_lake(opportunity("won"), opportunity("lost"))
    run = ask(format="pdf")
    assert end(running, run) == "SUCCEEDED"
    done = seen(api, run)
    assert (done["status"], done["progress"], done["attempts"]) == ("completed", 100, 1)
    assert done["outcome"]["totals"][0]["win_rate"] == "0.5000"
    assert content(run).startswith(b"%PDF")
    assert running.published(run["id"]) == MADE
    assert states(running, run) == ["Validate", "RunInFunction", "Complete"]
    temporary = running.folder / "function" / "temporary"
    assert [path.name for path in temporary.iterdir()] == [".lock"], "nothing is left"


@pytest.mark.usefixtures("no_worker")
def test_a_large_report_without_a_worker_fails_at_once_with_what_to_do(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    into_lake(*(opportunity("won") for _ in range(3)))
    run = ask()
    assert end(running, run) == "FAILED"
    failed = seen(api, run)
    assert (failed["failure"], failed["attempts"]) == ("no_worker", 0)
    assert "Ask your administrator to deploy one (parameter WorkerImage)" in failed["reason"]
    assert states(running, run) == ["Validate", "Fail"]


@pytest.mark.usefixtures("small")
def test_with_a_worker_the_function_makes_small_reports_and_the_worker_larger_ones(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    into_lake(opportunity("won"), opportunity("won"))
    first = ask()
    assert end(running, first) == "SUCCEEDED"
    into_lake(opportunity("lost"))
    second = ask()
    with running.worker():
        assert end(running, second) == "SUCCEEDED"
    assert states(running, first) == ["Validate", "RunInFunction", "Complete"]
    assert states(running, second) == ["Validate", "Queue", "Complete"]
    assert seen(api, second)["outcome"]["position"]["events"] == 3


@pytest.mark.usefixtures("small")
def test_only_the_events_that_a_report_reads_decide(ask: Ask, running: Running) -> None:
    s3 = boto3.client("s3")
    for number in range(3):
        key = f"tenant=acme/context=customers/date=2026-02-03/{number}.jsonl.gz"
        s3.put_object(Bucket=LAKE, Key=key, Body=b"")
    run = {"step": "validate", "tenant_id": "acme"}
    by_region, by_sector = ask(by="region")["id"], ask(by="sector")["id"]
    assert steps({**run, "run_id": by_region}, None)["tier"] == "function"
    assert steps({**run, "run_id": by_sector}, None)["tier"] == "standard"


@pytest.mark.usefixtures("small")
def test_the_largest_reports_go_to_the_workers_for_analytics(
    api: ApiClient, ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    analytics = task_queue("analytics")
    monkeypatch.setenv("ANALYTICS_QUEUE_URL", analytics)
    into_lake(*(opportunity("won") for _ in range(5)))
    run = ask()
    running.relay()
    until(lambda: left(analytics))
    assert left(running.queue) == 0
    running.queue = analytics
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert seen(api, run)["outcome"]["position"]["events"] == 5


@pytest.mark.usefixtures("no_worker")
def test_progress_is_shown_while_the_function_runs(
    api: ApiClient, ask: Ask, running: Running, slow: threading.Event
) -> None:
    run = ask()
    running.relay()
    until(lambda: seen(api, run).get("progress_text") == "Adding up slowly")
    making = seen(api, run)
    slow.set()
    assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert making["status"] == "processing"
    assert 0 < making["progress"] < 100


@pytest.mark.usefixtures("no_worker", "slow")
def test_a_report_that_is_cancelled_stops_the_function_and_leaves_no_file(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    run = ask()
    running.relay()
    until(lambda: seen(api, run)["status"] == "processing")
    assert api("POST", f"/reports/{run['id']}/cancel").status == 200
    assert running.machine.end(run["id"], 10) == "SUCCEEDED", "cancelling is not a failure"
    assert running.published(run["id"]) == ["ReportRequested", "ReportStarted", "ReportCancelled"]
    assert stored(run) == []


@pytest.mark.usefixtures("small")
def test_a_report_that_is_too_much_for_the_function_moves_to_a_worker(
    api: ApiClient, ask: Ask, running: Running, too_complex: list[str]
) -> None:
    into_lake(opportunity("won"))
    run = ask()
    with running.worker():
        assert end(running, run) == "SUCCEEDED"
    assert states(running, run) == ["Validate", "RunInFunction", "Recover", "Queue", "Complete"]
    assert len(too_complex) == 2
    assert seen(api, run)["attempts"] == 2


@pytest.mark.usefixtures("no_worker", "too_complex")
def test_a_report_that_is_too_much_for_the_function_fails_without_a_worker(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    run = ask()
    assert end(running, run) == "FAILED"
    failed = seen(api, run)
    assert (failed["failure"], failed["attempts"]) == ("no_worker", 1), "one attempt is enough"
    assert "WorkerImage" in failed["reason"]


def test_a_report_that_is_too_much_for_a_worker_moves_to_a_larger_one(
    api: ApiClient,
    ask: Ask,
    running: Running,
    too_complex: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    analytics = task_queue("analytics")
    monkeypatch.setenv("ANALYTICS_QUEUE_URL", analytics)
    run = ask()
    with running.worker():
        running.relay()
        until(lambda: left(analytics))
    running.queue = analytics
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert len(too_complex) == 2


@pytest.mark.usefixtures("no_worker", "slow")
def test_a_function_whose_time_ends_stops_its_report_in_time(
    api: ApiClient, ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Half a second more than what it reserves for stopping."""
    function = in_function(tmp_path, monkeypatch, seconds=30.5)
    run = ask()
    body = {"job": "report", "tenant_id": "acme", "run_id": run["id"]}
    made = function(body, None)
    assert made["outcome"] is None
    assert made["failure"]["Error"] == "OutOfTime"
    assert stored(run) == []


def broken(kind: str) -> Callable[..., Any]:
    """A function that Lambda does not let answer."""

    def function(_event: Any, _context: Any) -> Any:
        raise type(kind, (Exception,), {})("RequestId: 1 Error")

    return function


@pytest.mark.parametrize(
    ("kind", "failure", "attempts"),
    [
        ("Runtime.ExitError", "worker_lost", 4),
        ("Sandbox.Timedout", "worker_lost", 4),
        ("Runtime.OutOfMemory", "no_worker", 1),
    ],
)
@pytest.mark.usefixtures("no_worker")
def test_a_function_that_ends_without_an_answer_is_a_lost_worker(
    api: ApiClient, ask: Ask, running: Running, kind: str, failure: str, attempts: int
) -> None:
    from reporting.bootstrap import runs

    calls = []

    def function(event: Any, context: Any) -> Any:
        calls.append(event)
        runs().start("acme", event["run_id"])
        return broken(kind)(event, context)

    run = ask()
    with carried_out(steps=steps, function=function):
        assert end(running, run) == "FAILED"
    assert seen(api, run)["failure"] == failure
    assert len(calls) == attempts


@pytest.mark.usefixtures("no_worker")
def test_a_throttled_function_is_invoked_again(
    api: ApiClient, ask: Ask, running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = in_function(tmp_path, monkeypatch), []

    def function(event: Any, context: Any) -> Any:
        calls.append(event)
        if len(calls) < 8:
            broken("Lambda.TooManyRequestsException")(event, context)
        return real(event, context)

    run = ask()
    with carried_out(steps=steps, function=function):
        assert end(running, run) == "SUCCEEDED"
    assert seen(api, run)["attempts"] == 1, "waiting for the function is not an attempt"


def test_the_function_says_how_a_task_ended(
    ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reporting.jobs import function

    run = ask()
    body = {"job": "report", "tenant_id": "acme", "run_id": run["id"]}
    made = function.handler(body, Remaining())
    assert made["failure"] is None
    assert made["outcome"]["file_name"] == "win-rate.json"
    missing = function.handler({**body, "run_id": "01JZEBR0S00000000000000099"}, Remaining())
    assert missing["outcome"] is None
    assert missing["failure"]["Error"] == "Unexpected"
