"""Reports through their API handler against DynamoDB and S3 (moto)."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reporting.bootstrap import runs
from reporting.events import ReportResult, StreamPosition
from tests.component.conftest import ApiClient, published
from tests.component.test_budgets import HEAVY, ROOT, Meter

Ask = Callable[..., dict[str, Any]]
OUTCOME = ReportResult(
    file_name="win-rate.json",
    media_type="application/json",
    size_bytes=10,
    sha256="a" * 64,
    rows=1,
    totals=[{"won": 3, "win_rate": "0.7500"}],
    position=StreamPosition(events=7),
)


def test_a_report_request_is_accepted_stored_and_published(api: ApiClient, cloud: Any) -> None:
    answer = api(
        "POST",
        "/reports",
        {"report": "win_rate", "by": "region", "from": "2026-01-01", "to": "2026-03-31"},
    )
    assert answer.status == 202, answer.text
    run = answer.json
    assert answer.location == f"/reports/{run['id']}"
    assert (run["status"], run["parameters"]["format"], run["owner_id"]) == (
        "pending",
        "pdf",
        "ann",
    )
    (event,) = published(cloud)
    assert (event["type"], event["subject"]) == ("ReportRequested", f"report/{run['id']}")
    assert event["data"]["current"] == run
    assert run["parameters"] == {
        "report": "win_rate",
        "by": "region",
        "from": "2026-01-01",
        "to": "2026-03-31",
        "format": "pdf",
        "time_zone": "Etc/UTC",
    }
    assert not {"tenant_id", "correlation_id", "sequence"} & run.keys()


def test_two_requests_with_one_key_create_one_run(api: ApiClient, cloud: Any) -> None:
    key = {"idempotency-key": "k-1"}
    first = api("POST", "/reports", {"report": "win_rate"}, key)
    again = api("POST", "/reports", {"report": "win_rate"}, key)
    assert (again.status, again.text) == (202, first.text)
    assert again.headers["location"] == first.headers["location"]
    assert len(published(cloud)) == 1
    other = api("POST", "/reports", {"report": "sales_performance"}, key)
    assert other.json["type"] == "urn:zebros:problem:idempotency-key-reused"


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"report": "horoscope"}, "report", "allowed are pipeline_by_stage, win_rate"),
        ({}, "report", "required"),
        ({"by": "moon"}, "by", "allowed are none, stage, owner"),
        ({"by": "stage"}, "by", "win_rate cannot be grouped by stage; allowed are none, owner"),
        ({"format": "docx"}, "format", "allowed are csv, xlsx, pdf or json"),
        ({"from": "2026-03-01", "to": "2026-02-01"}, "to", "ends (2026-02-01) before it begins"),
        ({"from": "last year"}, "from", "YYYY-MM-DD"),
        ({"from": 2026}, "from", "YYYY-MM-DD"),
        ({"from": "2026-01-01T00:00:00Z"}, "from", "YYYY-MM-DD"),
        ({"to": "2026-02-30"}, "to", "YYYY-MM-DD"),
        ({"currency": "EUROS"}, "currency", "ISO 4217"),
        ({"colour": "red"}, "colour", "is not a field"),
        ({"from_": "2026-01-01"}, "from_", "is not a field"),
        ({"tenant_id": "globex"}, "tenant_id", "is not a field"),
        ({"by": ["owner"]}, "by", "allowed are"),
    ],
)
def test_invalid_parameters_name_the_field_and_the_accepted_values(
    api: ApiClient, cloud: Any, wrong: dict[str, Any], field: str, message: str
) -> None:
    body = {"report": "win_rate", **wrong} if wrong else {}
    answer = api("POST", "/reports", body)
    assert (answer.status, answer.json["type"]) == (422, "urn:zebros:problem:invalid-request")
    (error,) = answer.json["errors"]
    assert error["field"] == field
    assert message in error["message"]
    assert published(cloud) == []


@pytest.mark.parametrize(("body", "status"), [("{", 400), ("[]", 422), ('"x"', 422)])
def test_a_body_that_is_not_a_report_request_is_rejected(
    api: ApiClient, body: str, status: int
) -> None:
    assert api("POST", "/reports", body).status == status


def test_a_run_shows_its_progress_and_then_its_file(api: ApiClient, ask: Ask, buckets: Any) -> None:
    run = ask(**{"from": "2026-01-01"})
    path = f"/reports/{run['id']}"
    waiting = api("GET", path).json
    assert (waiting["status"], waiting["progress"]) == ("pending", 0)
    assert waiting["parameters"]["from"] == "2026-01-01"
    assert waiting["progress_text"] == "Waiting for a worker"
    runs().start("acme", run["id"])
    assert api("GET", path).json["progress_text"] == "Starting"
    runs().record_progress("acme", run["id"], 0.42, "Reading 7 files")
    making = api("GET", path)
    assert (making.json["progress"], making.json["progress_text"]) == (42, "Reading 7 files")
    assert "progress_at" in making.json
    etag = making.headers["etag"]
    assert etag.startswith("W/"), "progress changes without a new version"
    assert api("GET", path, headers={"if-none-match": etag}).status == 304
    runs().record_progress("acme", run["id"], 1.0, "Stored")
    assert api("GET", path).json["progress"] == 99, "the file does not exist yet"
    runs().complete("acme", run["id"], OUTCOME)
    done = api("GET", path).json
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert done["outcome"]["totals"] == [{"won": 3, "win_rate": "0.7500"}]
    assert "progress_text" not in done


def test_the_link_names_the_file_and_expires_after_fifteen_minutes(
    api: ApiClient, ask: Ask
) -> None:
    run = ask()
    runs().start("acme", run["id"])
    runs().complete("acme", run["id"], OUTCOME)
    done = api("GET", f"/reports/{run['id']}").json
    url = urlsplit(done["download_url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.path.endswith(f"reports/acme/{run['id']}/win-rate.json")
    assert query["X-Amz-Expires"] == "900"
    assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert query["response-content-disposition"] == 'attachment; filename="win-rate.json"'
    assert query["response-content-type"] == "application/json"
    assert done["download_expires_at"] > done["ended_at"]


def test_a_failed_run_shows_the_reason(api: ApiClient, ask: Ask) -> None:
    run = ask()
    runs().start("acme", run["id"])
    runs().fail("acme", run["id"], "OutOfMemory", "Traceback (most recent call last)")
    seen = api("GET", f"/reports/{run['id']}").json
    assert (seen["status"], seen["failure"]) == ("failed", "out_of_memory")
    assert "more memory" in seen["reason"]
    assert "Traceback" not in str(seen)
    assert not {"download_url", "progress"} & seen.keys()


def test_a_list_shows_the_callers_own_runs_and_managers_may_see_all(api: ApiClient) -> None:
    rep = api.as_(user="rosa", roles="sales-representative")
    manager = api.as_(user="max", roles="sales-manager")
    made = [caller("POST", "/reports", {"report": "win_rate"}).json["id"] for caller in 3 * [rep]]
    other = manager("POST", "/reports", {"report": "win_rate"}).json["id"]
    assert [r["id"] for r in rep("GET", "/reports").json["items"]] == made[::-1]
    assert [r["id"] for r in manager("GET", "/reports").json["items"]] == [other]
    everyone = manager("GET", "/reports?all=true&limit=3").json
    rest = manager("GET", f"/reports?all=true&limit=3&cursor={everyone['next_cursor']}").json
    assert [r["id"] for r in everyone["items"] + rest["items"]] == [other, *made[::-1]]
    assert rep("GET", "/reports?all=true").status == 403
    foreign = manager("GET", f"/reports?cursor={everyone['next_cursor']}")
    assert foreign.json["errors"][0]["field"] == "cursor"
    assert manager("GET", "/reports?all=perhaps").json["errors"][0]["field"] == "all"
    assert manager("GET", "/reports?owner_id=rosa").json["errors"][0]["field"] == "owner_id"


def test_cancelling_ends_a_run_once(api: ApiClient, ask: Ask, cloud: Any) -> None:
    run = ask()
    path = f"/reports/{run['id']}"
    cancelled = api("POST", f"{path}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert cancelled.json["cancelled_by"] == "ann"
    again = api("POST", f"{path}/cancel")
    assert (again.status, again.json["type"]) == (422, "urn:zebros:problem:report-ended")
    assert "cancelled" in again.json["detail"]
    assert [f["type"] for f in published(cloud)] == ["ReportRequested", "ReportCancelled"]
    runs().complete("acme", run["id"], OUTCOME)
    assert api("GET", path).json["status"] == "cancelled", "a late result changes nothing"


def test_cancelling_a_finished_run_is_a_problem(api: ApiClient, ask: Ask) -> None:
    run = ask()
    runs().start("acme", run["id"])
    runs().complete("acme", run["id"], OUTCOME)
    answer = api("POST", f"/reports/{run['id']}/cancel")
    assert (answer.status, answer.json["type"]) == (422, "urn:zebros:problem:report-ended")


def test_a_run_is_cancelled_despite_a_concurrent_change_by_its_worker(
    api: ApiClient, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask()
    from reporting.bootstrap import repository

    read, calls = repository().runs.get, []

    def raced(tenant_id: str, run_id: str) -> Any:
        found = read(tenant_id, run_id)
        if not calls:
            calls.append(run_id)
            runs().start(tenant_id, run_id)
        return found

    monkeypatch.setattr(repository().runs, "get", raced)
    answer = api("POST", f"/reports/{run['id']}/cancel", None, {"idempotency-key": "once"})
    assert (answer.status, answer.json["status"]) == (200, "cancelled"), answer.text
    assert answer.json["attempts"] == 1


@pytest.mark.parametrize(
    ("role", "asks", "sees", "cancels_others"),
    [
        ("administrator", 202, 200, 200),
        ("sales-manager", 202, 200, 200),
        ("sales-representative", 202, 200, 403),
        ("read-only", 202, 200, 403),
        ("support-agent", 403, 403, 403),
        ("", 403, 403, 403),
    ],
)
def test_each_role_has_its_rights_on_reports(
    api: ApiClient, ask: Ask, role: str, asks: int, sees: int, cancels_others: int
) -> None:
    run = ask()
    caller = api.as_(user="someone", roles=role)
    assert caller("POST", "/reports", {"report": "win_rate"}).status == asks
    assert caller("GET", f"/reports/{run['id']}").status == sees
    assert caller("GET", "/reports").status == sees
    assert caller("POST", f"/reports/{run['id']}/cancel").status == cancels_others


def test_ones_own_run_may_be_cancelled_with_the_right_to_read(api: ApiClient) -> None:
    reader = api.as_(user="rita", roles="read-only")
    run = reader("POST", "/reports", {"report": "win_rate"}).json
    assert reader("POST", f"/reports/{run['id']}/cancel").status == 200


def test_another_tenant_sees_and_stops_nothing(api: ApiClient, ask: Ask, cloud: Any) -> None:
    run = ask()
    other = api.as_(tenant="globex")
    assert other("GET", f"/reports/{run['id']}").status == 404
    assert other("POST", f"/reports/{run['id']}/cancel").status == 404
    assert other("GET", "/reports?all=true").json["items"] == []
    assert api("GET", f"/reports/{run['id']}").json["status"] == "pending"
    assert len(published(cloud)) == 1
    for unknown in ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", "%23", "a" * 200):
        assert api("GET", f"/reports/{unknown}").status == 404


def test_each_request_is_one_call_to_the_table(api: ApiClient, ask: Ask) -> None:
    run = ask()
    runs().record_progress("acme", run["id"], 0.5, "Half")
    meter = Meter()
    ask()
    assert meter.taken() == {"TransactWriteItems": 1}
    api("GET", f"/reports/{run['id']}")
    assert meter.taken() == {"Query": 2}, "the run and its progress together, and its place"
    runs().start("acme", run["id"])
    meter.taken()
    api("GET", f"/reports/{run['id']}")
    assert meter.taken() == {"Query": 1}, "only a run that waits has a place"
    api("GET", "/reports")
    assert meter.taken() == {"Query": 1}
    runs().record_progress("acme", run["id"], 0.6, "More")
    assert meter.taken() == {"PutItem": 1}


@pytest.mark.parametrize(
    "module", ["handlers.api", "consumers.workflow", "handlers.steps", "consumers.lake"]
)
def test_functions_do_not_load_what_only_workers_need(module: str) -> None:
    """Only the worker computes and renders; functions must start fast."""
    heavy = (*HEAVY, "reporting.jobs", "reporting.query", "reporting.render", "kernel.tasks.worker")
    loaded = f"[m for m in {heavy!r} if m in sys.modules]"
    program = f"import sys, reporting.{module}; print({loaded})"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "services")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


def test_a_report_of_a_withdrawn_currency_can_be_requested(api: ApiClient) -> None:
    asked = api("POST", "/reports", {"report": "win_rate", "currency": "HRK"})
    assert (asked.status, asked.json["parameters"]["currency"]) == (202, "HRK")
