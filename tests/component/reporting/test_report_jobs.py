"""A report from the request to the file: API, reactor, state machine, worker, engine."""

import hashlib
import json
import threading
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from kernel.tasks.job import JobControl
from tests.component.conftest import ApiClient
from tests.component.kernel.flows import left, until
from tests.component.reporting.conftest import into_lake, opportunity
from tests.component.reporting.running import (
    Running,
    a_task,
    content,
    seen,
    stored,
    stored_object,
)

Ask = Callable[..., dict[str, Any]]
XLSX = "openxmlformats-officedocument.spreadsheetml"


def test_a_requested_report_is_created(api: ApiClient, ask: Ask, running: Running) -> None:
    into_lake(*(opportunity("won") for _ in range(3)), opportunity("lost"), opportunity("open"))
    run = ask()
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    done = seen(api, run)
    assert (done["status"], done["progress"], done["attempts"]) == ("completed", 100, 1)
    assert running.published(run["id"]) == ["ReportRequested", "ReportStarted", "ReportCompleted"]
    outcome = done["outcome"]
    assert outcome["totals"] == [{"won": 3, "lost": 1, "closed": 4, "win_rate": "0.7500"}]
    assert outcome["position"]["events"] == 5
    assert outcome["position"]["last_time"] == "2026-02-03T10:00:00Z"
    assert stored(run) == [outcome["file_name"]] == ["win-rate.json"]
    file = content(run)
    assert hashlib.sha256(file).hexdigest() == outcome["sha256"]
    assert len(file) == outcome["size_bytes"]
    assert json.loads(file)["totals"][0]["won"] == 3
    assert running.machine.entered(run["id"])[-2:] == ["Complete", "Ended"]
    assert left(running.queue) == 0


@pytest.mark.parametrize(
    ("format_", "media_type", "encoding", "begins"),
    [
        ("csv", "text/csv; charset=utf-8", "gzip", b"\xef\xbb\xbf"),
        ("xlsx", f"application/vnd.{XLSX}.sheet", None, b"PK"),
        ("pdf", "application/pdf", None, b"%PDF-"),
        ("json", "application/json", "gzip", b"{"),
    ],
)
def test_every_format_is_stored_compressed_with_its_media_type(
    api: ApiClient,
    ask: Ask,
    running: Running,
    format_: str,
    media_type: str,
    encoding: str | None,
    begins: bytes,
) -> None:
    into_lake(
        opportunity("won"), opportunity("lost", amount=None), opportunity("won", region="=cmd()")
    )
    run = ask(report="sales_performance", by="region", format=format_, **{"from": "2026-01-01"})
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    (name,) = stored(run)
    assert name == f"sales-performance-by-region-from-2026-01-01.{format_}"
    file, outcome = content(run), seen(api, run)["outcome"]
    assert file.startswith(begins)
    assert (outcome["size_bytes"], outcome["sha256"]) == (
        len(file),
        hashlib.sha256(file).hexdigest(),
    )
    found = stored_object(run)
    assert (found["ContentType"], found.get("ContentEncoding")) == (media_type, encoding)
    # The file is compressed already: another compression saves nothing worth the time. A PDF has
    # the structure that screen readers need outside of its compressed streams.
    share = 0.5 if format_ == "pdf" else 0.8
    assert len(zlib.compress(found["Body"].read(), 6)) > share * found["ContentLength"]
    assert sum(len(k) + len(v) for k, v in found["Metadata"].items()) < 2048


def test_the_outcome_of_many_currencies_fits_into_the_files_metadata(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    currencies = ("USD", "EUR", "GBP", "JPY", "CHF", "SEK", "NOK")
    most = {"minor_units": 2**53 - 1}
    into_lake(*(opportunity("won", amount={**most, "currency": c}) for c in currencies))
    run = ask(report="sales_performance", format="csv")
    outcome = running.job().run(a_task(run), JobControl())
    assert (len(outcome["totals"]), outcome["more_totals"]) == (5, 2)
    assert outcome["totals"][0] == {
        "currency": "CHF",
        "won": 1,
        "revenue": 2**53 - 1,
        "average_deal": 2**53 - 1,
        "lost": 0,
        "open": 0,
        "open_amount": 0,
    }
    assert sum(len(k) + len(v) for k, v in stored_object(run)["Metadata"].items()) < 2048


def test_a_file_that_is_stored_twice_has_the_same_bytes(
    ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    into_lake(opportunity("won"), opportunity("lost"))
    bodies = []
    for now in (1_000_000_000.0, 2_000_000_000.0):
        monkeypatch.setattr("time.time", lambda now=now: now)
        run = ask(format="csv")
        running.job().run(a_task(run), JobControl())
        bodies.append(stored_object(run)["Body"].read())
    assert bodies[0] == bodies[1]


def test_a_report_without_opportunities_is_created(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    made = [ask(by=by, format=f) for by, f in (("none", "json"), ("owner", "pdf"))]
    running.relay()
    with running.worker():
        for run in made:
            assert running.machine.end(run["id"]) == "SUCCEEDED"
    for run in made:
        done = seen(api, run)
        assert done["status"] == "completed"
        assert done["outcome"]["rows"] == 0
        assert done["outcome"]["totals"] == [{"won": 0, "lost": 0, "closed": 0}]
        assert done["outcome"]["position"] == {"events": 0}
        assert len(content(run)) == done["outcome"]["size_bytes"]


def test_a_report_covers_its_own_tenant_only(api: ApiClient, ask: Ask, running: Running) -> None:
    into_lake(opportunity("won"), *(opportunity("won", tenant="globex") for _ in range(5)))
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


def test_progress_is_shown_while_a_report_is_created(
    api: ApiClient, ask: Ask, running: Running, slow: threading.Event
) -> None:
    run = ask()
    running.relay()
    with running.worker():
        until(lambda: seen(api, run).get("progress_text") == "Adding up slowly")
        making = seen(api, run)
        slow.set()
        running.machine.end(run["id"])
    assert making["status"] == "processing"
    assert 0 < making["progress"] < 100


def test_a_run_cancelled_while_it_is_processing_stops_and_leaves_no_file(
    api: ApiClient, ask: Ask, running: Running, slow: threading.Event
) -> None:
    run = ask()
    running.relay()
    with running.worker():
        until(lambda: seen(api, run)["status"] == "processing")
        assert api("POST", f"/reports/{run['id']}/cancel").status == 200
        assert running.machine.end(run["id"], 10) == "SUCCEEDED", "cancelling is not a failure"
        until(lambda: left(running.queue) == 0)
    assert running.published(run["id"]) == ["ReportRequested", "ReportStarted", "ReportCancelled"]
    assert stored(run) == []


def test_a_run_cancelled_while_it_waits_ends_when_a_worker_receives_it(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    run = ask()
    running.queue_task()
    api("POST", f"/reports/{run['id']}/cancel")
    with running.worker():
        assert running.machine.end(run["id"], 10) == "SUCCEEDED"
    assert running.published(run["id"]) == ["ReportRequested", "ReportCancelled"]
    assert seen(api, run)["attempts"] == 0
    assert stored(run) == [], "no worker created a file"
    assert running.machine.entered(run["id"])[-2:] == ["Queue", "Ended"]


def test_a_run_cancelled_while_it_waits_ends_without_any_worker(
    api: ApiClient, ask: Ask, impatient: Running
) -> None:
    run = ask()
    impatient.queue_task()
    api("POST", f"/reports/{run['id']}/cancel")
    assert impatient.machine.end(run["id"], 10) == "SUCCEEDED"
    assert impatient.machine.entered(run["id"])[-3:] == ["Recover", "NeedsRetry", "Ended"]
