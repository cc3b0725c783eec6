"""An import from the request to its outcome: API, reactor, state machine, worker, batches."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from imports.model import ImportRun
from imports.service import MAX_RUN_SECONDS, POLICY
from kernel.domain.aggregate import Change
from kernel.domain.clock import utc_now
from kernel.runtime import aws
from kernel.tasks.retry import RetryPolicy
from kernel.tasks.worker.loop import Worker
from kernel.tasks.worker.timing import WorkerTiming
from tests.component.conftest import ApiClient, published
from tests.component.imports.running import (
    TABLE,
    Functions,
    Invocation,
    a_job,
    accounts,
    all_accounts,
    rejected,
)
from tests.component.kernel.flows import Machine, carried_out, left, task_queue, until
from tests.component.kernel.queues import body, lambda_event
from tests.component.test_budgets import ROOT

Ask = Callable[..., dict[str, Any]]
ASL = ROOT / "statemachines" / "import.asl.json"
QUICK = WorkerTiming(
    poll_wait=1,
    visibility_timeout=4,
    heartbeat_interval=0.5,
    cancel_poll_interval=0.2,
    progress_interval=0.2,
    grace_period=10.0,
)


def definition(heartbeat_seconds: int) -> dict[str, Any]:
    """The deployed state machine, with another heartbeat timeout."""
    found: dict[str, Any] = json.loads(
        ASL.read_text(encoding="utf-8").replace("${StepsFunctionArn}", "steps")
    )
    queue = found["States"]["Queue"]
    assert queue["TimeoutSeconds"] == POLICY.max_seconds
    queue["HeartbeatSeconds"] = heartbeat_seconds
    for state in found["States"].values():
        for retry in state.get("Retry", []):
            if "IntervalSeconds" in retry:
                retry |= {"MaxAttempts": 2, "BackoffRate": 1}
    return found


class Running:
    """The parts of a deployment other than the API."""

    def __init__(self, cloud: Any, functions: Functions, heartbeat_seconds: int) -> None:
        self.cloud, self.functions = cloud, functions
        self.queue = task_queue()
        self.machine = Machine(definition(heartbeat_seconds))
        self._relayed: set[str] = set()

    def relay(self, *, replayed: bool = False) -> None:
        """Deliver new events from the outbox to the reactor."""
        from imports.consumers.workflow import handler

        new = [one for one in published(self.cloud, TABLE) if one["id"] not in self._relayed]
        self._relayed |= {event["id"] for event in new}
        wanted = [body(one, replayed=replayed) for one in new if one["type"] in handler.types]
        if wanted:
            assert handler(lambda_event(wanted), None) == {"batchItemFailures": []}

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """A worker that serves the queue."""
        worker = Worker(
            {"import": a_job(self.functions)},
            self.queue,
            sqs=aws.client("sqs"),
            states=aws.client("stepfunctions"),
            timing=QUICK,
        )
        thread = threading.Thread(target=worker.serve)
        thread.start()
        try:
            yield worker
        finally:
            worker.stop()
            thread.join(20)
            assert not thread.is_alive()

    def published(self, run: dict[str, Any]) -> list[str]:
        """The events about a run, in order."""
        subject = f"import/{run['id']}"
        return [one["type"] for one in published(self.cloud, TABLE) if one["subject"] == subject]


@pytest.fixture
def running(cloud: Any, functions: Functions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Everything that carries out imports; `with running.worker()` starts a worker."""
    from imports.bootstrap import runs
    from imports.handlers.steps import handler

    monkeypatch.setattr(
        runs(), "policy", RetryPolicy(first_pause_seconds=0, waiting_pause_seconds=0)
    )
    with carried_out(steps=handler):
        running = Running(cloud, functions, heartbeat_seconds=2)
        monkeypatch.setenv("STATE_MACHINE_ARN", running.machine.arn)
        monkeypatch.setenv("IMPORT_QUEUE_URL", running.queue)
        yield running


def seen(api: ApiClient, run: dict[str, Any]) -> Any:
    """The run as its API shows it."""
    return api("GET", f"/v1/imports/{run['id']}").json


def test_a_requested_import_is_carried_out(api: ApiClient, ask: Ask, running: Running) -> None:
    run = ask([*accounts(3), {"name": ""}])
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    done = seen(api, run)
    assert (done["status"], done["progress"], done["attempts"]) == ("completed", 100, 1)
    counts = {name: done["outcome"][name] for name in ("lines", "created", "rejected")}
    assert counts == {"lines": 4, "created": 3, "rejected": 1}
    assert "rejected_url" in done
    assert len(rejected(run)) == 1
    assert running.published(run) == ["ImportRequested", "ImportStarted", "ImportCompleted"]
    assert left(running.queue) == 0


def test_one_import_of_a_tenant_runs_and_the_others_wait(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    first, second = ask(accounts(1)), ask(accounts(1, 2))
    running.relay()
    assert (seen(api, first).get("queue_position"), seen(api, second)["queue_position"]) == (
        None,
        1,
    )
    third = ask(accounts(1, 3))
    running.relay()
    assert seen(api, third)["progress_text"] == "Waiting for your organisation's other imports"
    with running.worker():
        assert running.machine.end(first["id"]) == "SUCCEEDED"
        running.relay()
        assert running.machine.end(second["id"]) == "SUCCEEDED"
    assert seen(api, third)["queue_position"] == 1


def test_three_imports_of_a_tenant_with_the_plan_premium_run(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    premium = api.as_(plan="premium")
    runs = [ask(accounts(1), by=premium) for _ in range(4)]
    running.relay()
    assert [seen(api, one).get("queue_position") for one in runs] == [None, None, None, 1]


def test_an_import_without_a_worker_fails_at_once(
    api: ApiClient, ask: Ask, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imports.bootstrap import tiers

    monkeypatch.setenv("IMPORT_QUEUE_URL", "")
    tiers.cache_clear()
    run = ask(accounts(1))
    running.relay()
    assert running.machine.end(run["id"]) == "FAILED"
    done = seen(api, run)
    assert (done["status"], done["failure"]) == ("failed", "no_worker")
    assert done["reason"] == (
        "An import needs a worker, and none is deployed. Ask your administrator to deploy one "
        "(parameter WorkerImage)."
    )


def test_the_requester_s_missing_rights_fail_the_import(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    rosa = api.as_(user="rosa", roles="sales-representative")
    run = ask([{"name": "Box"}], by=rosa, record_type="products")
    running.relay()
    with running.worker():
        assert running.machine.end(run["id"]) == "FAILED"
    done = seen(api, run)
    assert (done["status"], done["failure"]) == ("failed", "not_allowed")
    # moto passes no cause on.
    assert done["reason"].startswith("The import was not allowed to change such records")
    assert running.published(run) == ["ImportRequested", "ImportStarted", "ImportFailed"]


def test_parameters_of_another_release_fail_with_their_field(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    from imports.bootstrap import repository

    run = ask(accounts(1))
    unknown = {"record_type": "leads"}

    def change(run: ImportRun) -> Change[ImportRun]:
        return Change(run.with_changes(parameters=run.parameters.model_copy(update=unknown)))

    repository().change("acme", run["id"], change)
    running.relay()
    assert running.machine.end(run["id"]) == "FAILED"
    assert seen(api, run)["failure"] == "bad_parameters"
    assert seen(api, run)["reason"] == (
        "The parameters of this import are not valid: record_type must be one of: accounts, "
        "contacts, products, opportunities."
    )


def test_a_stopped_worker_s_import_is_finished_by_another_one(
    api: ApiClient, ask: Ask, running: Running, small: None
) -> None:
    run = ask(accounts(100))
    running.relay()

    def stops(_: Invocation) -> None:
        if len(running.functions.events) == 5:
            stopped.stop()
            time.sleep(1)  # until the job is asked to stop

    with running.worker() as stopped:
        running.functions.before = stops
        until(lambda: len(running.functions.events) >= 5)
    assert seen(api, run)["status"] == "retry_pending"
    with running.worker():
        assert running.machine.end(run["id"]) == "SUCCEEDED"
    done = seen(api, run)
    assert (done["attempts"], done["outcome"]["created"]) == (1, 100)
    assert len(all_accounts(running.functions)) == 100


def test_a_cancelled_import_stops_within_seconds(
    api: ApiClient, ask: Ask, running: Running, small: None
) -> None:
    go_on = threading.Event()

    def slow(_: Invocation) -> None:
        go_on.wait(0.3)

    running.functions.before = slow
    run = ask(accounts(400))
    running.relay()
    with running.worker():
        until(lambda: seen(api, run)["status"] == "processing")
        assert api("POST", f"/v1/imports/{run['id']}/cancel").status == 200
        assert running.machine.end(run["id"], 10) == "SUCCEEDED"
        until(lambda: left(running.queue) == 0, 10)
        sent = len(running.functions.events)
    assert sent < 40, "not the whole file"
    assert seen(api, run)["status"] == "cancelled"
    assert running.published(run)[-1] == "ImportCancelled"


def test_a_replayed_event_starts_nothing(ask: Ask, running: Running) -> None:
    ask(accounts(1))
    running.relay(replayed=True)
    found = running.machine.states.list_executions(stateMachineArn=running.machine.arn)
    assert found["executions"] == []


def test_an_import_has_its_slot_as_long_as_its_attempts_may_take(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imports.bootstrap import admission, slots

    assert MAX_RUN_SECONDS == 4 * 7 * 3600
    monkeypatch.setenv("STATE_MACHINE_ARN", "arn")
    monkeypatch.setattr(admission(), "_start", lambda *_: None)
    run = ask(accounts(1))
    admission().settle("acme")
    waiting = ask(accounts(1, 2))
    for seconds, holder in ((MAX_RUN_SECONDS - 60, run), (MAX_RUN_SECONDS + 60, waiting)):
        later = timedelta(seconds=seconds)
        monkeypatch.setattr(admission(), "_now", lambda later=later: utc_now() + later)
        admission().settle("acme")
        assert list(slots().read("acme").holders) == [holder["id"]]
