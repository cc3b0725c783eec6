"""Imports through their API handler against DynamoDB and S3 (moto)."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from imports.bootstrap import runs
from imports.events import ImportResult
from kernel.domain.ids import new_id
from tests.component.conftest import ApiClient, published
from tests.component.imports.running import TABLE
from tests.component.test_budgets import HEAVY, ROOT, Meter

Ask = Callable[..., dict[str, Any]]
Upload = Callable[..., str]
RECORDS = [{"name": "Acme"}]
MAX_BYTES = 536_870_912


def completed(run: dict[str, Any], **counts: int) -> None:
    runs().start("acme", run["id"])
    runs().complete("acme", run["id"], ImportResult(**counts))


def test_an_upload_is_a_link_for_an_hour_and_for_one_size(api: ApiClient, cloud: Any) -> None:
    answer = api("POST", "/v1/imports/uploads", {"size_bytes": 1234})
    assert answer.status == 201, answer.text
    begun = answer.json
    assert (begun["method"], begun["headers"]) == ("PUT", {"Content-Length": "1234"})
    url = urlsplit(begun["url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.path.endswith(f"imports/acme/{begun['upload_id']}/records.jsonl")
    assert (query["X-Amz-Expires"], query["X-Amz-Algorithm"]) == ("3600", "AWS4-HMAC-SHA256")
    assert "content-length" in query["X-Amz-SignedHeaders"].split(";"), "S3 takes no other size"
    assert begun["expires_at"] > api("GET", "/v1/imports").headers.get("date", "2026")
    assert published(cloud, TABLE) == [], "an upload is no record"


def test_a_link_is_stored_nowhere_and_a_repeated_request_gets_another(
    api: ApiClient, cloud: Any
) -> None:
    key = {"idempotency-key": "k1"}
    first, second = (api("POST", "/v1/imports/uploads", {"size_bytes": 5}, key) for _ in range(2))
    assert first.json["upload_id"] != second.json["upload_id"]
    assert cloud.scan(TableName=TABLE)["Items"] == []


@pytest.mark.parametrize(
    ("size", "status"),
    [(1, 201), (MAX_BYTES, 201), (MAX_BYTES + 1, 422), (0, 422), ("many", 422), (None, 422)],
)
def test_an_upload_has_at_most_512_mb(api: ApiClient, size: Any, status: int) -> None:
    answer = api("POST", "/v1/imports/uploads", {"size_bytes": size})
    assert answer.status == status
    if status == 422:
        assert answer.json["errors"][0]["field"] == "size_bytes"


def test_a_requested_import_is_accepted_stored_and_published(
    api: ApiClient, upload: Upload, cloud: Any
) -> None:
    upload_id = upload(b'{"name":"Acme"}\n')
    answer = api(
        "POST",
        "/v1/imports",
        {"upload_id": upload_id, "record_type": "contacts", "match_by": "email", "dry_run": True},
    )
    assert answer.status == 202, answer.text
    run = answer.json
    assert answer.location == f"/v1/imports/{run['id']}"
    assert (run["status"], run["owner_id"], run["attempts"]) == ("pending", "ann", 0)
    assert run["parameters"] == {
        "upload_id": upload_id,
        "record_type": "contacts",
        "match_by": "email",
        "dry_run": True,
    }
    (event,) = published(cloud, TABLE)
    assert (event["type"], event["subject"]) == ("ImportRequested", f"import/{run['id']}")
    assert event["data"]["current"] == run
    assert not {"tenant_id", "correlation_id", "sequence", "requester"} & run.keys()


def test_the_rights_of_the_requester_are_stored_with_the_run(
    api: ApiClient, ask: Ask, cloud: Any
) -> None:
    from imports.bootstrap import repository

    rosa = api.as_(
        user="rosa",
        roles="sales-representative,read-only",
        name="Rosa",
        team="south",
        plan="premium",
        country="AT",
        time_zone="Europe/Vienna",
    )
    run = ask(RECORDS, by=rosa)
    kept = repository().runs.get("acme", run["id"]).requester
    assert kept.model_dump() == {
        "roles": ["read-only", "sales-representative"],
        "team_id": "south",
        "name": "Rosa",
        "plan": "premium",
        "country": "AT",
        "time_zone": "Europe/Vienna",
    }
    assert "Rosa" not in json.dumps(published(cloud, TABLE))


def test_two_requests_with_one_key_create_one_run(
    api: ApiClient, upload: Upload, cloud: Any
) -> None:
    body = {"upload_id": upload(b"{}"), "record_type": "accounts"}
    key = {"idempotency-key": "k-1"}
    first = api("POST", "/v1/imports", body, key)
    again = api("POST", "/v1/imports", body, key)
    assert (again.status, again.text) == (202, first.text)
    assert len(published(cloud, TABLE)) == 1


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"record_type": "leads"}, "record_type", "accounts, contacts, products, opportunities"),
        ({"record_type": None}, "record_type", "must be one of"),
        ({"match_by": "name", "record_type": "contacts"}, "match_by", "must be one of: email"),
        ({"match_by": "email"}, "match_by", "must be left out: it is not for accounts"),
        ({"upload_id": "../x"}, "upload_id", "must be the id of a record"),
        ({"dry_run": "perhaps"}, "dry_run", "must be true or false"),
        ({"upload_id": new_id()}, "upload_id", "has no file"),
        ({"colour": "red"}, "colour", "is not a field"),
    ],
)
def test_a_wrong_request_names_the_field(
    api: ApiClient, upload: Upload, cloud: Any, wrong: dict[str, Any], field: str, message: str
) -> None:
    body = {"upload_id": upload(b"{}"), "record_type": "accounts", **wrong}
    answer = api("POST", "/v1/imports", body)
    assert (answer.status, answer.json["type"]) == (422, "urn:zebros:problem:invalid-request")
    (error,) = answer.json["errors"]
    assert error["field"] == field
    assert message in error["message"]
    assert published(cloud, TABLE) == []


def test_an_empty_file_is_not_imported(api: ApiClient, bucket: Any) -> None:
    upload_id = new_id()
    bucket.put_object(Bucket="files", Key=f"imports/acme/{upload_id}/records.jsonl", Body=b"")
    answer = api("POST", "/v1/imports", {"upload_id": upload_id, "record_type": "accounts"})
    assert answer.json["errors"][0] == {
        "field": "upload_id",
        "message": "has an empty file: upload one with records",
    }


def test_the_upload_of_another_tenant_is_not_there(api: ApiClient, upload: Upload) -> None:
    upload_id = upload(b"{}")
    other = api.as_(tenant="globex")
    answer = other("POST", "/v1/imports", {"upload_id": upload_id, "record_type": "accounts"})
    assert (answer.status, answer.json["errors"][0]["field"]) == (422, "upload_id")


def test_a_run_shows_its_progress_and_then_its_numbers(api: ApiClient, ask: Ask) -> None:
    run = ask(RECORDS)
    path = f"/v1/imports/{run['id']}"
    waiting = api("GET", path).json
    assert (waiting["status"], waiting["progress"], waiting["queue_position"]) == ("pending", 0, 1)
    assert waiting["progress_text"] == "Waiting for a worker"
    runs().start("acme", run["id"])
    assert api("GET", path).json["progress_text"] == "Starting"
    runs().record_progress("acme", run["id"], 0.42, "420 of 1,000 lines")
    making = api("GET", path)
    assert (making.json["progress"], making.json["progress_text"]) == (42, "420 of 1,000 lines")
    assert "progress_at" in making.json
    etag = making.headers["etag"]
    assert etag.startswith("W/"), "progress changes without a new version"
    assert api("GET", path, headers={"if-none-match": etag}).status == 304
    runs().complete("acme", run["id"], ImportResult(lines=3, created=1, updated=1, unchanged=1))
    done = api("GET", path).json
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert done["outcome"] == {
        "lines": 3,
        "created": 1,
        "updated": 1,
        "unchanged": 1,
        "rejected": 0,
    }
    assert not {"progress_text", "rejected_url", "rejected_expires_at"} & done.keys()


def test_rejected_lines_have_a_link_for_fifteen_minutes(api: ApiClient, ask: Ask) -> None:
    run = ask(RECORDS)
    completed(run, lines=1, rejected=1, rejected_bytes=120)
    done = api("GET", f"/v1/imports/{run['id']}").json
    url = urlsplit(done["rejected_url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert url.path.endswith(f"imports/acme/{run['id']}/rejected.jsonl")
    assert query["X-Amz-Expires"] == "900"
    assert query["response-content-disposition"] == 'attachment; filename="rejected.jsonl"'
    assert done["rejected_expires_at"] > done["ended_at"]


def test_a_failed_run_shows_the_reason(api: ApiClient, ask: Ask) -> None:
    run = ask(RECORDS)
    runs().start("acme", run["id"])
    runs().fail("acme", run["id"], "UnreadableFile", "it is damaged: gzip cannot decompress it")
    seen = api("GET", f"/v1/imports/{run['id']}").json
    assert (seen["status"], seen["failure"]) == ("failed", "unreadable_file")
    assert seen["reason"] == (
        "The file of this import cannot be read: it is damaged: gzip cannot decompress it."
    )
    assert not {"rejected_url", "progress"} & seen.keys()


def test_a_list_shows_the_callers_own_runs_and_managers_may_see_all(
    api: ApiClient, ask: Ask
) -> None:
    rep = api.as_(user="rosa", roles="sales-representative")
    manager = api.as_(user="max", roles="sales-manager")
    made = [ask(RECORDS, by=rep)["id"] for _ in range(3)]
    other = ask(RECORDS, by=manager)["id"]
    assert [r["id"] for r in rep("GET", "/v1/imports").json["items"]] == made[::-1]
    assert [r["id"] for r in manager("GET", "/v1/imports").json["items"]] == [other]
    everyone = manager("GET", "/v1/imports?all=true&limit=3").json
    rest = manager("GET", f"/v1/imports?all=true&limit=3&cursor={everyone['next_cursor']}").json
    assert [r["id"] for r in everyone["items"] + rest["items"]] == [other, *made[::-1]]
    assert rep("GET", "/v1/imports?all=true").status == 403
    assert manager("GET", "/v1/imports?owner_id=rosa").json["errors"][0]["field"] == "owner_id"


def test_cancelling_ends_a_run_once(api: ApiClient, ask: Ask, cloud: Any) -> None:
    run = ask(RECORDS)
    path = f"/v1/imports/{run['id']}"
    cancelled = api("POST", f"{path}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")
    assert cancelled.json["cancelled_by"] == "ann"
    again = api("POST", f"{path}/cancel")
    assert (again.status, again.json["type"]) == (422, "urn:zebros:problem:import-ended")
    assert [f["type"] for f in published(cloud, TABLE)] == ["ImportRequested", "ImportCancelled"]
    runs().complete("acme", run["id"], ImportResult(lines=1))
    assert api("GET", path).json["status"] == "cancelled", "a late result changes nothing"


@pytest.mark.parametrize(
    ("role", "asks", "sees", "sees_all", "cancels_others"),
    [
        ("administrator", 202, 200, 200, 200),
        ("sales-manager", 202, 200, 200, 200),
        ("sales-representative", 202, 200, 403, 403),
        ("read-only", 403, 403, 403, 403),
        ("support-agent", 403, 403, 403, 403),
        ("", 403, 403, 403, 403),
    ],
)
def test_each_role_has_its_rights_on_imports(
    api: ApiClient,
    ask: Ask,
    upload: Upload,
    role: str,
    asks: int,
    sees: int,
    sees_all: int,
    cancels_others: int,
) -> None:
    run, upload_id = ask(RECORDS), upload(b"{}")
    caller = api.as_(user="someone", roles=role)
    body = {"upload_id": upload_id, "record_type": "accounts"}
    begun = caller("POST", "/v1/imports/uploads", {"size_bytes": 1}).status
    assert begun == (201 if asks == 202 else asks)
    assert caller("POST", "/v1/imports", body).status == asks
    assert caller("GET", f"/v1/imports/{run['id']}").status == sees
    assert caller("GET", "/v1/imports").status == sees
    assert caller("GET", "/v1/imports?all=true").status == sees_all
    assert caller("POST", f"/v1/imports/{run['id']}/cancel").status == cancels_others


def test_ones_own_run_may_be_cancelled_with_the_right_to_read(api: ApiClient, ask: Ask) -> None:
    rosa = api.as_(user="rosa", roles="sales-representative")
    run = ask(RECORDS, by=rosa)
    assert rosa("POST", f"/v1/imports/{run['id']}/cancel").status == 200


def test_another_tenant_sees_and_stops_nothing(api: ApiClient, ask: Ask, cloud: Any) -> None:
    run = ask(RECORDS)
    other = api.as_(tenant="globex")
    assert other("GET", f"/v1/imports/{run['id']}").status == 404
    assert other("POST", f"/v1/imports/{run['id']}/cancel").status == 404
    assert other("GET", "/v1/imports?all=true").json["items"] == []
    assert api("GET", f"/v1/imports/{run['id']}").json["status"] == "pending"
    assert len(published(cloud, TABLE)) == 1
    for unknown in ("uploads", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "x", "a" * 200):
        assert api("GET", f"/v1/imports/{unknown}").status == 404


def test_each_request_is_one_call_to_the_table(
    api: ApiClient, upload: Upload, ask: Ask, cloud: Any
) -> None:
    run, upload_id = ask(RECORDS), upload(b"{}")
    meter = Meter()
    api("POST", "/v1/imports/uploads", {"size_bytes": 1})
    assert meter.taken() == {}
    api("POST", "/v1/imports", {"upload_id": upload_id, "record_type": "accounts"})
    assert meter.taken() == {"TransactWriteItems": 1}
    api("GET", f"/v1/imports/{run['id']}")
    assert meter.taken() == {"Query": 2}, "the run and its progress together, and its place"
    api("GET", "/v1/imports")
    assert meter.taken() == {"Query": 1}


@pytest.mark.parametrize("module", ["handlers.api", "consumers.workflow", "handlers.steps"])
def test_functions_do_not_load_what_only_workers_need(module: str) -> None:
    worker = ("imports.jobs", "imports.adapters.collections", "imports.adapters.run_files")
    heavy = (*HEAVY, *worker, "kernel.tasks.worker")
    loaded = f"[m for m in {heavy!r} if m in sys.modules]"
    program = f"import sys, imports.{module}; print({loaded})"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(ROOT / "services")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"
