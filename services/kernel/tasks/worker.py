"""The loop of a worker: one task at a time from a queue, carried out or put back, never lost.

A task is an SQS message with the token of a Step Functions state that waits for its outcome
(https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token):
{"task_token": …, …}. While its job runs in a thread of its own, the worker keeps the message
hidden, sends heartbeats, passes progress on, and looks whether the task is still wanted. Then it
says how it ended, and only then deletes the message: a worker that dies at any moment leaves a
message that comes back, so a job must be safe to run twice.

A worker takes a task only when it has nothing else to do, so none waits behind a long one.
"""

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from kernel.runtime.log import logger

_MOST_CAUSE = 4_000
_GONE = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""Nobody waits for this token: the state timed out, was stopped, or got its answer already."""
_MOST_PAUSE_SECONDS = 20.0
CANCELLED = "Cancelled"
"""The error a task ends with that is no longer wanted."""
UNEXPECTED = "Unexpected"
"""The error of a job that failed in a way it did not foresee."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds."""

    poll: int = 5
    """How long a poll waits for a task; a worker without one ends within this time."""
    hidden: int = 45
    """How soon a task comes back when its worker dies: before its state misses a heartbeat."""
    beat: float = 15.0
    """Between two extensions and heartbeats."""
    look: float = 2.0
    """Between two looks whether the task is still wanted."""
    note: float = 1.0
    """Between two notes of progress, at least."""
    grace: float = 90.0
    """How long a job may take to stop; Fargate kills two minutes after its first signal."""


@dataclass(frozen=True, slots=True)
class Task:
    """One message of the queue."""

    body: dict[str, Any]
    token: str
    receipt: str
    receives: int
    """How often it was handed out, this time included."""


class Interruption(StrEnum):
    """Why a job is asked to stop."""

    CANCELLED = "cancelled"
    """Nobody wants it any more."""
    STOPPING = "stopping"
    """The worker was told to stop; another will carry it out."""
    ABANDONED = "abandoned"
    """Nobody waits for it: the state machine has given this worker up."""


class Interrupted(Exception):
    """Raised by a job that was asked to stop."""


class Failed(Exception):
    """A job's outcome: it cannot be done. `error` is a name for programs, `cause` says more."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class Control:
    """What a running job says and hears; may be used from any thread."""

    def __init__(self) -> None:
        self._why: Interruption | None = None
        self._progress: tuple[float, str] | None = None

    @property
    def why(self) -> Interruption | None:
        """Why the job is to stop; None while it may go on."""
        return self._why

    def progress(self, fraction: float, text: str) -> None:
        """How far the job is: 0..1, and a few words for people. Costs nothing."""
        self._progress = (fraction, text)

    def check(self) -> None:
        """Raise Interrupted when the job is to stop; to be called every second or so."""
        if self._why is not None:
            raise Interrupted(self._why)

    def interrupt(self, why: Interruption) -> None:
        """Ask the job to stop; the first reason stays."""
        self._why = self._why or why

    def take_progress(self) -> tuple[float, str] | None:
        """What was said since the last time."""
        said, self._progress = self._progress, None
        return said


class Job(Protocol):
    """What a worker is for. Only `run` may fail a task; faults of the others are logged."""

    def run(self, task: Task, control: Control) -> dict[str, Any]:
        """Do it; returns the outcome for the state machine. Raises Failed or Interrupted."""

    def note(self, task: Task, fraction: float, text: str) -> None:
        """Show someone how far it is."""

    def wanted(self, task: Task) -> bool:
        """Whether someone still wants it."""

    def put_back(self, task: Task) -> None:
        """It was stopped and will be carried out by another worker."""


class Worker:
    """Carries out the tasks of one queue until it is told to stop."""

    def __init__(
        self, job: Job, queue_url: str, *, sqs: Any, states: Any, timing: Timing | None = None
    ) -> None:
        self._job, self._queue = job, queue_url
        self._sqs, self._states = sqs, states
        self._timing = timing or Timing()
        self._stop = threading.Event()

    def stop(self, *_: object) -> None:
        """Put the work back and end; may be installed as a signal handler."""
        self._stop.set()

    def serve(self, ready: Callable[[], None] = lambda: None) -> bool:
        """Work until told to stop; False when a job did not stop in time and still runs.

        `ready` is called once, when the queue has answered for the first time.
        """
        poll, faults = 0, 0
        while not self._stop.is_set():
            try:
                messages = self._receive(poll)
            except (ClientError, BotoCoreError) as fault:
                faults += 1
                pause = backoff(faults)
                logger().warning("queue does not answer", fault=str(fault), seconds=pause)
                self._stop.wait(pause)
                continue
            if not poll:
                ready()
            poll, faults = self._timing.poll, 0
            for message in messages:
                if not self._carry_out(message):
                    return False
        return True

    def _receive(self, poll: int) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue,
            MaxNumberOfMessages=1,
            WaitTimeSeconds=poll,
            VisibilityTimeout=self._timing.hidden,
            AttributeNames=["ApproximateReceiveCount"],
        )
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    def _carry_out(self, message: dict[str, Any]) -> bool:
        """One task, from its receipt to its end; False when its job could not be stopped."""
        try:
            task = read(message)
        except (ValueError, KeyError, TypeError) as fault:
            # Nobody can be told. It comes back, and ends among the dead letters.
            logger().error("task cannot be read", fault=repr(fault), id=message.get("MessageId"))
            return True
        if self._stop.is_set():
            self._hide(task, 0)
            return True
        if not self._beat(task):
            logger().info("task has no one waiting any more", task=visible(task))
            self._delete(task)
            return True
        logger().info("task taken", task=visible(task), receives=task.receives)
        started = time.monotonic()
        run = Running(self._job, task)
        in_time = self._accompany(run)
        self._end(run, in_time)
        logger().info(
            "task ended",
            task=visible(task),
            outcome=run.said,
            seconds=round(time.monotonic() - started, 3),
        )
        return in_time

    def _accompany(self, run: "Running") -> bool:
        """Keep the task ours until its job ends; False when it did not although it was asked to."""
        timing, task = self._timing, run.task
        tick = min(timing.note, timing.look, timing.beat, 0.5)
        now = time.monotonic()
        beat, look, note, grace = now + timing.beat, now + timing.look, now, 0.0
        while not run.ended.wait(tick):
            now = time.monotonic()
            if self._stop.is_set() and not grace:
                run.control.interrupt(Interruption.STOPPING)
                grace = now + timing.grace
            if grace and now > grace:
                return False
            if now >= note and (said := run.control.take_progress()):
                self._aside("note", partial(self._job.note, task, *said))
                note = time.monotonic() + timing.note
            if now >= look:
                if self._aside("wanted", lambda: self._job.wanted(task)) is False:
                    run.control.interrupt(Interruption.CANCELLED)
                look = time.monotonic() + timing.look
            if now >= beat:
                self._hide(task, timing.hidden)
                if not self._beat(task):
                    run.control.interrupt(Interruption.ABANDONED)
                beat = time.monotonic() + timing.beat
        return True

    def _end(self, run: "Running", in_time: bool) -> None:
        """Tell how the task ended; it is deleted only when that was heard, or nobody listens."""
        task = run.task
        if not in_time or (run.interrupted and run.control.why is Interruption.STOPPING):
            run.said = "put back"
            self._aside("put back", lambda: self._job.put_back(task))
            self._hide(task, 0)
            return
        if run.interrupted and run.control.why is Interruption.ABANDONED:
            run.said = "abandoned"
            self._delete(task)
            return
        if self._answer(run):
            self._delete(task)
        else:
            # The task comes back when its time is over, and whoever gets it finds it done.
            run.said = "unheard"

    def _answer(self, run: "Running") -> bool:
        """Tell the state machine; False when it could not be reached."""
        for attempt in range(1, 5):
            try:
                if run.outcome is not None:
                    run.said = "succeeded"
                    self._states.send_task_success(
                        taskToken=run.task.token, output=json.dumps(run.outcome)
                    )
                else:
                    failure = run.failure or Failed(CANCELLED, "It is no longer wanted.")
                    run.said = failure.error
                    self._states.send_task_failure(
                        taskToken=run.task.token,
                        error=failure.error,
                        cause=failure.cause[:_MOST_CAUSE],
                    )
                return True
            except (ClientError, BotoCoreError) as fault:
                if gone(fault):
                    run.said += ", nobody listened"
                    return True
                logger().warning("state machine does not answer", fault=str(fault))
                time.sleep(backoff(attempt) / 4)
        return False

    def _beat(self, task: Task) -> bool:
        """Whether someone waits for the task; a service that does not answer is no reason."""
        try:
            self._states.send_task_heartbeat(taskToken=task.token)
        except (ClientError, BotoCoreError) as fault:
            if gone(fault):
                return False
            logger().warning("heartbeat failed", fault=str(fault))
        return True

    def _hide(self, task: Task, seconds: int) -> None:
        self._aside(
            "visibility",
            lambda: self._sqs.change_message_visibility(
                QueueUrl=self._queue, ReceiptHandle=task.receipt, VisibilityTimeout=seconds
            ),
        )

    def _delete(self, task: Task) -> None:
        self._aside(
            "delete",
            lambda: self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=task.receipt),
        )

    def _aside[T](self, what: str, act: Callable[[], T]) -> T | None:
        """Something the task does not depend on: a fault is logged, and None."""
        try:
            return act()
        except Exception as fault:
            logger().warning("worker's aside failed", what=what, fault=repr(fault))
            return None


class Running:
    """A job on its thread, and how it ended."""

    def __init__(self, job: Job, task: Task) -> None:
        self.task, self.control = task, Control()
        self.ended = threading.Event()
        self.outcome: dict[str, Any] | None = None
        self.failure: Failed | None = None
        self.interrupted = False
        self.said = ""
        """What became of the task, for the log."""
        # A daemon: a job that cannot be stopped must not keep the process.
        threading.Thread(target=self._run, args=(job,), name="job", daemon=True).start()

    def _run(self, job: Job) -> None:
        try:
            self.outcome = job.run(self.task, self.control)
        except Interrupted:
            self.interrupted = True
        except Failed as failure:
            self.failure = failure
        except BaseException as fault:
            logger().exception("job failed", task=visible(self.task), fault=repr(fault))
            self.failure = Failed(UNEXPECTED, repr(fault))
        finally:
            self.ended.set()


def read(message: dict[str, Any]) -> Task:
    """A message as a task. Raises ValueError, KeyError or TypeError when it is none."""
    body = json.loads(message["Body"])
    return Task(
        body=body,
        token=str(body["task_token"]),
        receipt=message["ReceiptHandle"],
        receives=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
    )


def visible(task: Task) -> dict[str, Any]:
    """A task as logs may show it: whoever has the token can end the task."""
    return {name: value for name, value in task.body.items() if name != "task_token"}


def gone(fault: Exception) -> bool:
    """Whether a call says that nobody waits for the token."""
    return isinstance(fault, ClientError) and fault.response["Error"]["Code"] in _GONE


def backoff(faults: int) -> float:
    """Seconds to wait after so many faults in a row, with jitter: workers must not come in step."""
    most = min(_MOST_PAUSE_SECONDS, 0.25 * 2**faults)
    return round(random.uniform(most / 2, most), 2)  # noqa: S311
