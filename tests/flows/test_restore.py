"""Contexts of the deployed system are restored after a mess, and after the loss of each table.

The state that is compared: every record with its index keys, external ids, the board, numbers of
unread notifications, a timeline, a report, what contexts keep of each other's records, and usage.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kernel.storage.packing import unpack
from tests.flows.conftest import ROOT, RUNNING, ZEBROS, Crm, Zebros, environment, started
from tests.flows.faults import call
from tests.flows.figures import record_figure
from tests.flows.imports import finished, requested
from zebros.contract import contract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
TABLES = {
    "customers": ("CustomersTable", "ContactsTable"),
    "opportunities": ("OpportunitiesTable",),
    "activities": ("ActivitiesTable",),
    "notifications": ("NotificationsTable",),
    "reporting": ("ReportingTable",),
    "scaling": ("ScalingTable",),
    "imports": ("ImportsTable",),
}
EACH = [(context, table) for context, tables in TABLES.items() for table in tables]
OF_EVERY_CHANGE = ("version", "sequence", "updated_at", "updated_by")
DEALS = 40
MARK = f"{time.time():.0f}-"
"""The external ids of this run, which may be one of several on a platform that runs already."""
Item = dict[str, Any]


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    """A platform of its own: the other tests' one may have a year of sales."""
    with started(Zebros(Path(RUNNING) if RUNNING else tmp_path_factory.mktemp("own") / "h")) as own:
        yield own


def made(crm: Crm, path: str, body: Any, user: str = "admin") -> str:
    return str(call(crm, "POST", path, body, user=user)["id"])


CERTAIN = {"won": 100, "lost": 0}
"""The probabilities of stages that are no guess."""


class Data:
    """A small company in all contexts."""

    def __init__(self, crm: Crm) -> None:
        stages = [
            {"key": key, "name": key, "probability": CERTAIN.get(kind, 50), "kind": kind}
            for key, kind in (("new", "open"), ("old", "open"), ("won", "won"), ("lost", "lost"))
        ]
        self.pipeline = made(
            crm, "/pipelines", {"name": f"Restored {time.time_ns()}", "stages": stages}
        )
        self.product = made(crm, "/products", {"name": "Restored licence"})
        self.accounts = [
            made(
                crm,
                "/accounts",
                {"name": f"Restored {n}", "external_ids": {"restore": f"{MARK}{n}"}},
            )
            for n in range(5)
        ]
        self.contacts = [
            made(crm, "/contacts", {"last_name": f"Holm {n}", "account_id": self.accounts[n]})
            for n in range(3)
        ]
        self.deals = [
            made(
                crm,
                "/opportunities",
                {
                    "name": f"Restored deal {n}",
                    "pipeline_id": self.pipeline,
                    "stage": ("new", "old")[n % 2],
                    "amount": {"minor_units": 100 + n, "currency": "CHF"},
                },
            )
            for n in range(DEALS)
        ]
        self.tasks = [
            made(crm, "/tasks", {"title": f"Restored {n}", "assignee_id": "rep"}) for n in range(4)
        ]
        line = {"name": "Restored line", "external_ids": {"restore": f"{MARK}line"}}
        imported = requested(crm, json.dumps(line).encode(), "accounts")
        assert finished(crm, imported["id"])["status"] == "completed"


def items(crm: Crm, name: str) -> Iterator[Item]:
    table = crm.state["resources"]["tables"][name]
    for page in crm.client("dynamodb").get_paginator("scan").paginate(TableName=table):
        yield from page["Items"]


def lose(crm: Crm, name: str) -> None:
    """Delete every item of a table."""
    table = crm.state["resources"]["tables"][name]
    keys = [{"pk": one["pk"], "sk": one["sk"]} for one in items(crm, name)]
    for first in range(0, len(keys), 25):
        some = [{"DeleteRequest": {"Key": key}} for key in keys[first : first + 25]]
        crm.client("dynamodb").batch_write_item(RequestItems={table: some})
    assert not list(items(crm, name))


def records(crm: Crm, context: str) -> dict[str, Any]:
    """The active records of a context and the items of their external ids.

    Without notifications of reports, because the tests request reports themselves.
    """
    found: dict[str, Any] = {}
    for name in TABLES[context]:
        for item in items(crm, name):
            if item["sk"]["S"] == "EXTERNAL":
                if MARK in item["pk"]["S"]:
                    found[item["pk"]["S"]] = item["record_id"]
            elif item["sk"]["S"] == "STATE":
                document = json.loads(unpack(item["doc"]["B"]))
                of_a_report = document.get("about", {}).get("type") == "report"
                if "archived_at" not in document and not of_a_report:
                    kept = {k: v for k, v in document.items() if k not in OF_EVERY_CHANGE}
                    found[item["pk"]["S"]] = (kept, {k: item[k] for k in item if k[:3] == "gsi"})
    return found


def references(crm: Crm) -> dict[str, str]:
    """What contexts keep of each other's records: by position, the memory of it."""
    found = {}
    for name, projection in contract().projections.items():
        if projection.references:
            for item in items(crm, projection.table):
                key = item["pk"]["S"]
                if f"#POSITION#{name}#" in key and item["sk"]["S"] == "POSITION":
                    found[key] = item.get("memory", {}).get("S", "")
    return found


def usage(crm: Crm) -> dict[str, int]:
    """How many records of each metered kind the tenant has."""
    listed = call(crm, "GET", "/scaling/usage")["items"]
    (values,) = [one["values"] for one in listed if one["tenant"] == "acme"]
    return {name: values[name] for name in ("users", "customers", "opportunities")}


def state(crm: Crm, data: Data) -> dict[str, Any]:
    """What must be as it was."""
    crm.settle()
    asked = {"report": "pipeline_by_stage", "by": "none", "currency": "CHF"}
    rows = crm.report(asked)["result"]["rows"]
    crm.settle()
    return {
        "records": {one: records(crm, one) for one in TABLES if one != "reporting"},
        "board": call(crm, "GET", f"/pipelines/{data.pipeline}/board")["columns"],
        "unread": call(crm, "GET", "/notifications/unread-count", user="rep"),
        "report": rows,
        "references": references(crm),
        "usage": usage(crm),
    }


def ensure_right(crm: Crm, data: Data, right: dict[str, Any]) -> None:
    """Everything is as it was."""
    now = state(crm, data)
    # Of records that were created later contexts know that they are archived.
    now["references"] = {key: now["references"].get(key) for key in right["references"]}
    # The controller goes on meanwhile.
    scaling = now["records"]["scaling"]
    now["records"]["scaling"] = {key: scaling.get(key) for key in right["records"]["scaling"]}
    for context, listed in right["records"].items():
        found = now["records"][context]
        differing = {
            key: (listed.get(key), found.get(key))
            for key in listed.keys() | found.keys()
            if listed.get(key) != found.get(key)
        }
        assert differing == {}, context
    assert now == right


def mess(crm: Crm, data: Data, round_: int) -> None:
    """Wrong edits, wins, archived and deleted records, and some that are created."""
    for account in data.accounts[:2]:
        call(crm, "PATCH", f"/accounts/{account}", {"name": f"Wrong {round_}"})
    call(
        crm,
        "PATCH",
        f"/accounts/{data.accounts[2]}",
        {"external_ids": {"restore": f"{MARK}x{round_}"}},
    )
    stolen = {"name": "Thief", "external_ids": {"restore": f"{MARK}2"}}
    made(crm, "/accounts", stolen)
    call(crm, "POST", f"/accounts/{data.accounts[3]}/archive", {})
    call(crm, "PATCH", f"/contacts/{data.contacts[0]}", {"last_name": "Wrong"})
    for deal in data.deals[:5]:
        call(crm, "POST", f"/opportunities/{deal}/won", {})
    for deal in data.deals[5:12]:
        amount = {"minor_units": 9, "currency": "CHF"}
        call(crm, "PATCH", f"/opportunities/{deal}", {"amount": amount})
    call(crm, "PATCH", f"/products/{data.product}", {"active": False})
    call(crm, "PATCH", f"/tasks/{data.tasks[0]}", {"title": "Wrong"})
    call(crm, "POST", f"/tasks/{data.tasks[1]}/complete", {})
    made(crm, "/contacts", {"last_name": "Later"})
    made(crm, "/opportunities", {"name": "Later", "pipeline_id": data.pipeline})
    made(crm, "/tasks", {"title": "Later", "assignee_id": "rep"})
    unread = call(crm, "GET", "/notifications?unread=true", user="rep")["items"]
    call(crm, "POST", f"/notifications/{unread[0]['id']}/read", {}, user="rep")
    crm.settle()


def delete_some(crm: Crm, data: Data) -> None:
    """Delete records directly in their tables."""
    for table, kind, record_id in (
        ("CustomersTable", "ACCOUNT", data.accounts[4]),
        ("ContactsTable", "CONTACT", data.contacts[1]),
        ("OpportunitiesTable", "OPPORTUNITY", data.deals[20]),
        ("OpportunitiesTable", "PIPELINE", data.pipeline),
        ("ActivitiesTable", "TASK", data.tasks[2]),
    ):
        crm.client("dynamodb").delete_item(
            TableName=crm.state["resources"]["tables"][table],
            Key={"pk": {"S": f"TENANT#acme#{kind}#{record_id}"}, "sk": {"S": "STATE"}},
        )


def restore(crm: Crm, context: str, at: str, *words: str) -> dict[str, Any]:
    started = time.monotonic()
    found: dict[str, Any] = crm.zebros.json("restore", context, "--to", at, *words)
    seconds = time.monotonic() - started
    shown = {k: v for k, v in found.items() if k in ("read", "restored", "put_back", "archived")}
    record_figure(f"restore {context}: {json.dumps(shown)} in {seconds:.1f} s")
    assert not found.get("failed"), found["failed"]
    assert found["changed_meanwhile"] == 0
    return found


def put_back(crm: Crm) -> bool:
    """Whether the table of opportunities has a record again."""
    return any(item["sk"]["S"] == "STATE" for item in items(crm, "OpportunitiesTable"))


def kill_the_platform(crm: Crm) -> None:
    """kill -9; the supervisor starts it again, with what is on disk."""

    def pid() -> int:
        try:
            answer = crm.http.get(f"{crm.state['endpoint']}/_zebros/health", timeout=2)
            return int(answer.json()["pid"])
        except Exception:
            return 0

    killed = pid()
    os.kill(killed, signal.SIGKILL)
    crm.until(lambda: pid() not in (0, killed), 60)


@pytest.fixture(scope="module")
def data(crm: Crm) -> Data:
    return Data(crm)


@pytest.fixture(scope="module")
def right(crm: Crm, data: Data) -> dict[str, Any]:
    """The state at the time `at`."""
    return state(crm, data)


@pytest.fixture(scope="module")
def at(right: dict[str, Any]) -> str:
    """A time, in whole seconds, after what is right and before what is wrong."""
    time.sleep(1.1)
    moment = datetime.now(UTC)
    time.sleep(0.2)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_a_mess_in_all_contexts_is_undone(
    crm: Crm, data: Data, right: dict[str, Any], at: str
) -> None:
    mess(crm, data, 1)
    delete_some(crm, data)
    kill_the_platform(crm)
    counted = restore(crm, "customers", at, "--dry-run")
    assert counted["archived"] >= 2
    assert records(crm, "customers") != right["records"]["customers"]
    for context in TABLES:
        restore(crm, context, at)
        crm.settle()
    ensure_right(crm, data, right)
    for context in TABLES:
        again = restore(crm, context, at)
        # A notification of a report, which the comparison requested, was created later.
        done = [again[name] for name in ("restored", "put_back", "repaired")]
        assert done == [0, 0, 0], context
    left = crm.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in left if "-restored-" in name]


@pytest.mark.parametrize(("context", "table"), EACH)
def test_the_loss_of_each_table_is_undone(
    crm: Crm, data: Data, right: dict[str, Any], at: str, context: str, table: str
) -> None:
    mess(crm, data, 2)
    deal = f"/timeline/opportunity/{data.deals[0]}"
    before = call(crm, "GET", deal)["items"]
    lose(crm, table)
    for one in (context, *TABLES):
        restore(crm, one, at)
        crm.settle()
    ensure_right(crm, data, right)
    after = call(crm, "GET", deal)["items"]
    known = {one["event_id"] for one in before}
    assert known <= {one["event_id"] for one in after}, "what happened stays on the timeline"


def test_a_restore_that_is_killed_continues(
    crm: Crm, data: Data, right: dict[str, Any], at: str
) -> None:
    mess(crm, data, 3)
    lose(crm, "OpportunitiesTable")
    place = crm.zebros.home / "restore-local-opportunities.json"
    words = ["--home", str(crm.zebros.home), "restore", "opportunities", "--to", at]
    for ends in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(
            [*ZEBROS, *words], cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
        ) as process:
            crm.until(lambda: place.exists() or process.poll() is not None, 60)
            while ends == signal.SIGKILL and process.poll() is None and not put_back(crm):
                pass
            process.send_signal(ends)
            process.communicate(timeout=60)
    # It has paused the board's consumer, which the same command starts again.
    for context in ("opportunities", *TABLES):
        restore(crm, context, at)
        crm.settle()
    assert not place.exists()
    ensure_right(crm, data, right)


def test_the_registry_of_tenants_is_restored(
    crm: Crm, data: Data, right: dict[str, Any], at: str
) -> None:
    crm.zebros("tenants", "suspend", "globex", "--reason", "by mistake")
    assert crm("GET", "/tasks", tenant="globex").status_code == 403
    found = restore(crm, "edge", at)
    assert (found["restored"], found["put_back"]) == (1, 0)
    crm.until(lambda: crm("GET", "/tasks", tenant="globex").status_code == 200)
    lose(crm, "EdgeTable")
    assert restore(crm, "edge", at)["put_back"] >= 2
    crm.until(lambda: crm("GET", "/tasks", tenant="globex").status_code == 200)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nothing", "--to", "2026-01-31T09:30:00Z"), "There is no context nothing"),
        (("customers", "--to", "2999-01-31T09:30:00Z"), "is in the future"),
        (("customers", "--to", "2020-01-31T09:30:00Z"), "its history begins at"),
        (("customers", "--to", "2026-01-31T09:30:00"), "has no time zone"),
        (("customers", "--to", "yesterday"), "is not a time"),
    ],
)
def test_a_wrong_restore_is_refused(crm: Crm, words: tuple[str, ...], reason: str) -> None:
    done = crm.zebros("restore", *words, check=False)
    assert done.returncode == 65, done.stderr
    assert reason in done.stderr
