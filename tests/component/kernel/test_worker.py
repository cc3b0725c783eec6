"""The worker's loop with a toy job, against SQS and Step Functions in process (moto)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from kernel.runtime import aws
from kernel.tasks.job import Interruption, JobControl, JobFailed, Task
from kernel.tasks.progress import Interrupted, Progress
from kernel.tasks.worker.loop import Worker
from kernel.tasks.worker.timing import WorkerTiming, backoff
from tests.component.kernel.flows import (
    Machine,
    carried_out,
    left,
    task_queue,
    until,
    waiting_for_a_worker,
)

QUICK = WorkerTiming(
    poll_wait=1,
    visibility_timeout=3,
    heartbeat_interval=0.3,
    cancel_poll_interval=0.1,
    progress_interval=0.2,
    grace_period=5.0,
)


class Toy:
    """A job whose behaviour is in its task."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.recorded: list[tuple[float, float, str]] = []
        self.requeued: list[dict[str, Any]] = []
        self.cancelled: set[str] = set()
        self.finish = threading.Event()
        self.interruptions: list[str] = []

    def run(self, task: Task, progress: Progress) -> dict[str, Any]:
        """`done`, `fails`, `breaks`, or `long`: until asked to finish or to stop."""
        what = task.body["what"]
        self.begun.append(what)
        if what == "fails":
            raise JobFailed("TooLarge", "It does not fit.")
        if what == "breaks":
            raise ValueError("zoe@example.com")
        if what == "deaf":
            self.finish.wait(20)
        number = 0
        while what == "long" and not self.finish.wait(0.01):
            number += 1
            try:
                progress.step(number / 1000, f"step {number}")
            except Interrupted as interrupted:
                self.interruptions.append(str(interrupted))
                raise
        return {"what": what, "receives": task.receives}

    def record_progress(self, task: Task, fraction: float, text: str) -> None:
        """Record the time."""
        self.recorded.append((time.monotonic(), fraction, text))

    def is_active(self, task: Task) -> bool:
        """Whether it is active; tests may change it."""
        return task.body["what"] not in self.cancelled

    def requeue(self, task: Task) -> None:
        """Remember it."""
        self.requeued.append(task.loggable())


class Faulty:
    """A client that records its calls; those in `broken` fail."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.broken: dict[str, str | Exception] = {}
        self.instead: dict[str, Callable[..., Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.failed: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def call(**given: Any) -> Any:
            self.calls.append((name, given))
            if code := self.broken.get(name):
                self.failed.append(name)
                if isinstance(code, Exception):
                    raise code
                raise ClientError({"Error": {"Code": code, "Message": "no"}}, name)
            return self.instead.get(name, getattr(self._client, name))(**given)

        return call

    def given(self, name: str) -> dict[str, Any]:
        """The arguments of the only call of this name."""
        (found,) = [given for called, given in self.calls if called == name]
        return found


class Bench:
    """A queue, a state machine and as many workers as a test starts."""

    def __init__(self) -> None:
        self.queue = task_queue()
        self.machine = Machine(waiting_for_a_worker(self.queue))
        self.job = Toy()
        self.beats: list[float] = []
        self.sqs, self.states = Faulty(aws.client("sqs")), Faulty(aws.client("stepfunctions"))

    @contextmanager
    def worker(
        self, timing: WorkerTiming = QUICK, job: Toy | None = None
    ) -> Iterator[tuple[Worker, Callable[[], bool]]]:
        """A running worker; the second value stops it and returns whether its job had ended."""
        worker = Worker(
            {"toy": job or self.job},
            self.queue,
            sqs=self.sqs,
            states=self.states,
            timing=timing,
            beat=lambda: self.beats.append(time.monotonic()),
        )
        ready, served = threading.Event(), []
        thread = threading.Thread(target=lambda: served.append(worker.serve(ready.set)))
        thread.start()

        def stop() -> bool:
            worker.stop()
            thread.join(20)
            assert not thread.is_alive()
            return served[0]

        try:
            assert ready.wait(10) or self.sqs.broken, "the worker never reported that it is ready"
            yield worker, stop
        finally:
            self.job.finish.set()
            stop()


@pytest.fixture
def bench(cloud: Any) -> Iterator[Bench]:
    with carried_out():
        yield Bench()


def test_a_task_is_carried_out_its_result_sent_and_its_message_deleted(bench: Bench) -> None:
    bench.machine.start("a", what="done")
    with bench.worker():
        assert bench.machine.end("a") == "SUCCEEDED"
        until(lambda: left(bench.queue) == 0)
    assert bench.machine.output("a") == {"what": "done", "receives": 1}


def test_a_job_that_cannot_be_done_fails_the_task_with_its_reason(bench: Bench) -> None:
    bench.machine.start("a", what="fails")
    with bench.worker():
        assert bench.machine.end("a") == "FAILED"
        until(lambda: left(bench.queue) == 0)
    assert bench.machine.error("a") == "TooLarge"
    assert bench.states.given("send_task_failure")["cause"] == "It does not fit."


def test_an_unexpected_error_fails_the_task_and_the_worker_continues(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    bench.machine.start("a", what="breaks")
    bench.machine.start("b", what="done")
    with bench.worker():
        assert (bench.machine.end("a"), bench.machine.end("b")) == ("FAILED", "SUCCEEDED")
    assert bench.machine.error("a") == "Unexpected"
    assert bench.states.given("send_task_failure")["cause"] == "ValueError"
    assert "zoe@example.com" not in capfd.readouterr().out, "texts of errors are not logged"


def test_a_task_that_takes_longer_than_its_visibility_is_done_once(bench: Bench) -> None:
    bench.machine = Machine(waiting_for_a_worker(bench.queue, heartbeat_seconds=2))
    bench.machine.start("a", what="long")
    with bench.worker(), bench.worker():
        until(lambda: bench.job.begun)
        time.sleep(QUICK.visibility_timeout * 1.5)
        bench.job.finish.set()
        assert bench.machine.end("a") == "SUCCEEDED"
    assert bench.job.begun == ["long"], "neither delivered again nor considered lost"


def test_progress_is_recorded_at_most_as_often_as_configured(bench: Bench) -> None:
    bench.machine.start("a", what="long")
    with bench.worker():
        until(lambda: len(bench.job.recorded) >= 5)
    times = [at for at, _, _ in bench.job.recorded]
    assert min(b - a for a, b in pairwise(times)) >= QUICK.progress_interval
    fractions = [fraction for _, fraction, _ in bench.job.recorded]
    assert fractions == sorted(fractions)
    assert bench.job.recorded[-1][2].startswith("step ")


def test_a_cancelled_task_is_stopped_and_its_state_ended(bench: Bench) -> None:
    bench.machine.start("a", what="long")
    with bench.worker():
        until(lambda: bench.job.begun)
        bench.job.cancelled.add("long")
        assert bench.machine.end("a") == "FAILED"
        until(lambda: left(bench.queue) == 0)
    assert bench.machine.error("a") == "Cancelled"
    assert bench.job.interruptions == ["cancelled"]


def test_a_worker_asked_to_stop_requeues_its_task(bench: Bench) -> None:
    bench.machine.start("a", what="long")
    with bench.worker() as (_, stop):
        until(lambda: bench.job.begun)
        assert stop()
    assert bench.job.requeued == [{"job": "toy", "what": "long"}]
    assert bench.machine.status("a") == "RUNNING", "not answered"
    bench.job.finish.set()
    started = time.monotonic()
    with bench.worker():
        assert bench.machine.end("a") == "SUCCEEDED"
    assert time.monotonic() - started < QUICK.visibility_timeout - 1, "it came back at once"
    assert bench.machine.output("a")["receives"] == 2


def test_the_task_of_a_job_that_does_not_stop_is_requeued(bench: Bench) -> None:
    bench.machine.start("a", what="deaf")
    impatient = replace(QUICK, visibility_timeout=30, grace_period=0.3)
    with bench.worker(impatient) as (_, stop):
        until(lambda: bench.job.begun)
        assert not stop(), "the process must not wait for the thread"
    other = Toy()
    other.finish.set()
    with bench.worker(job=other):
        assert bench.machine.end("a", 5) == "SUCCEEDED"


def test_a_cancelled_job_that_does_not_stop_ends_its_task_and_its_worker(bench: Bench) -> None:
    bench.machine.start("a", what="deaf")
    impatient = replace(QUICK, grace_period=0.3)
    with bench.worker(impatient) as (_, stop):
        until(lambda: bench.job.begun)
        bench.job.cancelled.add("deaf")
        assert bench.machine.end("a", 5) == "FAILED"
        until(lambda: left(bench.queue) == 0)
        assert not stop(), "the thread still runs: another process must take its place"
    assert bench.machine.error("a") == "Cancelled"
    assert bench.job.requeued == []


def test_a_job_that_does_not_stop_when_nobody_waits_ends_its_worker(bench: Bench) -> None:
    bench.machine.start("a", what="deaf")
    impatient = replace(QUICK, grace_period=0.3)
    with bench.worker(impatient) as (_, stop):
        until(lambda: bench.job.begun)
        bench.states.broken["send_task_heartbeat"] = "TaskTimedOut"
        until(lambda: left(bench.queue) == 0)
        assert not stop()
    assert [name for name, _ in bench.states.calls if name.startswith("send_task_s")] == []
    assert bench.job.requeued == []


def test_a_worker_gives_signs_of_life_idle_and_busy(bench: Bench) -> None:
    with bench.worker():
        idle = len(bench.beats)
        until(lambda: len(bench.beats) > idle)
        bench.machine.start("a", what="long")
        until(lambda: bench.job.begun)
        busy = len(bench.beats)
        until(lambda: len(bench.beats) > busy + 3)


def test_a_task_received_while_stopping_is_requeued_untouched(bench: Bench) -> None:
    worker = Worker(
        {"toy": bench.job}, bench.queue, sqs=bench.sqs, states=bench.states, timing=QUICK
    )

    def stop_then_receive(**given: Any) -> Any:
        until(lambda: left(bench.queue))
        worker.stop()
        return bench.sqs._client.receive_message(**given)

    bench.sqs.instead["receive_message"] = stop_then_receive
    bench.machine.start("a", what="done")
    assert worker.serve()
    assert bench.job.begun == []
    del bench.sqs.instead["receive_message"]
    with bench.worker():
        assert bench.machine.end("a", 2) == "SUCCEEDED"


def test_an_expired_task_is_deleted_without_running_its_job(bench: Bench) -> None:
    bench.machine = Machine(waiting_for_a_worker(bench.queue, heartbeat_seconds=1))
    bench.machine.start("a", what="done")
    assert bench.machine.end("a") == "FAILED"
    with bench.worker():
        until(lambda: left(bench.queue) == 0)
    assert bench.job.begun == []


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_job_whose_task_token_expired_is_stopped(bench: Bench, code: str) -> None:
    bench.machine.start("a", what="long")
    with bench.worker():
        until(lambda: bench.job.begun)
        bench.states.broken["send_task_heartbeat"] = code
        until(lambda: left(bench.queue) == 0)
    assert bench.job.interruptions == ["abandoned"]


@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist"])
def test_a_result_with_an_expired_token_ends_the_task(bench: Bench, code: str) -> None:
    bench.states.broken["send_task_success"] = code
    bench.machine.start("a", what="done")
    with bench.worker():
        until(lambda: bench.states.failed)
        until(lambda: left(bench.queue) == 0)
    assert bench.job.begun == ["done"]


def test_a_result_that_cannot_be_sent_requeues_the_task(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel.tasks.worker.outcome.backoff", lambda faults: 0.01)
    bench.states.broken["send_task_success"] = "ThrottlingException"
    bench.machine.start("a", what="done")
    with bench.worker():
        until(lambda: len(bench.states.failed) == 4)
        assert left(bench.queue) == 1
        bench.states.broken.clear()
        assert bench.machine.end("a") == "SUCCEEDED"
    assert bench.machine.output("a")["receives"] == 2


@pytest.mark.parametrize(
    "fault", ["ThrottlingException", EndpointConnectionError(endpoint_url="http://nowhere")]
)
def test_a_failed_heartbeat_does_not_stop_the_job(bench: Bench, fault: str | Exception) -> None:
    bench.states.broken["send_task_heartbeat"] = fault
    bench.machine.start("a", what="long")
    with bench.worker():
        until(lambda: len(bench.states.failed) >= 3)
        bench.job.finish.set()
        assert bench.machine.end("a") == "SUCCEEDED"


def test_a_job_whose_progress_cannot_be_recorded_continues(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(*given: Any) -> bool:
        calls.append(given)
        raise OSError("the table does not answer")

    monkeypatch.setattr(bench.job, "record_progress", broken)
    monkeypatch.setattr(bench.job, "is_active", broken)
    bench.machine.start("a", what="long")
    with bench.worker():
        until(lambda: len(calls) >= 4)
        bench.job.finish.set()
        assert bench.machine.end("a") == "SUCCEEDED"


def test_a_message_that_is_not_a_task_of_this_worker_goes_to_the_dead_letter_queue(
    bench: Bench,
) -> None:
    for body in (
        "not json",
        "[]",
        '{"job": "toy", "what": "no token"}',
        '{"what": "no job", "task_token": "t"}',
        '{"job": "of another worker", "task_token": "t"}',
    ):
        bench.sqs.send_message(QueueUrl=bench.queue, MessageBody=body)
    bench.machine.start("a", what="done")
    with bench.worker():
        assert bench.machine.end("a") == "SUCCEEDED"
        until(lambda: left(bench.queue) == 5)
    assert bench.job.begun == ["done"]


def test_a_worker_retries_an_unavailable_queue_and_can_be_stopped(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[int] = []
    monkeypatch.setattr(
        "kernel.tasks.worker.loop.backoff", lambda faults: pauses.append(faults) or 0.01
    )
    bench.sqs.broken["receive_message"] = "ServiceUnavailable"
    bench.machine.start("a", what="done")
    with bench.worker() as (_, stop):
        until(lambda: len(pauses) >= 4)
        bench.sqs.broken.clear()
        assert bench.machine.end("a") == "SUCCEEDED"
        bench.sqs.broken["receive_message"] = "ServiceUnavailable"
        until(lambda: pauses.count(1) == 2)
        assert stop()
    assert pauses[:4] == [1, 2, 3, 4]


def test_a_worker_takes_one_task_at_a_time(bench: Bench) -> None:
    bench.machine.start("a", what="long")
    bench.machine.start("b", what="long")
    with bench.worker():
        until(lambda: bench.job.begun)
        until(lambda: left(bench.queue) == 2)
        time.sleep(0.5)
        found = bench.sqs.get_queue_attributes(
            QueueUrl=bench.queue, AttributeNames=["ApproximateNumberOfMessages"]
        )
        assert found["Attributes"]["ApproximateNumberOfMessages"] == "1", "left for other workers"
        bench.job.finish.set()
        assert {bench.machine.end("a"), bench.machine.end("b")} == {"SUCCEEDED"}


def test_an_idle_worker_stops_within_one_poll(bench: Bench) -> None:
    with bench.worker() as (_, stop):
        started = time.monotonic()
        assert stop()
    assert time.monotonic() - started < QUICK.poll_wait + 1


def test_tokens_are_not_in_logs() -> None:
    task = Task("toy", {"run_id": "r", "task_token": "secret"}, "secret", "receipt", 1)
    assert task.loggable() == {"run_id": "r"}


def test_pauses_after_errors_grow_to_a_limit_with_jitter() -> None:
    assert 0.25 <= backoff(1) <= 0.5
    assert 10 <= backoff(50) <= 20
    assert len({backoff(50) for _ in range(20)}) > 10


def test_the_first_reason_to_stop_counts() -> None:
    control = JobControl()
    control.interrupt(Interruption.CANCELLED)
    control.interrupt(Interruption.STOPPING)
    assert control.interruption is Interruption.CANCELLED, "a cancelled task is not requeued"
