"""Owning contexts that are slow, throttled or down, and imports that are to stop."""

import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from imports.jobs import sending
from kernel.tasks.job import Interruption, JobControl, JobFailed
from kernel.tasks.progress import Interrupted
from tests.component.conftest import published
from tests.component.imports.running import (
    Functions,
    Invocation,
    a_job,
    a_task,
    accounts,
    all_accounts,
    imported,
    problem,
    rejected,
    throttled,
)
from tests.component.kernel.flows import until

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of the sender, which do not take their time."""
    made: list[float] = []
    monkeypatch.setattr(sending.GroupSender, "_pause", lambda _, seconds: made.append(seconds))
    return made


def first(number: int, answer: Callable[[], Any]) -> Callable[[Invocation], Any]:
    """What the first invocations get in place of the function's answer."""
    calls = itertools.count()
    return lambda _: answer() if next(calls) < number else None


def raises() -> Any:
    raise throttled()


def with_statuses(
    functions: Functions, status: int, times: int, **more: Any
) -> Callable[[Invocation, dict[str, Any]], dict[str, Any]]:
    """Answers in which the second item of a batch of three, and alone, has a problem."""
    calls = itertools.count()

    def changed(_: Invocation, answer: dict[str, Any]) -> dict[str, Any]:
        if next(calls) >= times:
            return answer
        body = json.loads(answer["body"])
        results = body["results"]
        index = 1 if len(results) == 3 else 0
        why = {"type": "urn:zebros:problem:x", "title": "X", "status": status, "detail": "why"}
        results[index] = {"index": index, "status": status, "problem": {**why, **more}}
        return {**answer, "body": json.dumps(body)}

    return changed


@pytest.mark.parametrize(
    "fault",
    [
        raises,
        lambda: {"FunctionError": "Unhandled"},
        lambda: problem(503, retry_after="1"),
        lambda: problem(500),
        lambda: {"errorMessage": "not an answer of an API"},
    ],
    ids=["throttled", "failed", "not ready", "internal", "no answer"],
)
def test_a_batch_that_got_no_answer_is_sent_again(
    ask: Ask, functions: Functions, pauses: list[float], fault: Callable[[], Any]
) -> None:
    functions.before = first(3, fault)
    run = ask(accounts(2))
    assert imported(run, functions)["created"] == 2
    assert set(functions.keys) == {f"import-{run['id']}-1"}, "each time the same request"
    assert len(pauses) == 3


def test_pauses_are_those_of_retry_after_or_longer(
    ask: Ask, functions: Functions, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "backoff", lambda faults: float(faults))
    answers = iter([problem(429, retry_after="7"), problem(503, retry_after="9"), problem(500)])
    functions.before = first(3, lambda: next(answers))
    imported(ask(accounts(1)), functions)
    assert pauses == [7.0, 9.0, 2.0]


def test_a_pause_takes_its_time(ask: Ask, functions: Functions) -> None:
    times: list[float] = []

    def busy_once(_: Invocation) -> Any:
        times.append(time.monotonic())
        return problem(429, retry_after="1") if len(times) == 1 else None

    functions.before = busy_once
    imported(ask(accounts(1)), functions)
    assert times[1] - times[0] >= 1


def test_a_quota_is_waited_for_however_long_it_takes(
    ask: Ask, functions: Functions, pauses: list[float]
) -> None:
    functions.before = first(50, lambda: problem(429, retry_after="2"))
    assert imported(ask(accounts(1)), functions)["created"] == 1
    assert pauses == [2.0] * 50


def test_without_an_answer_the_task_fails_and_the_next_attempt_goes_on_at_the_checkpoint(
    ask: Ask, functions: Functions, pauses: list[float], small: None
) -> None:
    functions.before = lambda event: raises() if '"a-41"' in event["body"] else None
    run = ask(accounts(60))
    with pytest.raises(JobFailed, match="WorkerUnavailable"):
        imported(run, functions)
    assert functions.keys.count(f"import-{run['id']}-41") == 10
    functions.before = lambda _: None
    functions.events.clear()
    assert imported(run, functions)["created"] == 60
    assert sum(functions.sizes) == 20


@pytest.mark.parametrize("status", [409, 412, 429, 500, 503])
def test_an_item_that_may_succeed_later_is_sent_again_without_the_others(
    ask: Ask, functions: Functions, pauses: list[float], status: int
) -> None:
    functions.after = with_statuses(functions, status, times=2)
    run = ask(accounts(3))
    outcome = imported(run, functions)
    assert (outcome["created"], outcome["rejected"]) == (3, 0), "made by the first request"
    key = f"import-{run['id']}-1"
    assert functions.keys == [key, f"{key}-2", f"{key}-3"]
    assert functions.sizes == [3, 1, 1]
    assert len(pauses) == 2


def test_an_item_is_sent_five_times_and_then_rejected_with_its_problem(
    ask: Ask, functions: Functions, pauses: list[float]
) -> None:
    functions.after = with_statuses(functions, 503, times=100)
    run = ask(accounts(3))
    outcome = imported(run, functions)
    assert (outcome["created"], outcome["rejected"]) == (2, 1)
    assert functions.sizes == [3, 1, 1, 1, 1]
    (one,) = rejected(run)
    assert (one["line"], one["problem"]["status"], one["problem"]["detail"]) == (2, 503, "why")
    assert one["record"]["name"] == "Account 2"


@pytest.mark.parametrize(
    ("status", "errors"), [(409, [{"field": "code", "message": "m"}]), (422, [])]
)
def test_an_item_that_stays_wrong_is_rejected_at_once(
    ask: Ask, functions: Functions, pauses: list[float], status: int, errors: list[Any]
) -> None:
    functions.after = with_statuses(functions, status, times=100, errors=errors)
    assert imported(ask(accounts(3)), functions)["rejected"] == 1
    assert functions.sizes == [3]


def test_a_request_that_is_still_carried_out_is_waited_for(
    ask: Ask, functions: Functions, pauses: list[float]
) -> None:
    functions.before = first(2, lambda: problem(409, "idempotency-key-in-use", retry_after="29"))
    run = ask(accounts(1))
    assert imported(run, functions)["created"] == 1
    assert pauses == [29.0, 29.0]
    assert set(functions.keys) == {f"import-{run['id']}-1"}


def test_a_request_whose_answer_was_not_stored_is_sent_with_another_key(
    ask: Ask, functions: Functions, pauses: list[float]
) -> None:
    run = ask(accounts(1))
    key = f"import-{run['id']}-1"
    functions.before = lambda event: (
        problem(409, "idempotency-key-in-use", retry_after="1")
        if event["headers"]["idempotency-key"] == key
        else None
    )
    assert imported(run, functions)["created"] == 1
    assert sum(pauses) == pytest.approx(61), "longer than any request is carried out"
    assert functions.keys[-1].startswith(f"{key}-")


def test_a_key_that_had_other_lines_is_replaced(ask: Ask, functions: Functions) -> None:
    """A worker of another release has divided the lines in another way."""
    run = ask(accounts(4))
    key = {"idempotency-key": f"import-{run['id']}-1"}
    other = {"items": accounts(2)}
    assert functions.api("customers")("POST", "/v1/accounts/batch", other, key).status == 207
    assert imported(run, functions)["created"] == 4
    assert len(all_accounts(functions)) == 4


def test_a_request_that_is_too_large_is_sent_in_halves(ask: Ask, functions: Functions) -> None:
    functions.before = lambda event: (
        problem(413) if len(json.loads(event["body"])["items"]) > 3 else None
    )
    run = ask(accounts(10))
    assert imported(run, functions)["created"] == 10
    assert functions.sizes == [10, 5, 2, 3, 5, 2, 3]
    key = f"import-{run['id']}-1"
    assert functions.keys[-1] == f"{key}-b-b"
    assert len(set(functions.keys)) == 7


def test_a_line_that_is_too_large_alone_is_rejected(ask: Ask, functions: Functions) -> None:
    functions.before = lambda event: problem(413) if '"a-2"' in event["body"] else None
    run = ask(accounts(4))
    assert imported(run, functions)["created"] == 3
    (one,) = rejected(run)
    assert (one["line"], one["problem"]["status"]) == (2, 413)


def test_large_lines_make_small_chunks(ask: Ask, functions: Functions) -> None:
    notes = "ü" * 45_000
    records = [{"name": f"N{n}", "colour": notes, "external_ids": {"e": str(n)}} for n in range(25)]
    content = "\n".join(json.dumps(one, ensure_ascii=False) for one in records)
    assert imported(ask(content.encode()), functions)["rejected"] == 25
    assert sum(functions.sizes) == 25
    assert max(len(event["body"].encode()) for event in functions.events) < 1_000_000


def test_a_whole_request_that_is_refused_fails_the_import(ask: Ask, functions: Functions) -> None:
    functions.before = lambda _: problem(403, "tenant-suspended")
    with pytest.raises(JobFailed, match="NotAllowed"):
        imported(ask(accounts(3)), functions)
    functions.before = lambda _: problem(404)
    with pytest.raises(JobFailed, match="Unexpected"):
        imported(ask(accounts(3)), functions)


def test_an_answer_without_all_results_fails_the_import(ask: Ask, functions: Functions) -> None:
    def without_the_last(_: Invocation, answer: dict[str, Any]) -> dict[str, Any]:
        body = json.loads(answer["body"])
        return {**answer, "body": json.dumps({"results": body["results"][:-1]})}

    functions.after = without_the_last
    with pytest.raises(JobFailed, match="Unexpected: 2 results for 3 lines"):
        imported(ask(accounts(3)), functions)


class Running:
    """An import on a thread of its own, as in a worker."""

    def __init__(self, run: dict[str, Any], functions: Functions) -> None:
        self.control = JobControl()
        self.job = a_job(functions)
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(run,))
        self.thread.start()

    def _run(self, run: dict[str, Any]) -> None:
        try:
            self.job.run(a_task(run), self.control)
        except BaseException as error:
            self.error = error

    def interrupt(self, reason: Interruption) -> float:
        """Ask it to stop; returns how long that took."""
        started = time.monotonic()
        self.control.interrupt(reason)
        self.thread.join(20)
        assert not self.thread.is_alive()
        assert isinstance(self.error, Interrupted)
        return time.monotonic() - started


def test_an_import_that_waits_for_a_quota_stops_within_seconds(
    ask: Ask, functions: Functions
) -> None:
    functions.before = lambda _: problem(429, retry_after="3600")
    running = Running(ask(accounts(1)), functions)
    until(lambda: functions.events)
    assert running.interrupt(Interruption.CANCELLED) < 5


def test_a_cancelled_import_sends_nothing_any_more(
    ask: Ask, functions: Functions, small: None, cloud: Any
) -> None:
    go_on = threading.Event()

    def waits(_: Invocation) -> None:
        go_on.wait(10)

    functions.before = waits
    run = ask(accounts(100))
    running = Running(run, functions)
    until(lambda: len(functions.events) == 4)
    running.control.interrupt(Interruption.CANCELLED)
    time.sleep(0.1)
    go_on.set()
    running.interrupt(Interruption.CANCELLED)
    assert len(functions.events) == 4, "a group"
    assert len(published(cloud)) == 40


def test_a_stopped_worker_puts_the_import_back(
    ask: Ask, functions: Functions, small: None, api: Any
) -> None:
    functions.before = lambda _: problem(429, retry_after="3600")
    run = ask(accounts(1))
    running = Running(run, functions)
    until(lambda: functions.events)
    running.interrupt(Interruption.STOPPING)
    running.job.requeue(a_task(run))
    seen = api("GET", f"/v1/imports/{run['id']}").json
    assert (seen["status"], seen["attempts"]) == ("retry_pending", 0)
    functions.before = lambda _: None
    assert imported(run, functions)["created"] == 1
