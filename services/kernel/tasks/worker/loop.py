"""The loop of a worker: receives one task at a time from a queue and carries it out.

A task is an SQS message with the token of a Step Functions state that waits for its outcome
(https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#connect-wait-token):
{"job": …, "task_token": …, …}. While the job runs on a separate thread, the worker extends the
message's visibility timeout, sends heartbeats, records progress, and checks whether the run was
cancelled (supervision.py). Then it sends the result to the state machine, and only after that
deletes the message (outcome.py). If a worker dies, its task is delivered again, so a job must be
safe to run twice.

A worker receives a task only when it is idle, so that no task waits behind a long one.
"""

import json
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.work import working_on
from kernel.tasks.job import Job, Task, names_of_task
from kernel.tasks.worker.callback import TaskCallback
from kernel.tasks.worker.execution import Execution
from kernel.tasks.worker.outcome import OutcomeSender
from kernel.tasks.worker.protection import ScaleInProtection
from kernel.tasks.worker.queue import TaskQueue, parse_task
from kernel.tasks.worker.supervision import Supervisor
from kernel.tasks.worker.timing import WorkerTiming, backoff


class Worker:
    """Carries out the tasks of one queue until it is asked to stop; `jobs` are by name.

    `protection` keeps its ECS task from being stopped by scaling while it is busy. `beat` is called
    whenever the loop goes round (pulse.py).
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        queue_url: str,
        *,
        sqs: Any,
        states: Any,
        timing: WorkerTiming | None = None,
        protection: ScaleInProtection | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._jobs, self._beat = jobs, beat
        self._protection = protection or ScaleInProtection("")
        self._timing = timing or WorkerTiming()
        self._stopping = threading.Event()
        self._queue = TaskQueue(sqs, queue_url, self._timing.visibility_timeout)
        self._callback = TaskCallback(states)
        self._supervisor = Supervisor(self._keep, self._timing, self._stopping, beat)
        self._outcome = OutcomeSender(self._queue, self._callback, beat)

    def stop(self, *_: object) -> None:
        """Requeue the current task and end; may be installed as a signal handler."""
        self._stopping.set()

    def serve(self, ready: Callable[[], None] = lambda: None) -> bool:
        """Work until asked to stop; False when a job did not stop in time and still runs.

        `ready` is called once, when the queue has answered for the first time.
        """
        wait_seconds, faults = 0, 0
        while not self._stopping.is_set():
            self._beat()
            try:
                messages = self._queue.receive(wait_seconds)
            except (ClientError, BotoCoreError) as fault:
                faults += 1
                pause = backoff(faults)
                logger().warning("queue does not answer", fault=describe(fault), seconds=pause)
                self._stopping.wait(pause)
                continue
            if not wait_seconds:
                ready()
            wait_seconds, faults = self._timing.poll_wait, 0
            for message in messages:
                if not self._handle(message):
                    return False
        return True

    def _handle(self, message: dict[str, Any]) -> bool:
        """Carry out one message's task; False when its job did not stop in time."""
        try:
            task = parse_task(message)
            job = self._jobs[task.job]
        except (ValueError, KeyError, TypeError) as fault:
            # SQS delivers it again and finally moves it to the dead-letter queue.
            message_id = message.get("MessageId")
            with working_on(partial(_names_in, message)):
                logger().error("task cannot be read", fault=describe(fault), id=message_id)
            return True
        with working_on(task.named):
            return self._handle_task(job, task)

    def _handle_task(self, job: Job, task: Task) -> bool:
        if self._stopping.is_set():
            self._queue.requeue(task)
            return True
        if not self._callback.heartbeat(task):
            logger().info("nobody waits for the task", task=task.loggable())
            self._queue.delete(task)
            return True
        with self._protection.protected():
            return self._carry_out(job, task)

    def _keep(self, task: Task) -> bool:
        """Reserve a task for another interval; returns False when nobody waits for it."""
        self._queue.extend(task)
        return self._callback.heartbeat(task)

    def _carry_out(self, job: Job, task: Task) -> bool:
        logger().info("task started", task=task.loggable(), receives=task.receives)
        started = time.monotonic()
        execution = Execution(job, task)
        ended = self._supervisor.supervise(execution)
        outcome = self._outcome.send(execution, ended)
        seconds = round(time.monotonic() - started, 3)
        logger().info("task ended", task=task.loggable(), outcome=outcome, seconds=seconds)
        return ended


def _names_in(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the log says of a message that is no task, as far as it can be read."""
    try:
        return names_of_task(json.loads(message["Body"]))
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return {}
