"""A tenant's quota of running reports: five at a time, twenty in the plan premium; others wait."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from kernel.domain.clock import utc_now
from kernel.domain.errors import StaleVersion
from kernel.domain.ids import new_id
from kernel.runtime import aws
from kernel.tasks.admission import TaskAdmission
from kernel.tasks.slots import SlotRepository
from reporting.failures import FAILURES
from reporting.model import ReportRun
from reporting.repository import ReportRepository
from tests.component.conftest import ApiClient, examples, published
from tests.component.kernel.interleaving import Killed, StepTable, interleave

LIMITS = {"standard": 2, "premium": 4}


class Executions:
    """The state machine: which executions were started, in order, each once."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.calls = 0

    def start(self, _tenant: str, run_id: str, _correlation: str) -> None:
        self.calls += 1
        if run_id not in self.started:
            self.started.append(run_id)


class Tenant:
    """A tenant with its reports, whose events are delivered when the test says so."""

    def __init__(self, cloud: Any, table: Any = None) -> None:
        self.id = f"t{new_id().lower()}"
        self.executions = Executions()
        self.repository = ReportRepository(table or StepTable(cloud, "table"), utc_now)
        self.slots = SlotRepository(self.repository.runs.table, "report")
        self.admission = TaskAdmission[ReportRun](
            self.repository, self.slots, self.executions.start, LIMITS, utc_now
        )
        self.requested: list[str] = []
        self.ended: set[str] = set()

    def request(self, plan: str = "standard") -> str:
        """Request a report; the event is not delivered yet."""
        from reporting.handlers.api import handler

        api = ApiClient(handler, tenant=self.id, plan=plan)
        answer = api("POST", "/reports", {"report": "win_rate", "format": "json"})
        assert answer.status == 202, answer.text
        self.requested.append(answer.json["id"])
        return self.requested[-1]

    def end(self, run_id: str, how: str = "fail") -> str:
        """End a run; the event is not delivered yet."""
        failure = FAILURES.failure("Unexpected", "")
        changes: dict[str, Callable[[ReportRun], Any]] = {
            "fail": lambda run: run.fail(failure, utc_now()),
            "cancel": lambda run: run.cancel("ann", utc_now()),
        }
        self.repository.change(self.id, run_id, changes[how])
        self.ended.add(run_id)
        return run_id

    def settle(self, ended: str | None = None) -> None:
        """Deliver an event."""
        self.admission.settle(self.id, ended)

    def later(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        """Let time pass for the slots."""
        passed = timedelta(seconds=seconds)
        monkeypatch.setattr(self.admission, "_now", lambda: utc_now() + passed)

    @property
    def running(self) -> list[str]:
        """The runs that were started and have not ended."""
        return [one for one in self.executions.started if one not in self.ended]

    @property
    def waiting(self) -> list[str]:
        """The runs that wait for a slot."""
        return [one.run_id for one in self.slots.waiting(self.id, 100)]


@pytest.fixture
def tenant(cloud: Any, buckets: Any) -> Tenant:
    return Tenant(cloud)


def test_so_many_run_and_the_others_wait_in_the_order_of_their_requests(tenant: Tenant) -> None:
    runs = [tenant.request() for _ in range(5)]
    for _ in runs:
        tenant.settle()
    assert tenant.running == runs[:2]
    assert tenant.waiting == runs[2:]
    tenant.settle(tenant.end(runs[1]))
    assert tenant.running == [runs[0], runs[2]]
    tenant.settle(tenant.end(runs[0]))
    tenant.settle(tenant.end(runs[2]))
    assert tenant.running == runs[3:]
    assert tenant.waiting == []


def test_the_plan_of_a_request_decides_how_many_run(tenant: Tenant) -> None:
    for _ in range(6):
        tenant.request("premium")
        tenant.settle()
    assert len(tenant.running) == 4
    assert len(tenant.waiting) == 2


def test_an_unknown_plan_has_the_standard_s_quota(tenant: Tenant) -> None:
    for _ in range(3):
        tenant.request("gold")
        tenant.settle()
    assert len(tenant.running) == 2


def test_a_run_that_is_cancelled_while_it_waits_never_starts(tenant: Tenant) -> None:
    runs = [tenant.request() for _ in range(4)]
    tenant.settle()
    tenant.settle(tenant.end(runs[2], "cancel"))
    assert tenant.waiting == [runs[3]]
    tenant.settle(tenant.end(runs[0]))
    assert tenant.running == [runs[1], runs[3]]
    assert runs[2] not in tenant.executions.started


def test_a_run_that_was_cancelled_is_passed_over_before_its_event_arrives(tenant: Tenant) -> None:
    runs = [tenant.request() for _ in range(4)]
    tenant.settle()
    tenant.end(runs[2], "cancel")
    tenant.settle(tenant.end(runs[0]))
    assert tenant.running == [runs[1], runs[3]]
    tenant.settle(runs[2])
    assert tenant.running == [runs[1], runs[3]]


def test_an_event_that_is_delivered_again_changes_nothing(tenant: Tenant) -> None:
    runs = [tenant.request() for _ in range(5)]
    for ended in (None, None, tenant.end(runs[0]), runs[0], None, runs[0]):
        tenant.settle(ended)
    assert tenant.running == runs[1:3]
    assert tenant.waiting == runs[3:]


def test_a_start_that_failed_is_made_by_the_event_s_next_delivery(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tenant.request()

    def throttled(*_: str) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution")

    with monkeypatch.context() as patch:
        patch.setattr(tenant.admission, "_start", throttled)
        with pytest.raises(ClientError):
            tenant.settle()
    assert tenant.running == []
    tenant.settle()
    assert tenant.running == [run]


def test_a_start_that_a_killed_process_did_not_make_is_made_by_the_next_event(
    tenant: Tenant,
) -> None:
    first = tenant.request()
    tenant.settle()
    killed = tenant.request()
    start = tenant.admission._start

    def dies(*_: str) -> None:
        tenant.admission._start = start
        raise Killed

    def start_others(tenant_id: str, run_id: str, correlation_id: str) -> None:
        if run_id == killed:
            dies()
        start(tenant_id, run_id, correlation_id)

    tenant.admission._start = start_others
    with pytest.raises(Killed):  # its process ended after the transaction
        tenant.settle()
    assert tenant.running == [first]
    tenant.request()
    tenant.settle()
    assert tenant.running == [first, killed]
    assert len(tenant.waiting) == 1


def test_a_slot_whose_end_was_never_told_is_taken_back_when_another_run_waits(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [tenant.request() for _ in range(3)]
    tenant.settle()
    tenant.end(runs[0])
    tenant.settle()
    assert tenant.waiting == [runs[2]], "its event may only be late"
    tenant.later(monkeypatch, 60)
    tenant.settle()
    assert tenant.running == runs[1:]


def test_a_run_that_has_a_slot_for_six_hours_is_lost(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [tenant.request() for _ in range(4)]
    tenant.settle()
    for seconds, started in ((6 * 3600 - 5, 2), (6 * 3600 + 5, 4)):
        tenant.later(monkeypatch, seconds)
        tenant.settle()
        assert tenant.executions.started == runs[:started]


def test_other_tenants_have_slots_of_their_own(cloud: Any, buckets: Any) -> None:
    one, other = Tenant(cloud), Tenant(cloud)
    for _ in range(3):
        one.request()
        one.settle()
    run = other.request()
    other.settle()
    assert other.running == [run]


STEPS = st.lists(
    st.sampled_from(["request", "deliver", "end", "cancel", "again", "lose"]), max_size=25
)


@examples(12)
@given(steps=STEPS, pick=st.randoms(use_true_random=False))
def test_whatever_happens_the_quota_holds_the_order_is_kept_and_no_run_is_forgotten(
    cloud: Any, buckets: Any, steps: list[str], pick: Any
) -> None:
    """Events are delivered in any order, some twice; a process may end before it starts a run."""
    tenant = Tenant(cloud)
    undelivered: list[str | None] = []
    delivered: list[str | None] = []
    start = tenant.admission._start

    def deliver(event: str | None, *, loses_start: bool = False) -> None:
        tenant.admission._start = killed if loses_start else start
        try:
            tenant.settle(event)
        except Killed:
            undelivered.append(event)  # the message comes again
        finally:
            tenant.admission._start = start

    def killed(*_: str) -> None:
        raise Killed

    for step in steps:
        if step == "request":
            tenant.request()
            undelivered.append(None)
        elif step in ("deliver", "lose") and undelivered:
            event = undelivered.pop(pick.randrange(len(undelivered)))
            delivered.append(event)
            deliver(event, loses_start=step == "lose")
        elif step == "end" and tenant.running:
            undelivered.append(tenant.end(pick.choice(tenant.running)))
        elif step == "cancel" and (open_ := [r for r in tenant.requested if r not in tenant.ended]):
            undelivered.append(tenant.end(pick.choice(open_), "cancel"))
        elif step == "again" and delivered:
            deliver(pick.choice(delivered))
        assert len(tenant.running) <= LIMITS["standard"]
        assert tenant.executions.started == sorted(tenant.executions.started), "the order is kept"
    for event in undelivered:
        deliver(event)
    while tenant.running:
        assert len(tenant.running) <= LIMITS["standard"]
        deliver(tenant.end(tenant.running[0]))
    assert tenant.waiting == []
    assert set(tenant.requested) == tenant.ended, "every run has ended"
    assert tenant.slots.read(tenant.id).holders == {}


@examples(8)
@given(
    ends=st.integers(0, 2),
    requests=st.integers(1, 3),
    turns=st.lists(st.integers(0, 5), min_size=1, max_size=60),
    dies=st.lists(st.none() | st.integers(0, 5), min_size=5, max_size=5),
)
def test_processes_that_settle_at_once_never_exceed_the_quota(
    cloud: Any, buckets: Any, ends: int, requests: int, turns: list[int], dies: list[int | None]
) -> None:
    tenant = Tenant(cloud)
    for _ in range(4):
        tenant.request()
    tenant.settle()
    ended = [tenant.end(run) for run in tenant.running[:ends]]
    for _ in range(requests):
        tenant.request()
    events: list[str | None] = [*ended, *[None] * requests]
    works = [lambda event=event: tenant.settle(event) for event in events]

    def endless() -> Any:
        while True:
            yield from turns

    interleave(works, endless(), dies[: len(works)])
    assert len(tenant.running) <= LIMITS["standard"]
    for event in events:  # the messages of killed processes come again
        tenant.settle(event)
    assert len(tenant.running) == min(LIMITS["standard"], 4 + requests - ends)
    assert tenant.executions.started == tenant.requested[: len(tenant.executions.started)]
    assert set(tenant.waiting) | set(tenant.executions.started) == set(tenant.requested)


def test_the_calls_for_one_report_are_few(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tenant.request()
    calls: list[str] = []
    client = aws.client("dynamodb")
    tenant.slots.table._client.meta.events.register(
        "before-call.dynamodb", lambda model, **_: calls.append(model.name)
    )
    tenant.settle()
    assert calls[:4] == ["GetItem", "Query", "GetItem", "TransactWriteItems"]
    assert calls[4:] == ["GetItem", "Query"], "and a look for a second one"
    calls.clear()
    tenant.settle(tenant.end(run))
    assert calls[-3:] == ["GetItem", "Query", "TransactWriteItems"]
    assert client is not None


def test_the_api_shows_the_place_in_the_line(cloud: Any, buckets: Any) -> None:
    tenant = Tenant(cloud)
    from reporting.handlers.api import handler

    api = ApiClient(handler, tenant=tenant.id)
    runs = [tenant.request() for _ in range(4)]
    tenant.settle()
    shown = [api("GET", f"/reports/{run}").json for run in runs]
    assert [one.get("queue_position") for one in shown] == [None, None, 1, 2]
    assert shown[3]["progress_text"] == "Waiting for your organisation's other reports"
    assert shown[2]["progress_text"] == "Waiting for a worker"
    tenant.settle(tenant.end(runs[0]))
    assert api("GET", f"/reports/{runs[3]}").json["queue_position"] == 1


def test_a_place_behind_the_hundredth_is_not_counted_further(tenant: Tenant) -> None:
    for number in range(120):
        item = tenant.slots.wait(tenant.id, f"r{number:03}", "standard").item
        tenant.slots.table.put(item)
    assert tenant.slots.place(tenant.id, "r098") == 99
    assert tenant.slots.place(tenant.id, "r099") == 100
    assert tenant.slots.place(tenant.id, "r119") == 100
    assert tenant.slots.place(tenant.id, "q") is None
    assert tenant.slots.place(tenant.id, "r0985") is None


def test_a_wait_for_the_own_other_reports_is_no_wait_for_a_worker(
    tenant: Tenant, cloud: Any
) -> None:
    run_id = tenant.request()
    assert tenant.repository.runs.get(tenant.id, run_id).admitted_at is None
    tenant.settle()
    assert tenant.repository.runs.get(tenant.id, run_id).admitted_at is not None
    (event,) = [one for one in published(cloud) if one["tenantid"] == tenant.id]
    assert "admitted_at" not in json.dumps(event), "nobody else needs it"


def test_slots_are_not_given_from_an_old_reading(tenant: Tenant) -> None:
    before = tenant.slots.read(tenant.id)
    put = tenant.slots.put(tenant.id, before.with_run("a", "", 1.0))
    tenant.slots.table.transact([put])
    with pytest.raises(StaleVersion):
        tenant.slots.table.transact([tenant.slots.put(tenant.id, before.with_run("b", "", 1.0))])
    assert dict(tenant.slots.read(tenant.id).holders) == {"a": 1.0}
