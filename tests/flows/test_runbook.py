"""The runbook, row by row: each fault is made, the row's commands are carried out, it is gone.

The commands come from docs/runbook.md. The last test fails for a command that no test carries out.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kernel.storage.packing import pack, unpack
from tests.flows import imports
from tests.flows.conftest import RUNNING, Crm, Zebros, started
from tests.flows.faults import (
    ask_report,
    broken,
    call,
    change_mapping,
    column,
    delete,
    entries,
    items,
    lake,
    listed,
    mapping,
    new_deal,
    no_bus,
    outbox,
    put,
    queue,
    shown,
    worker_of,
)
from tests.flows.figures import record_figure
from tests.flows.runbook import not_followed, row

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ELSEWHERE = {
    **dict.fromkeys(
        ("zebros rollback --dry-run", "zebros rollback", "zebros rollback --undo"),
        "a release is deployed in tests/flows/test_updating.py",
    ),
    "zebros rollback CustomersApi=12": "tests/component/zebros/emulator/test_rollback.py",
    "zebros up": "an older folder is upgraded in tests/component/stored/test_upgrade.py",
    "zebros events rebuild references": "tests/component/zebros/test_rebuild_references.py",
    "zebros events rebuild usage": "tests/component/zebros/test_rebuild_usage.py",
    "zebros region status": "two regions: tests/component/regions/test_operators.py",
    "zebros region rejoin": "two regions: tests/component/regions/test_operators.py",
    "zebros --stack NAME attach": "a stack is deleted in tests/flows/test_attaching.py",
}

LINE = b'{"name": "Imported", "external_ids": {"runbook": "1"}}'


@pytest.fixture(scope="module")
def crm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crm]:
    """A platform of its own: the other tests' one may have a year of sales."""
    with started(Zebros(Path(RUNNING) if RUNNING else tmp_path_factory.mktemp("own") / "h")) as own:
        yield own


@pytest.fixture
def follow(crm: Crm) -> Callable[..., str]:
    """Carries out a command of a row; returns what it prints."""
    shown = set[tuple[str, str]]()

    def carry_out(sign: str, command: str, *values: str) -> str:
        started = time.monotonic()
        printed = crm.zebros(*row(sign).words(command, *values)).stdout
        if (sign, command) not in shown:
            shown.add((sign, command))
            record_figure(f"{command}: {time.monotonic() - started:.1f} s")
        return printed

    return carry_out


Follow = Callable[..., str]


@pytest.fixture(autouse=True)
def no_dead_letters(crm: Crm) -> Iterator[None]:
    """What a test leaves, when it fails, does not concern the next one."""
    yield
    for name, url in crm.state["resources"]["queues"].items():
        if name.endswith("DeadLetters"):
            crm.sqs.purge_queue(QueueUrl=url)


def test_a_consumer_that_failed_gets_its_events_again(crm: Crm, follow: Follow) -> None:
    sign, name = "a `…DeadLetters` queue is not empty", "ActivitiesEvents"
    with broken(crm, name):
        deal = new_deal(crm)
        crm.sqs.send_message(QueueUrl=queue(crm, f"{name}Queue"), MessageBody='{"detail": {}}')
        crm.until(
            lambda: {"", f"opportunity/{deal}"} <= {one["record"] for one in listed(crm, name)}, 60
        )
    assert entries(crm, deal) == 0
    by_record = {one["record"]: one for one in listed(crm, name)}
    right, wrong = by_record[f"opportunity/{deal}"], by_record[""]
    assert "ResourceNotFoundException" in right["reason"]
    show = "zebros events dead-letters <queue> <message>"
    assert deal in follow(sign, show, name, right["id"])
    discard = "zebros events discard <queue> <message> --reason …"
    assert "Discarded 1 message" in follow(sign, discard, name, wrong["id"], "A test.")
    assert "sent to ActivitiesEvents again" in follow(sign, "zebros events redrive <queue>", name)
    crm.until(lambda: entries(crm, deal) == 1)
    files = crm.client("s3").list_objects_v2(Bucket=crm.state["files_bucket"])["Contents"]
    assert any(wrong["id"] in one["Key"] for one in files), "it is stored before it is deleted"


def test_events_that_a_relay_could_not_publish_are_published(crm: Crm, follow: Follow) -> None:
    sign, relay = "`…RelayDeadLetters` is not empty", "OpportunitiesRelay"
    with no_bus(crm):
        first = new_deal(crm)
        crm.until(lambda: crm.waiting(queue(crm, f"{relay}DeadLetters")) == 1, 90)
    assert entries(crm, first) == 0
    follow(sign, "zebros events redrive <relay>", relay)
    crm.until(lambda: entries(crm, first) == 1)
    with no_bus(crm):
        second = new_deal(crm)
        crm.until(lambda: crm.waiting(queue(crm, f"{relay}DeadLetters")) == 1, 90)
    follow(sign, "zebros events resend <record>…", f"opportunity/{second}")
    crm.until(lambda: entries(crm, second) == 1)
    (message,) = listed(crm, relay)
    discard = "zebros events discard <relay> <message> --reason …"
    follow(sign, discard, relay, message["id"], "Its event was published from the outbox.")
    assert listed(crm, relay) == []


def test_an_event_that_cannot_be_published_waits_for_its_repair(crm: Crm, follow: Follow) -> None:
    sign, relay = "`event cannot be published` in a relay's log", "OpportunitiesRelay"
    deal = new_deal(crm)
    crm.until(lambda: entries(crm, deal) == 1)
    (entry,) = (
        one
        for one in items(crm, "OpportunitiesTable", f"#OPPORTUNITY#{deal}")
        if one["sk"]["S"].startswith("EVENT#")
    )
    event = json.loads(unpack(entry["detail"]["B"])) | {"sequence": "2", "id": f"{'7' * 26}"}
    for sequence in ("2", "3"):
        sk = {"S": entry["sk"]["S"][:-1] + sequence}
        put(crm, "OpportunitiesTable", {**entry, "sk": sk, "detail": {"B": b"unreadable"}})
    crm.until(lambda: crm.waiting(queue(crm, f"{relay}DeadLetters")) == 2)
    function = crm.state["functions"][relay]
    lines = crm.log_lines(function, "event cannot be published")
    assert f"opportunity/{deal}" in {line["subject"] for line in lines}
    by_key = {one["content"]["unpublished"]["sk"]: one for one in listed(crm, relay)}
    second, third = (by_key[key] for key in sorted(by_key))
    shown = follow(sign, "zebros events dead-letters <relay> <message>", relay, third["id"])
    assert f"opportunity/{deal}" in shown
    assert "cannot be read" in shown
    discard = "zebros events discard <relay> <message> --reason …"
    follow(sign, discard, relay, third["id"], "It was no event.")
    repaired = {"sk": {"S": min(by_key)}, "detail": {"B": pack(json.dumps(event))}}
    put(crm, "OpportunitiesTable", entry | repaired)
    assert [one["id"] for one in listed(crm, relay)] == [second["id"]]
    follow(sign, "zebros events redrive <relay>", relay)
    crm.until(lambda: entries(crm, deal) == 2)


def test_a_projection_continues_after_a_gap(crm: Crm, follow: Follow) -> None:
    sign, name = "`StreamGapDetected` is published", "ActivitiesEvents"
    deal = new_deal(crm)
    crm.settle(90)
    before = outbox(crm, "ActivitiesTable")
    change_mapping(crm, name, Enabled=False)
    call(crm, "PATCH", f"/opportunities/{deal}", {"region": "North"})
    url = queue(crm, f"{name}Queue")
    crm.until(lambda: crm.waiting(url) == 1)
    (lost,) = crm.sqs.receive_message(QueueUrl=url)["Messages"]
    crm.sqs.delete_message(QueueUrl=url, ReceiptHandle=lost["ReceiptHandle"])
    change_mapping(crm, name, Enabled=True)
    call(crm, "PATCH", f"/opportunities/{deal}", {"region": "South"})
    crm.until(lambda: "StreamGapDetected" in outbox(crm, "ActivitiesTable") - before, 120)
    assert entries(crm, deal) == 1
    from_, to = (datetime.now(UTC) + timedelta(minutes=n) for n in (-10, 1))
    period = (f"{one:%Y-%m-%dT%H:%M}" for one in (from_, to))
    follow(sign, "zebros events replay --from … --to …", *period)
    crm.until(lambda: entries(crm, deal) == 3)

    with no_bus(crm):
        call(crm, "PATCH", f"/opportunities/{deal}", {"region": "East"})
        crm.until(lambda: crm.waiting(queue(crm, "OpportunitiesRelayDeadLetters")) == 1, 90)
    (message,) = listed(crm, "OpportunitiesRelay")
    crm.zebros("events", "discard", "OpportunitiesRelay", message["id"], "--reason", "a slip")
    call(crm, "PATCH", f"/opportunities/{deal}", {"region": "West"})
    follow(sign, "zebros events resend <subject>", f"opportunity/{deal}")
    crm.until(lambda: entries(crm, deal) == 5)


CERTAIN = {"won": 100, "lost": 0}
"""The probabilities of stages that are no guess."""


@pytest.fixture
def pipeline(crm: Crm) -> str:
    """A new pipeline with two deals in its first stage."""
    stages = [
        {"key": key, "name": key, "probability": CERTAIN.get(kind, 50), "kind": kind}
        for key, kind in (("new", "open"), ("won", "won"), ("lost", "lost"))
    ]
    body = {"name": f"Runbook {time.time_ns()}", "stages": stages}
    made = str(call(crm, "POST", "/pipelines", body)["id"])
    for _ in range(2):
        new_deal(crm, pipeline_id=made)
    crm.until(lambda: column(crm, made) == (2, 200))
    crm.settle(90)
    return made


def test_a_damaged_board_and_timeline_are_rebuilt(crm: Crm, follow: Follow, pipeline: str) -> None:
    sign = "a board has wrong counts, or a timeline lacks entries"
    deal = new_deal(crm, pipeline_id=pipeline)
    crm.until(lambda: column(crm, pipeline) == (3, 300))
    crm.settle(90)
    for item in items(crm, "OpportunitiesTable", f"#BOARD#{pipeline}"):
        put(crm, "OpportunitiesTable", {**item, "opportunities": {"N": "77"}})
    for item in items(crm, "ActivitiesTable", f"#TIMELINE#opportunity#{deal}"):
        delete(crm, "ActivitiesTable", item)
    assert (column(crm, pipeline)[0], entries(crm, deal)) == (77, 0)
    follow(sign, "zebros events rebuild board")
    follow(sign, "zebros events rebuild timeline")
    assert (column(crm, pipeline), entries(crm, deal)) == ((3, 300), 1)
    for name in ("board", "timeline"):
        again = f"zebros events rebuild {name}"
        assert " 0 " in follow(f"`{again}`", again), "a second run has nothing to do"


def test_a_wrong_number_on_the_inbox_is_corrected(crm: Crm, follow: Follow) -> None:
    user = {"user": "rep"}
    call(crm, "POST", "/tasks", {"title": "Call", "assignee_id": "rep"})
    crm.settle(90)
    unread = call(crm, "GET", "/notifications/unread-count", **user)
    (counter,) = items(crm, "NotificationsTable", "#UNREAD#rep")
    put(crm, "NotificationsTable", {**counter, "unread": {"N": "99"}})
    assert call(crm, "GET", "/notifications/unread-count", **user) != unread
    command = "zebros events rebuild inbox"
    assert "1 counter" in follow("the number on the inbox is wrong", command)
    assert call(crm, "GET", "/notifications/unread-count", **user) == unread
    assert "0 counters" in follow(f"`{command}`", command)


def test_a_lost_lake_is_rebuilt_and_then_the_board(crm: Crm, follow: Follow, pipeline: str) -> None:
    sign = "`zebros events rebuild board` says that the lake lacks events"
    for key in lake(crm, "context=opportunities"):
        crm.client("s3").delete_object(Bucket=crm.state["lake_bucket"], Key=key)
    refused = crm.zebros("events", "rebuild", "board", "--wait", "1", check=False)
    assert refused.returncode != 0
    assert "lake" in refused.stderr
    assert column(crm, pipeline) == (2, 200), "nothing was changed"
    follow(sign, "zebros events redrive ReportingLake")
    follow(sign, "zebros events rebuild lake")
    for item in items(crm, "OpportunitiesTable", f"#BOARD#{pipeline}"):
        delete(crm, "OpportunitiesTable", item)
    change_mapping(crm, "OpportunitiesEvents", Enabled=False)  # a rebuild was killed
    follow("`zebros events rebuild board`", "zebros events rebuild board")
    assert mapping(crm, "OpportunitiesEvents")["State"] == "Enabled"
    assert column(crm, pipeline) == (2, 200)
    command = "zebros events rebuild lake"
    follow(f"`{command}`", command)


def test_the_timeline_of_a_restored_record_loses_the_lost_history(
    crm: Crm, follow: Follow, pipeline: str
) -> None:
    deal = new_deal(crm, pipeline_id=pipeline)
    crm.settle(90)
    before = items(crm, "OpportunitiesTable", f"#OPPORTUNITY#{deal}")
    call(crm, "PATCH", f"/opportunities/{deal}", {"region": "Lost"})
    crm.settle(90)
    for item in items(crm, "OpportunitiesTable", f"#OPPORTUNITY#{deal}"):
        delete(crm, "OpportunitiesTable", item)
    for item in before:
        put(crm, "OpportunitiesTable", item)
    call(crm, "PATCH", f"/opportunities/{deal}", {"amount": {"minor_units": 5, "currency": "USD"}})
    crm.until(lambda: column(crm, pipeline) == (3, 205))
    crm.settle(90)
    assert entries(crm, deal) == 3
    follow("`StreamDiverged` is published", "zebros events rebuild timeline")
    assert entries(crm, deal) == 2


def test_a_record_that_differs_from_its_model_is_listed_and_corrected(
    crm: Crm, follow: Follow
) -> None:
    sign = "`stored record differs from its model` in a log"
    deal = new_deal(crm)
    (state,) = (
        one
        for one in items(crm, "OpportunitiesTable", f"#OPPORTUNITY#{deal}")
        if one["sk"]["S"] == "STATE"
    )
    document = json.loads(unpack(state["doc"]["B"])) | {"amount": "much"}
    put(crm, "OpportunitiesTable", {**state, "doc": {"B": pack(json.dumps(document))}})
    assert "amount" not in call(crm, "GET", f"/opportunities/{deal}")
    function = crm.state["functions"]["OpportunitiesApi"]
    assert crm.log_lines(function, "stored record differs from its model")
    assert deal in follow(sign, "zebros upgrade --check")
    call(crm, "PATCH", f"/opportunities/{deal}", {"amount": None})
    assert deal not in follow(sign, "zebros upgrade --check")
    for command in ("zebros upgrade --dry-run", "zebros upgrade"):
        follow("after a release with new forms of records", command)


def test_a_mistake_is_undone_and_a_lost_table_restored(
    crm: Crm, follow: Follow, pipeline: str
) -> None:
    mistake, loss = "records were changed or deleted by mistake", "a table has lost its items"
    deal = new_deal(crm, pipeline_id=pipeline, region="North")
    crm.until(lambda: column(crm, pipeline) == (3, 300))
    crm.settle(90)
    time.sleep(1.1)  # DynamoDB restores to a second
    before = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    time.sleep(1.1)
    wrong = {"amount": {"minor_units": 7, "currency": "USD"}, "region": "South"}
    call(crm, "PATCH", f"/opportunities/{deal}", wrong)
    crm.until(lambda: column(crm, pipeline) == (3, 207))
    command = "zebros restore <context> --to <time before> --tenant <name> --dry-run"
    values = ("opportunities", before, "acme")
    follow(mistake, command, *values)
    assert column(crm, pipeline) == (3, 207), "it only counts"
    crm.zebros(*row(mistake).words(command, *values)[:-1])
    crm.until(lambda: column(crm, pipeline) == (3, 300))
    assert call(crm, "GET", f"/opportunities/{deal}")["region"] == "North"

    crm.settle(90)
    time.sleep(1.1)
    before = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    time.sleep(1.1)
    for item in items(crm, "OpportunitiesTable", "TENANT#acme#"):
        delete(crm, "OpportunitiesTable", item)
    assert crm("GET", f"/opportunities/{deal}").status_code == 404
    follow(loss, "zebros restore <context> --to <time before>", "opportunities", before)
    assert call(crm, "GET", f"/opportunities/{deal}")["region"] == "North"
    crm.until(lambda: column(crm, pipeline) == (3, 300))


@pytest.mark.usefixtures("only_workers")
def test_a_worker_that_hangs_is_seen_and_replaced(crm: Crm, follow: Follow) -> None:
    worker = worker_of(crm)
    os.kill(worker, signal.SIGSTOP)
    report = ask_report(crm)
    imported = imports.requested(crm, LINE, "accounts")["id"]
    pending, hangs = "a report stays `pending` |", "`zebros status` shows that the worker hangs"
    seen = []

    def is_seen() -> bool:
        time.sleep(5)
        seen.append(follow(pending.removesuffix(" |"), "zebros status"))
        return "hangs" in seen[-1] or str(worker) not in seen[-1]

    crm.until(is_seen, 300)
    assert "worker" in follow("an import stays `pending`", "zebros status")
    assert crm.finished(report, 300)["status"] == "completed"
    assert imports.finished(crm, imported, 300)["status"] == "completed"
    assert str(worker) not in follow(hangs, "zebros status")


def test_a_damaged_file_of_the_lake_is_named_and_written_again(crm: Crm, follow: Follow) -> None:
    sign, tenant = "a report fails with `unreadable_data`", "globex"
    call(crm, "POST", "/opportunities", {"name": "Deal", "owner_id": "rep"}, tenant=tenant)
    crm.settle(90)
    asked = {"report": "pipeline_by_stage", "by": "none"}
    right = crm.report(asked, tenant=tenant)["result"]["rows"]
    key = lake(crm, f"tenant={tenant}/context=opportunities")[-1]
    s3, bucket = crm.client("s3"), crm.state["lake_bucket"]
    s3.put_object(Bucket=bucket, Key=key, Body=b"damaged")
    run = call(crm, "POST", "/reports", {**asked, "format": "json"}, tenant=tenant)
    failed = crm.finished(run["id"], 300, tenant=tenant)
    assert (failed["status"], failed["failure"]) == ("failed", "unreadable_data")
    file = key.removeprefix(f"tenant={tenant}/")
    steps = crm.state["functions"]["ReportingSteps"]
    assert any(line["message"] == "task failed" for line in crm.log_lines(steps, file))
    s3.delete_object(Bucket=bucket, Key=key)
    day = datetime.now(UTC).date()
    days = (day.isoformat(), (day + timedelta(days=1)).isoformat())
    command = "zebros events replay --from <day> --to <next day> --consumer ReportingLake"
    follow(sign, command, *days)
    crm.settle(90)
    assert crm.report(asked, tenant=tenant)["result"]["rows"] == right


@pytest.mark.usefixtures("only_workers")
def test_reports_that_wait_for_a_lost_event_are_made(crm: Crm, follow: Follow) -> None:
    sign, name = "a report stays `pending` and has a `queue_position`", "ReportingEvents"
    worker, runs = worker_of(crm), list[str]()

    def states() -> list[str]:
        return [one["status"] for one in shown(crm, runs)]

    os.kill(worker, signal.SIGSTOP)
    try:
        runs += [ask_report(crm) for _ in range(7)]
        crm.until(lambda: [one.get("queue_position") for one in shown(crm, runs)][5:] == [1, 2])
        with broken(crm, name):
            os.kill(worker, signal.SIGCONT)
            crm.until(lambda: states() == ["completed"] * 5 + ["pending"] * 2, 120)
            crm.until(lambda: crm.waiting(queue(crm, f"{name}DeadLetters")) >= 5, 90)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert "premium" in follow(sign, "zebros tenants plan <name> premium", "acme")
    follow(sign, "zebros events redrive ReportingEvents")
    crm.until(lambda: states() == ["completed"] * 7, 120)
    crm.zebros("tenants", "plan", "acme", "standard")
    crm.settle(90)


def test_an_import_that_waits_for_a_lost_event_is_made(crm: Crm, follow: Follow) -> None:
    sign, name = "an import stays `pending` and has a `queue_position`", "ImportsEvents"
    worker = worker_of(crm)
    os.kill(worker, signal.SIGSTOP)
    try:
        first, second = (imports.requested(crm, LINE, "accounts")["id"] for _ in range(2))
        crm.until(lambda: imports.run_of(crm, second).get("queue_position") == 1)
        with broken(crm, name):
            os.kill(worker, signal.SIGCONT)
            assert imports.finished(crm, first)["status"] == "completed"
            crm.until(lambda: crm.waiting(queue(crm, f"{name}DeadLetters")) >= 1, 90)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert imports.run_of(crm, second)["status"] == "pending"
    follow(sign, "zebros events redrive ImportsEvents")
    assert imports.finished(crm, second)["status"] == "completed"
    crm.settle(90)


def test_a_company_gets_access_again(crm: Crm, follow: Follow) -> None:
    suspended, unknown = (f"every request of a company gets {n}" for n in ("403", "401"))
    me = ("GET", "/opportunities?limit=1")
    assert crm(*me, tenant="globex").status_code == 200
    crm.zebros("tenants", "suspend", "globex", "--reason", "unpaid")
    crm.until(lambda: crm(*me, tenant="globex").status_code == 403, 30)
    assert crm(*me, tenant="globex").json()["type"].endswith("tenant-suspended")
    assert "unpaid" in follow(suspended, "zebros tenants list")
    follow(suspended, "zebros tenants resume <name>", "globex")
    crm.until(lambda: crm(*me, tenant="globex").status_code == 200, 30)

    (item,) = items(crm, "EdgeTable", "TENANT#globex")
    delete(crm, "EdgeTable", item)
    crm.zebros("tenants", "plan", "acme", "standard")  # decisions are forgotten
    crm.until(lambda: crm(*me, tenant="globex").status_code == 401, 330)
    assert crm.log_lines(crm.state["functions"]["Authorizer"], "token rejected")
    follow(unknown, "zebros tenants add <name>", "globex")
    crm.until(lambda: crm(*me, tenant="globex").status_code == 200, 30)


def test_every_command_was_carried_out() -> None:
    """The last test of this file: it needs the others before it."""
    assert [one for one in not_followed() if one[1] not in ELSEWHERE] == []
