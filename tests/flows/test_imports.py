"""Imports on the deployed system: upload, state machine, worker, the APIs that own the records."""

import gzip
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ulid import ULID

from tests.flows.conftest import Crm, Zebros
from tests.flows.figures import record_figure
from tests.flows.imports import finished, requested, run_of

TENANT = "globex"


def accounts(count: int, system: str) -> bytes:
    """Lines with accounts that this test alone has."""
    lines = (
        json.dumps({"name": f"{system} {number}", "external_ids": {system: f"{number}"}})
        for number in range(count)
    )
    return ("\n".join(lines) + "\n").encode()


@pytest.fixture
def system() -> str:
    """A system of external ids that no other test uses."""
    return f"s{str(ULID()).lower()}"


def found(crm: Crm, system: str, number: int, **who: str) -> list[dict[str, Any]]:
    """The accounts with the external id of a line."""
    page = crm("GET", f"/accounts?external_id={system}:{number}", **who)
    return list(page.json()["items"])


def events_of(crm: Crm, run: dict[str, Any], tenant: str) -> Iterator[dict[str, Any]]:
    """Every event in the lake that an import's requests have caused."""
    s3 = crm.client("s3")
    pages = s3.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=crm.state["lake_bucket"], Prefix=f"tenant={tenant}/"):
        for item in page.get("Contents", []):
            body = s3.get_object(Bucket=crm.state["lake_bucket"], Key=item["Key"])["Body"].read()
            for line in gzip.decompress(body).splitlines():
                event = json.loads(line)
                if event["time"] >= run["created_at"]:
                    yield event


def test_the_command_imports_a_file_and_saves_its_rejected_lines(
    zebros: Zebros, crm: Crm, tmp_path: Path, system: str
) -> None:
    file = tmp_path / "accounts.jsonl.gz"
    lines = accounts(500, system).splitlines()
    lines[41] = b'{"name": "", "external_ids": {"%s": "41"}}' % system.encode()
    lines[42] = b'{"name": "cut'
    file.write_bytes(gzip.compress(b"\n".join(lines)))
    words = ("--tenant", TENANT, "import", "accounts", file)
    dry = zebros("--json", *words, "--dry-run", check=False)
    assert dry.returncode == 3, dry.stderr
    counts = {"lines": 500, "created": 498, "updated": 0, "unchanged": 0, "rejected": 2}
    outcome = json.loads(dry.stdout)["outcome"]
    assert {name: outcome[name] for name in counts} == counts
    assert found(crm, system, 0, tenant=TENANT) == [], "nothing was changed"
    done = zebros("--json", *words, check=False)
    assert done.returncode == 3, done.stderr
    run = json.loads(done.stdout)
    assert {name: run["outcome"][name] for name in counts} == counts
    rejected = [json.loads(line) for line in Path(run["rejected_file"]).read_text().splitlines()]
    assert [one["line"] for one in rejected] == [42, 43]
    assert rejected[0]["problem"]["errors"][0]["field"] == "name"
    assert rejected[0]["record"]["external_ids"] == {system: "41"}
    assert "not a JSON object" in rejected[1]["problem"]["detail"]
    (account,) = found(crm, system, 499, tenant=TENANT)
    assert account["name"] == f"{system} 499"
    again = zebros("--json", *words, check=False)
    unchanged = counts | {"created": 0, "unchanged": 498}
    outcome = json.loads(again.stdout)["outcome"]
    assert {name: outcome[name] for name in counts} == unchanged


def test_a_worker_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    crm: Crm, system: str
) -> None:
    run = requested(crm, accounts(1_500, system), "accounts", tenant=TENANT)
    middle = 0

    def in_the_middle() -> bool:
        nonlocal middle
        middle = run_of(crm, run["id"], tenant=TENANT).get("progress") or 0
        return 10 <= middle < 90

    crm.until(in_the_middle, 60)
    state = json.loads((crm.zebros.home / "state.json").read_text())
    os.kill(state["pids"]["worker"], signal.SIGKILL)
    done = finished(crm, run["id"], tenant=TENANT)
    assert done["status"] == "completed", done
    assert done["attempts"] == 2
    counts = {"lines": 1_500, "created": 1_500, "updated": 0, "unchanged": 0, "rejected": 0}
    assert {name: done["outcome"][name] for name in counts} == counts
    crm.settle()
    crm.until(lambda: len(created(crm, done, system)) == 1_500, 60)
    events = created(crm, done, system)
    names = [event["data"]["current"]["name"] for event in events]
    assert sorted(names) == sorted(f"{system} {number}" for number in range(1_500))
    assert {event["origin"] for event in events} == {"import"}
    record_figure(f"import of 1,500 accounts, its worker killed at {middle} %: nothing lost")


def created(crm: Crm, run: dict[str, Any], system: str) -> list[dict[str, Any]]:
    """The events of the accounts that a run has created."""
    return [
        event
        for event in events_of(crm, run, TENANT)
        if event["type"] == "AccountCreated"
        and system in event["data"]["current"].get("external_ids", {})
    ]


def test_a_cancelled_import_stops_within_seconds(crm: Crm, system: str) -> None:
    run = requested(crm, accounts(3_000, system), "accounts", tenant=TENANT)
    crm.until(lambda: (run_of(crm, run["id"], tenant=TENANT).get("progress") or 0) >= 5, 60)
    assert crm("POST", f"/imports/{run['id']}/cancel", tenant=TENANT).status_code == 200
    ended = run_of(crm, run["id"], tenant=TENANT)
    assert ended["status"] == "cancelled"
    again = crm("POST", f"/imports/{run['id']}/cancel", tenant=TENANT)
    assert (again.status_code, again.json()["type"]) == (422, "urn:zebros:problem:import-ended")
    # The only worker is free again, so another import begins.
    other = requested(crm, accounts(10, f"{system}x"), "accounts", tenant=TENANT)
    assert finished(crm, other["id"], 60, tenant=TENANT)["status"] == "completed"
    assert found(crm, system, 0, tenant=TENANT), "lines before that are imported"
    assert not found(crm, system, 2_999, tenant=TENANT)


def test_the_rights_are_those_of_who_requested_it(crm: Crm, system: str) -> None:
    user = {"tenant": TENANT, "user": "reader"}
    answer = crm("POST", "/imports/uploads", {"size_bytes": 5}, **user)
    assert answer.status_code == 403, "who may only read may import nothing"
    products = json.dumps({"name": system, "external_ids": {system: "1"}}).encode()
    run = requested(crm, products, "products", tenant=TENANT, user="rep")
    done = finished(crm, run["id"], 60, tenant=TENANT)
    assert (done["status"], done["failure"]) == ("failed", "not_allowed")
    assert "settings" in done["reason"], "the area of products"


def test_nobody_imports_or_sees_the_file_of_another_tenant(crm: Crm, system: str) -> None:
    content = accounts(3, system)
    run = requested(crm, content, "accounts", tenant=TENANT)
    assert finished(crm, run["id"], 60, tenant=TENANT)["status"] == "completed"
    assert crm("GET", f"/imports/{run['id']}", tenant="acme").status_code == 404
    body = {"upload_id": run["parameters"]["upload_id"], "record_type": "accounts"}
    answer = crm("POST", "/imports", body, tenant="acme")
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == ["upload_id"]
