"""A report from the request to the file: API, reactor, state machine, worker, engine."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

import reporting.work
from kernel import aws
from kernel.errors import Busy
from kernel.worker import Control, Failed, Task
from reporting.bootstrap import runs
from reporting.engine.errors import LakeUnreadable, TooComplex
from reporting.service import MOST_ATTEMPTS
from tests.component.conftest import ApiClient
from tests.component.kernel.flows import carried_out, left, until
from tests.component.reporting.conftest import FILES, LAKE, deal, into_lake
from tests.component.reporting.running import Running

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def running(
    cloud: Any, buckets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    from reporting.handlers.steps import handler

    monkeypatch.setattr("reporting.service.pause", lambda attempts: 0)
    monkeypatch.setattr("reporting.service._WAITING_PAUSE_SECONDS", 0)
    with carried_out(steps=handler):
        running = Running(cloud, tmp_path)
        monkeypatch.setenv("STATE_MACHINE_ARN", running.machine.arn)
        yield running


@pytest.fixture
def impatient(running: Running, monkeypatch: pytest.MonkeyPatch) -> Running:
    """The same with a state machine that misses heartbeats after two seconds."""
    impatient = Running(running.cloud, running.folder, heartbeat_seconds=2)
    monkeypatch.setenv("STATE_MACHINE_ARN", impatient.machine.arn)
    return impatient


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Reports take until the event is set; they look every few milliseconds whether to stop."""
    go_on, stock = threading.Event(), reporting.work.compute

    def compute(files: Any, parameters: Any, *, watch: Any) -> Any:
        while not go_on.wait(0.01):
            watch.step(0.5, "Adding up slowly")
        return stock(files, parameters, watch=watch)

    monkeypatch.setattr(reporting.work, "compute", compute)
    return go_on


def seen(api: ApiClient, run: dict[str, Any]) -> Any:
    return api("GET", f"/reports/{run['id']}").json


def stored(run: dict[str, Any], tenant: str = "acme") -> list[str]:
    prefix = f"tenants/{tenant}/reports/{run['id']}/"
    found = boto3.client("s3").list_objects_v2(Bucket=FILES, Prefix=prefix).get("Contents", [])
    return [one["Key"].removeprefix(prefix) for one in found]


def content(run: dict[str, Any]) -> bytes:
    key = f"tenants/acme/reports/{run['id']}/{stored(run)[0]}"
    found: bytes = boto3.client("s3").get_object(Bucket=FILES, Key=key)["Body"].read()
    return found


def test_a_report_that_is_asked_for_is_made(api: ApiClient, ask: Ask, running: Running) -> None:
    into_lake(*(deal("won") for _ in range(3)), deal("lost"), deal("open"))
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    done = seen(api, run)
    assert (done["status"], done["progress"], done["attempts"]) == ("COMPLETED", 100, 1)
    assert running.told(run["id"]) == ["ReportRequested", "ReportStarted", "ReportCompleted"]
    outcome = done["outcome"]
    assert outcome["totals"] == [{"won": 3, "lost": 1, "closed": 4, "win_rate": "0.7500"}]
    assert outcome["position"]["facts"] == 5
    assert outcome["position"]["last_time"] == "2026-02-03T10:00:00Z"
    assert stored(run) == [outcome["file_name"]] == ["win-rate.json"]
    file = content(run)
    assert hashlib.sha256(file).hexdigest() == outcome["sha256"]
    assert len(file) == outcome["size_bytes"]
    assert json.loads(file)["totals"][0]["won"] == 3
    assert running.machine.entered(run["id"])[-2:] == ["Complete", "Ended"]
    assert left(running.queue) == 0


@pytest.mark.parametrize(
    ("format_", "media_type", "begins"),
    [
        ("csv", "text/csv; charset=utf-8", b""),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", b"PK"),
        ("pdf", "application/pdf", b"%PDF-"),
        ("json", "application/json", b"{"),
    ],
)
def test_every_format_is_stored_as_what_it_is(
    ask: Ask, running: Running, format_: str, media_type: str, begins: bytes
) -> None:
    into_lake(deal("won"), deal("lost", amount=None), deal("won", region="=cmd()"))
    run = ask(report="sales_performance", by="region", format=format_, **{"from": "2026-01-01"})
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    (name,) = stored(run)
    assert name == f"sales-performance-by-region-from-2026-01-01.{format_}"
    assert content(run).startswith(begins)
    key = f"tenants/acme/reports/{run['id']}/{name}"
    head = boto3.client("s3").head_object(Bucket=FILES, Key=key)
    assert head["ContentType"] == media_type
    assert sum(len(k) + len(v) for k, v in head["Metadata"].items()) < 2048


def test_the_outcome_of_many_currencies_stays_small_enough_to_travel_with_the_file(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    currencies = ("USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK")
    most = {"minor_units": 2**53 - 1}
    into_lake(*(deal("won", amount={**most, "currency": c}) for c in currencies))
    run = ask(report="sales_performance", format="csv")
    outcome = running.work().run(a_task(run), Control())
    assert len(outcome["totals"]) == 5
    assert outcome["totals"][0] == {
        "currency": "CHF",
        "won": 1,
        "revenue": 2**53 - 1,
        "average_deal": 2**53 - 1,
        "lost": 0,
        "open": 0,
        "open_amount": 0,
    }
    key = f"tenants/acme/reports/{run['id']}/{stored(run)[0]}"
    head = boto3.client("s3").head_object(Bucket=FILES, Key=key)
    assert sum(len(k) + len(v) for k, v in head["Metadata"].items()) < 2048


def test_a_report_about_nothing_is_a_report(api: ApiClient, ask: Ask, running: Running) -> None:
    made = [ask(by=by, format=f) for by, f in (("none", "json"), ("owner", "pdf"))]
    running.relay()
    with running.worker():
        for run in made:
            assert running.machine.end(run["id"]) == "SUCCEEDED"
    for run in made:
        done = seen(api, run)
        assert done["status"] == "COMPLETED"
        assert done["outcome"]["rows"] == 0
        assert done["outcome"]["totals"] == [{"won": 0, "lost": 0, "closed": 0}]
        assert done["outcome"]["position"] == {"facts": 0}
        assert len(content(run)) == done["outcome"]["size_bytes"]


def test_a_report_tells_of_its_tenant_alone(api: ApiClient, ask: Ask, running: Running) -> None:
    into_lake(deal("won"), *(deal("won", tenant="globex") for _ in range(5)))
    mine = ask()
    theirs = api.as_(tenant="globex")("POST", "/reports", {"report": "win_rate", "format": "json"})
    running.relay()
    with running.worker():
        running.machine.end(mine["id"])
        running.machine.end(theirs.json["id"])
    assert seen(api, mine)["outcome"]["totals"][0]["won"] == 1
    assert seen(api.as_(tenant="globex"), theirs.json)["outcome"]["totals"][0]["won"] == 5
    assert stored(theirs.json, "globex")
    assert not stored(theirs.json, "acme")


def test_progress_is_seen_while_a_report_is_made(
    api: ApiClient, ask: Ask, running: Running, slow: threading.Event
) -> None:
    run = ask()
    running.relay()
    with running.worker():
        until(lambda: seen(api, run).get("progress_text") == "Adding up slowly")
        making = seen(api, run)
        slow.set()
        running.machine.end(run["id"])
    assert making["status"] == "PROCESSING"
    assert 0 < making["progress"] < 100


def test_a_run_cancelled_while_it_is_made_stops_and_leaves_no_file(
    api: ApiClient, ask: Ask, running: Running, slow: threading.Event
) -> None:
    run = ask()
    running.relay()
    with running.worker():
        until(lambda: seen(api, run)["status"] == "PROCESSING")
        assert api("POST", f"/reports/{run['id']}/cancel").status == 200
        assert running.machine.end(run["id"], 10) == "SUCCEEDED", "cancelling is no failure"
        until(lambda: left(running.queue) == 0)
    assert running.told(run["id"]) == ["ReportRequested", "ReportStarted", "ReportCancelled"]
    assert stored(run) == []


def test_a_run_cancelled_while_it_waits_ends_when_a_worker_takes_it(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    run = ask()
    running.relay()
    until(lambda: left(running.queue))
    api("POST", f"/reports/{run['id']}/cancel")
    with running.worker():
        assert running.machine.end(run["id"], 10) == "SUCCEEDED"
    assert running.told(run["id"]) == ["ReportRequested", "ReportCancelled"]
    assert seen(api, run)["attempts"] == 0


def test_a_run_cancelled_while_it_waits_ends_without_any_worker(
    api: ApiClient, ask: Ask, impatient: Running
) -> None:
    run = ask()
    impatient.relay()
    until(lambda: left(impatient.queue))
    api("POST", f"/reports/{run['id']}/cancel")
    assert impatient.machine.end(run["id"], 10) == "SUCCEEDED"
    assert impatient.machine.entered(run["id"])[-3:] == ["Recover", "ToBeTriedAgain", "Ended"]


def test_a_run_that_no_worker_takes_waits_on_and_is_made_in_the_end(
    api: ApiClient, ask: Ask, impatient: Running
) -> None:
    run = ask()
    impatient.relay()
    until(lambda: impatient.machine.entered(run["id"]).count("Queue") == 2)
    assert seen(api, run)["status"] == "PENDING"
    with impatient.worker():
        assert impatient.machine.end(run["id"]) == "SUCCEEDED"
        until(lambda: left(impatient.queue) == 0)
    assert seen(api, run)["attempts"] == 1, "waiting was no attempt"


def test_a_lost_worker_is_replaced_and_the_report_completed_once(
    api: ApiClient, ask: Ask, impatient: Running
) -> None:
    run = ask()
    impatient.relay()
    until(lambda: left(impatient.queue))
    aws.client("sqs").receive_message(QueueUrl=impatient.queue, VisibilityTimeout=5)
    runs().start("acme", run["id"])  # ... and then its worker is struck by lightning
    until(lambda: seen(api, run)["status"] == "RETRY_PENDING")
    with impatient.worker():
        assert impatient.machine.end(run["id"]) == "SUCCEEDED"
        until(lambda: left(impatient.queue) == 0, 10)  # the first message comes back in vain
    assert impatient.told(run["id"]) == ["ReportRequested", "ReportStarted", "ReportCompleted"]
    assert seen(api, run)["attempts"] == 2


def test_facts_that_cannot_be_read_are_tried_again_and_then_fail_in_plain_words(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    key = "tenant=acme/context=opportunities/date=2026-02-03/x.jsonl.gz"
    boto3.client("s3").put_object(Bucket=LAKE, Key=key, Body=b"no gzip")
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert (failed["failure"], failed["attempts"]) == ("unreadable_data", MOST_ATTEMPTS)
    assert "could not be read" in failed["reason"]
    assert "gzip" not in failed["reason"]
    assert running.told(run["id"]) == ["ReportRequested", "ReportStarted", "ReportFailed"]


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "SlowDown", "Message": "busy"}}, "GetObject"),
        EndpointConnectionError(endpoint_url="http://nowhere"),
        Busy("Someone else is storing this report."),
        LakeUnreadable("A file could not be fetched."),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_what_may_pass_is_tried_again(
    api: ApiClient,
    ask: Ask,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
) -> None:
    stock, calls = reporting.work.compute, []

    def compute(*given: Any, **more: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            raise fault
        return stock(*given, **more)

    monkeypatch.setattr(reporting.work, "compute", compute)
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    assert (seen(api, run)["status"], seen(api, run)["attempts"]) == ("COMPLETED", 2)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (TooComplex("needs 300MB"), "out_of_memory"),
        (MemoryError(), "out_of_memory"),
        (OSError(28, "No space left on device"), "too_much_data"),
        (ZeroDivisionError("a mistake of ours"), "unknown"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else value,
)
def test_what_will_not_help_to_repeat_fails_at_once(
    api: ApiClient,
    ask: Ask,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    code: str,
) -> None:
    def compute(*_: Any, **__: Any) -> None:
        raise fault

    monkeypatch.setattr(reporting.work, "compute", compute)
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert (failed["failure"], failed["attempts"]) == (code, 1)
    assert str(fault) not in failed["reason"] or not str(fault)


def test_a_request_that_is_no_report_any_more_fails_with_the_field(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    from reporting.bootstrap import repository

    run = ask()
    repository().change("acme", run["id"], lambda run: (run.with_changes(by="moon"), []))
    running.relay()
    assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert failed["failure"] == "bad_parameters"
    assert "by: 'moon' is not a known grouping" in failed["reason"].replace("by ", "by: ", 1)
    assert running.machine.entered(run["id"]) == ["Validate", "Fail", "Failed"]


def test_a_step_that_stumbles_is_repeated(
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
    assert (len(calls), seen(api, run)["status"]) == (2, "COMPLETED")


def a_task(run: dict[str, Any]) -> Task:
    return Task({"tenant_id": "acme", "report_id": run["id"]}, "token", "receipt", 1)


def test_a_report_made_twice_has_the_outcome_of_the_first(ask: Ask, running: Running) -> None:
    into_lake(deal("won"))
    run, work = ask(), running.work()
    first = work.run(a_task(run), Control())
    file = content(run)
    into_lake(deal("won"))  # the second one would see more
    assert work.run(a_task(run), Control()) == first
    assert content(run) == file
    assert first["totals"][0]["won"] == 1


def test_two_workers_that_finish_at_once_agree(
    ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was given up for lost and ends after all: neither knows of the other's file."""
    into_lake(deal("won"))
    run, work = ask(), running.work()
    stock, both = reporting.work.render, threading.Barrier(2, timeout=20)

    def render(*given: Any) -> None:
        stock(*given)
        both.wait()

    monkeypatch.setattr(reporting.work, "render", render)
    outcomes: list[Any] = []

    def one() -> None:
        outcomes.append(work.run(a_task(run), Control()))

    threads = [threading.Thread(target=one)]
    threads[0].start()
    until(lambda: both.n_waiting == 1)
    into_lake(deal("won"))
    threads.append(threading.Thread(target=one))
    threads[1].start()
    for thread in threads:
        thread.join(20)
    assert outcomes[0] == outcomes[1]
    assert hashlib.sha256(content(run)).hexdigest() == outcomes[0]["sha256"]


def test_a_task_of_a_completed_run_is_answered_with_its_outcome(
    ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask()
    running.relay()
    with running.worker():
        running.machine.end(run["id"])
    monkeypatch.setattr(reporting.work, "compute", lambda *_, **__: pytest.fail("computed again"))
    outcome = running.work().run(a_task(run), Control())
    assert outcome["file_name"] == "win-rate.json"
    assert len(running.told(run["id"])) == 3


def test_a_report_that_keeps_killing_its_workers_is_refused(ask: Ask, running: Running) -> None:
    run = ask()
    for _ in range(MOST_ATTEMPTS):
        runs().start("acme", run["id"])
    with pytest.raises(Failed, match="WorkerLost"):
        running.work().run(a_task(run), Control())


def test_nothing_temporary_is_left(ask: Ask, running: Running, tmp_path: Path) -> None:
    import tempfile

    into_lake(deal("won"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tempfile.tempdir = str(scratch)
    try:
        running.work().run(a_task(ask(format="xlsx")), Control())
    finally:
        tempfile.tempdir = None
    assert list(scratch.iterdir()) == []
