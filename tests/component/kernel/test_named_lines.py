"""A warning or an error says which request, event or task it is about, whoever writes it.

Every entry point of services/ and worker/ is made to write one; another one makes the last test
fail until it is tried here.
"""

import ast
import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from kernel.domain.errors import NotFound, NotReady, ReadOnlyRegion
from kernel.domain.events import StreamDivergence, StreamGap
from kernel.domain.ids import new_id
from kernel.messaging.projection import Projection
from kernel.messaging.reactor import Reactor
from kernel.messaging.relay import Relay
from kernel.messaging.set_aside import set_aside_in
from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from kernel.storage.maintenance import Maintenance
from kernel.storage.outbox import outbox_entry
from kernel.storage.packing import pack
from kernel.storage.table import Table
from kernel.tasks.job import Task
from kernel.tasks.progress import Progress
from kernel.tasks.worker.function import TaskFunction
from kernel.tasks.worker.loop import Worker
from tests.component.conftest import NEVER, ApiClient
from tests.component.kernel.queues import body, event, lambda_event
from tools.drift import ROOT

CORRELATION = "asked-for-1"
HEADERS = {"x-correlation-id": CORRELATION}
RECORD = "01J9ZK4V3W8Q5D2T7Y6R1XNMHB"
TASK = {"correlation_id": CORRELATION, "tenant": "acme", "run_id": "r-1"}
EVENTS = {
    "correlation_ids": ["c-1"],
    "tenants": ["acme"],
    "subjects": ["opportunity/a", "opportunity/b"],
}

Lines = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What was logged with these messages; of warnings and errors without any."""
    text = io.StringIO()
    stream = logging.StreamHandler(text)
    stream.setFormatter(logger().registered_formatter)
    logger().addHandler(stream)
    level = logger().log_level
    logger().setLevel(logging.INFO)

    def found(*messages: str) -> list[dict[str, Any]]:
        written = [json.loads(line) for line in text.getvalue().splitlines()]
        if messages:
            return [one for one in written if one["message"] in messages]
        return [one for one in written if one["level"] in ("WARNING", "ERROR")]

    yield found
    logger().setLevel(level)
    logger().removeHandler(stream)


def trouble(*_: Any, **__: Any) -> Any:
    """What any code on the way may write."""
    logger().warning("trouble")
    return []


def fault(code: str = "ThrottlingException", status: int = 400) -> ClientError:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Operation")  # type: ignore[arg-type]


def failing(error: BaseException) -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise error

    return fail


def named(line: dict[str, Any], **names: Any) -> None:
    """The line has these names."""
    assert {name: line.get(name) for name in names} == names, line["message"]


@pytest.fixture
def customers(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "table")
    from customers.handlers.api import handler

    return ApiClient(handler)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (fault(), "service fault"),
        (fault("InternalServerError"), "service fault"),
        (fault("AccessDeniedException"), "unexpected fault"),
        (RuntimeError("bad"), "unexpected fault"),
    ],
)
def test_a_failed_request(
    customers: ApiClient,
    lines: Lines,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    message: str,
) -> None:
    monkeypatch.setattr(Table, "get", failing(error))
    assert customers("GET", f"/accounts/{RECORD}", headers=HEADERS).status >= 500
    (line,) = lines(message)
    named(line, correlation_id=CORRELATION, tenant="acme", record=f"account/{RECORD}")


def test_a_failed_request_of_a_timeline(
    cloud: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    from activities.handlers.api import handler

    monkeypatch.setattr(Table, "query", failing(fault()))
    path = f"/timeline/contact/{RECORD}"
    assert ApiClient(handler)("GET", path, headers=HEADERS).status == 503
    (line,) = lines("service fault")
    named(line, correlation_id=CORRELATION, tenant="acme", record=f"contact/{RECORD}")


def test_an_item_of_a_batch_that_fails_in_a_thread(
    customers: ApiClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Table, "transact", failing(fault()))
    items = {"items": [{"name": one, "external_ids": {"x": one}} for one in "ab"]}
    customers("POST", "/accounts/batch", items, HEADERS)
    found = lines("service fault")
    assert len(found) == 2
    for line in found:
        named(line, correlation_id=CORRELATION, tenant="acme")


def test_records_that_are_given_away_and_fail_in_a_thread(
    customers: ApiClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    customers("POST", "/accounts", {"name": "A", "owner_id": "ann"})
    monkeypatch.setattr(Table, "transact", failing(fault()))
    given = {"from_id": "ann", "to_id": "bob"}
    answer = customers("POST", "/accounts/reassign", given, HEADERS)
    assert answer.status == 207, answer.text
    (line,) = lines("service fault")
    named(line, correlation_id=CORRELATION, tenant="acme")


def test_an_answer_that_is_not_stored_names_what_was_created(
    customers: ApiClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Table, "put", failing(fault()))
    headers = {**HEADERS, "idempotency-key": "k"}
    made = customers("POST", "/accounts", {"name": "A"}, headers).json
    (line,) = lines("answer not stored")
    named(line, correlation_id=CORRELATION, tenant="acme", record=f"account/{made['id']}")


def test_a_key_that_is_not_released(
    customers: ApiClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact, claims = Table.transact, [True]

    def only_the_claim(self: Table, actions: Any) -> Any:
        if claims:
            claims.pop()
            return transact(self, actions)
        raise NotReady("A service is throttling.")

    monkeypatch.setattr(Table, "transact", only_the_claim)
    monkeypatch.setattr(Table, "delete", failing(fault()))
    headers = {**HEADERS, "idempotency-key": "k"}
    items = {"items": [{"name": "A", "external_ids": {"x": "1"}}]}
    customers("POST", "/accounts/batch", items, headers)
    (line,) = lines("key not released")
    named(line, correlation_id=CORRELATION, tenant="acme")


def test_the_line_of_a_request_that_succeeds_is_as_it_was(
    customers: ApiClient, lines: Lines
) -> None:
    made = customers("POST", "/accounts", {"name": "A"}).json
    assert customers("GET", f"/accounts/{made['id']}").status == 200
    logger().warning("later")
    (line,) = lines()
    assert not {"correlation_id", "tenant", "record"} & line.keys(), "the request has ended"


def batch(*subjects: str) -> dict[str, Any]:
    return lambda_event(body(event("acme", f"opportunity/{one}", 1)) for one in subjects)


def reactor(_cloud: Any, _patch: pytest.MonkeyPatch) -> None:
    for one in ("a", "b"):
        Reactor("toy", types=["OpportunityUpdated"], react=trouble)(batch(one), None)


def projection(_cloud: Any, _patch: pytest.MonkeyPatch) -> None:
    table = Table(_cloud, "table")
    Projection(
        "toy",
        record_types=["opportunity"],
        table=lambda: table,
        apply=trouble,
        gap=StreamGap,
        divergence=StreamDivergence,
    )(batch("a", "b"), None)


def lake(_cloud: Any, _patch: pytest.MonkeyPatch) -> None:
    from reporting.lake.writer import LakeWriter

    LakeWriter(failing(RuntimeError("bad")))(batch("a", "b"), None)


def usage(_cloud: Any, patch: pytest.MonkeyPatch) -> None:
    from scaling.consumers import usage as consumer

    patch.setattr(consumer, "usage", failing(RuntimeError("bad")))
    consumer.handler(batch("a", "b"), None)


CONSUMERS = {
    "Reactor": reactor,
    "Projection": projection,
    "LakeWriter": lake,
    "UsageProjection": usage,
}


@pytest.mark.parametrize("name", CONSUMERS)
def test_a_problem_with_events(
    cloud: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    CONSUMERS[name](cloud, monkeypatch)
    found = lines()
    assert found
    subjects = {subject for line in found for subject in line["subjects"]}
    assert subjects == {"opportunity/a", "opportunity/b"}
    for line in found:
        named(line, correlation_ids=["c-1"], tenants=["acme"])
        assert line["event_ids"]


@pytest.mark.parametrize("consumer", ["Reactor", "Projection"])
def test_a_problem_with_a_rebuild_names_the_tenant(
    cloud: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch, consumer: str
) -> None:
    request = {"rebuild": {"tenant": "acme", "complete": True}}
    if consumer == "Reactor":
        Reactor("toy", types=[], react=trouble, rebuild=lambda _: {"x": trouble()})(request, None)
    else:
        from activities.consumers.timeline import handler

        monkeypatch.setattr(handler, "_rebuild", trouble)
        handler(request, None)
    (line,) = lines()
    named(line, tenants=["acme"])


def test_a_message_that_is_no_event_names_what_can_be_read(lines: Lines) -> None:
    wrong = event("acme", "opportunity/a", 1)
    del wrong["source"]
    for text in (body(wrong), json.dumps({"gap_check": wrong}), "[]", '{"detail": []}', "{"):
        Reactor("toy", types=[], react=trouble)(lambda_event([text]), None)
    first, check, *others = lines("event failed")
    for line in (first, check):
        named(line, correlation_ids=["c-1"], tenants=["acme"], subjects=["opportunity/a"])
    assert len(others) == 3


def stream_record(envelope: dict[str, Any], **item: Any) -> dict[str, Any]:
    """The record of an outbox entry in a table's stream."""
    kind, _, record_id = envelope["subject"].partition("/")
    key = f"TENANT#{envelope['tenantid']}#{kind.upper()}#{record_id}"
    entry = outbox_entry(key, int(envelope["sequence"]), envelope).item | item
    image = {
        name: {"B": value} if isinstance(value, bytes) else {"S": str(value)}
        for name, value in entry.items()
    }
    return {
        "eventSourceARN": "arn:aws:dynamodb:eu-central-1:1:table/zebros-x/stream/now",
        "dynamodb": {
            "SequenceNumber": new_id(),
            "Keys": {name: image[name] for name in ("pk", "sk")},
            "NewImage": image,
        },
    }


def wrong_entries() -> list[dict[str, Any]]:
    """An entry without a source, and one that is no JSON."""
    first, second = (event("acme", f"opportunity/{one}", 1) for one in "ab")
    del first["source"]
    return [stream_record(first), stream_record(second, detail=pack("{"))]


def test_an_event_that_cannot_be_published(lines: Lines) -> None:
    sqs = type("Sqs", (), {"get_queue_url": failing(fault())})
    Relay(None, "bus", set_aside_in(sqs)).forward(wrong_entries())
    found = {one["subject"]: one for one in lines("event cannot be published")}
    found_later = lines("event not set aside")
    named(found["opportunity/a"], tenant="acme", correlation_id="c-1", sk="EVENT#000000000001")
    # Of the other one only its key is known.
    named(found["opportunity/b"], tenant="acme", correlation_id="", sk="EVENT#000000000001")
    assert [one["subject"] for one in found_later] == ["opportunity/a", "opportunity/b"]
    named(found_later[0], tenant="acme", correlation_id="c-1")


def test_events_that_the_bus_rejects(lines: Lines) -> None:
    records = [stream_record(event("acme", f"opportunity/{one}", 1)) for one in "ab"]
    bus = SimpleNamespace(put_events=failing(fault()))
    assert Relay(bus, "bus", lambda _: False, lambda _: None).forward(records)
    for line in lines("bus rejected entries"):
        named(line, **EVENTS)


def test_a_relay_that_waits(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    from kernel.messaging import relay

    bus = SimpleNamespace(put_events=failing(ReadOnlyRegion("Another region writes.")))
    monkeypatch.setenv("BUS_NAME", "bus")
    monkeypatch.setattr(relay, "client", lambda _: bus)
    monkeypatch.setattr(relay.time, "sleep", lambda _: None)
    records = [stream_record(event("acme", f"opportunity/{one}", 1)) for one in "ab"]
    relay.handler({"Records": records}, None)
    (line,) = lines("relay waits")
    named(line, **EVENTS)


class Job:
    """A job that fails, and everything beside it too."""

    def run(self, task: Task, progress: Progress) -> dict[str, Any]:
        """Fail."""
        raise ValueError("bad")

    def record_progress(self, task: Task, fraction: float, text: str) -> None:
        """Never called."""

    def is_active(self, task: Task) -> bool:
        """Never called."""
        return True

    def requeue(self, task: Task) -> None:
        """Never called."""


MESSAGE = {"tenant_id": "acme", "run_id": "r-1", "correlation_id": CORRELATION}


def test_a_problem_of_a_worker_with_a_task(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    from kernel.tasks.worker import outcome

    monkeypatch.setattr(outcome.time, "sleep", lambda _: None)
    everything_fails = failing(fault())
    states = SimpleNamespace(
        send_task_heartbeat=everything_fails, send_task_failure=everything_fails
    )
    sqs = SimpleNamespace(change_message_visibility=everything_fails)
    worker = Worker({"toy": Job()}, "url", sqs=sqs, states=states)
    text = json.dumps({"job": "toy", "task_token": "secret", **MESSAGE})
    worker._handle({"Body": text, "ReceiptHandle": "r", "MessageId": "m"})
    worker.stop()
    worker._handle({"Body": text, "ReceiptHandle": "r", "MessageId": "m"})
    expected = {
        "heartbeat failed",
        "job failed",
        "state machine does not answer",
        "worker action failed",
    }
    assert {one["message"] for one in lines()} == expected
    for line in lines():
        named(line, **TASK)


def test_a_task_that_cannot_be_read(lines: Lines) -> None:
    worker = Worker({}, "url", sqs=None, states=None)
    for text in (json.dumps({"job": "none", "task_token": "secret", **MESSAGE}), "{", "[]"):
        worker._handle({"Body": text, "ReceiptHandle": "r", "MessageId": "m"})
    first, *others = lines("task cannot be read")
    named(first, **TASK)
    assert len(others) == 2


def test_a_problem_of_a_task_in_a_function(lines: Lines, tmp_path: Path) -> None:
    handler = TaskFunction(lambda: {"toy": Job()}, lambda: tmp_path)
    time_left = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
    handler({"job": "toy", **MESSAGE}, time_left)
    (line,) = lines()
    named(line, **TASK)


def test_a_task_that_failed(cloud: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILES_BUCKET", "files")
    from reporting.handlers.steps import handler

    with pytest.raises(NotFound):
        handler({"step": "fail", **MESSAGE, "failure": {"Error": "WorkerLost"}}, None)
    (line,) = lines("task failed")
    named(line, **TASK)


def test_a_problem_of_a_step_of_the_controller(
    cloud: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaling.handlers import steps
    from scaling.service.steps import DONE

    monkeypatch.setitem(steps.STEPS, "verify", lambda execution: trouble() or DONE)
    steps.handler({"step": "verify", "execution": "e-1"}, None)
    (line,) = lines()
    named(line, execution="e-1")


def test_a_problem_of_a_command_of_an_operator(lines: Lines) -> None:
    handler = Maintenance(lambda: (), {"restore": lambda *_: {"failed": trouble()}})
    handler({"command": "restore", "run": "restore-1"}, None)
    (line,) = lines()
    named(line, command="restore", correlation_id="restore-1")


def test_a_problem_with_a_caller_or_a_window(
    cloud: Any, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edge import authorizer
    from notifications.handlers import socket

    caller = dict.fromkeys(authorizer.CALLER, "x") | {"expires": NEVER, "machine": False}
    caller |= {"tenant": "acme", "user": "ann"}
    tenant = SimpleNamespace(plan=SimpleNamespace(value="standard"), country=None)
    for name in ("ISSUER_BASE", "AUDIENCE", "PEOPLE_KEY", "MACHINES_KEY"):
        monkeypatch.setenv(name, "http://localhost")
    monkeypatch.setattr(authorizer, "_identified", lambda *_: (caller, tenant))
    monkeypatch.setattr(authorizer, "_measure", trouble)
    authorizer.handler({"methodArn": "arn/v1/GET/accounts", "type": "TOKEN"}, None)
    (line,) = lines()
    named(line, tenant="acme", record="person/ann")
    monkeypatch.setattr(socket, "connections", lambda: SimpleNamespace(pong=trouble))
    request = {"routeKey": "$default", "connectionId": "w", "authorizer": {"tenant": "acme"}}
    socket.handler({"requestContext": request}, None)
    named(lines()[-1], tenant="acme", connection="w")


def test_a_line_keeps_what_it_says_itself(lines: Lines) -> None:
    with working_on(lambda: {"tenant": "acme", "correlation_id": "c", "record": ""}):
        logger().warning("own", tenants=["globex"], correlation_id="d")
        logger().info("fine")
    named(lines("own")[0], tenants=["globex"], correlation_id="d", tenant=None, record=None)
    named(lines("fine")[0], tenant=None, correlation_id=None)


# --- nothing is left out --------------------------------------------------------------------------

TRIED = {
    "Api",
    "Reactor",
    "Projection",
    "UsageProjection",
    "LakeWriter",
    "TaskSteps",
    "TaskFunction",
    "Maintenance",
    "edge/authorizer.py",
    "kernel/messaging/relay.py",
    "notifications/handlers/socket.py",
    "scaling/handlers/steps.py",
}
"""The entry points of functions, by class or module, each of which is tried above."""
WITHOUT_LINES = {"edge/documents.py"}
"""An entry point that serves the same texts to everybody."""
ABOUT_NO_WORK = {"queue does not answer"}
"""Lines about a process alone."""
OUTSIDE = {
    "kernel/messaging/relay.py": {"bus rejected entries", "relay waits"},
    "kernel/messaging/set_aside.py": {"event cannot be published", "event not set aside"},
    "edge/keys.py": {"stored keys", "provider"},
    "edge/registry.py": {"stored keys", "keys not stored"},
    "edge/tokens.py": {"unknown time zone"},
    "edge/sign_ins.py": {"sign-in not sent"},
}
"""Lines that are written before an entry point knows its work: they name it themselves."""
SERVICES = ROOT / "services"


def trees() -> Iterator[tuple[str, ast.Module]]:
    for folder in (SERVICES, ROOT / "worker"):
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(SERVICES if folder == SERVICES else ROOT).as_posix()
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def problem_lines() -> Iterator[tuple[str, ast.Call]]:
    """Every call that writes a warning or an error."""
    for name, tree in trees():
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("warning", "error", "exception", "critical", "log")
                and ast.unparse(node.func.value) == "logger()"
            ):
                yield name, node


def entry_points() -> set[str]:
    found = set()
    for name, tree in trees():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "handler":
                found.add(name)
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "handler":
                assert isinstance(node.value, ast.Call), name
                found.add(ast.unparse(node.value.func))
    return found


def test_every_entry_point_is_tried() -> None:
    assert entry_points() == TRIED | WITHOUT_LINES


def test_lines_outside_of_an_entry_point_name_their_tenant_and_request() -> None:
    found: dict[str, set[str]] = {}
    for name, call in problem_lines():
        message = call.args[0]
        assert isinstance(message, ast.Constant), f"{name}:{call.lineno}: a constant message"
        if name in OUTSIDE:
            found.setdefault(name, set()).add(message.value)
            given = {one.arg for one in call.keywords}
            assert given & {"tenant", None}, f"{name}:{call.lineno} names no tenant"
        elif message.value in ABOUT_NO_WORK:
            continue
    assert found == OUTSIDE


def test_nothing_writes_warnings_or_errors_beside_the_logger() -> None:
    """The formatter of `logger()` names the work; another logger's lines would lack it."""
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "getLogger":
                pytest.fail(f"{name}:{node.lineno}: use kernel.runtime.log.logger")


def test_a_thread_carries_the_work() -> None:
    """Code in another thread has no work of its own, unless it is carried."""
    for name, tree in trees():
        made = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func).split(".")[-1] in ("Thread", "ThreadPoolExecutor")
        ]
        carried = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "carried"
        ]
        assert len(carried) >= len(made), f"{name}: use kernel.runtime.work.carried"
