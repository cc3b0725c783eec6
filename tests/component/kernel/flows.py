"""Runs state machines in process (moto's interpreter), with the CRM's functions as their tasks."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import boto3
from moto.core.config import default_user_config
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (  # noqa: E501
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackConsumerTimeout,
    CallbackEndpoint,
    CallbackPoolManager,
    HeartbeatEndpoint,
    HeartbeatTimedOut,
)
from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.parser.utils import TMP_THREADS

from kernel.domain.clock import utc_now
from kernel.domain.ids import new_id
from kernel.runtime import aws

Function = Callable[[dict[str, Any], object], dict[str, Any]]
ROLE = "arn:aws:iam::123456789012:role/flow"


@contextmanager
def carried_out(**functions: Function) -> Iterator[None]:
    """Run executions with these functions, by name; their errors are reported as by Lambda.

    At the end those that still wait for a worker are stopped: their threads would go on in the
    next tests of the process for up to 30 s, and without a pause where a test replaces time.sleep.
    """

    def invoke(parameters: dict[str, Any], region: str, state_credentials: Any) -> dict[str, Any]:
        name = parameters["FunctionName"].rpartition(":")[2]
        answer: dict[str, Any] = {"StatusCode": 200, "ExecutedVersion": "$LATEST"}
        try:
            answer["Payload"] = functions[name](json.loads(parameters["Payload"]), None)
        except Exception as fault:
            answer["FunctionError"] = "Unhandled"
            answer["Payload"] = {
                "errorMessage": str(fault),
                "errorType": type(fault).__name__,
                "stackTrace": ['  File "/var/task/handler.py", line 1, in handler\n'],
            }
        return answer

    def leave(endpoint: CallbackEndpoint) -> None:
        endpoint.report(CallbackConsumerTimeout())
        original_leave(endpoint)

    def begun(backend: StepFunctionsParserBackend, status: Any = None) -> list[Any]:
        """The executions in which a token is searched; moto fails on one that has just started."""
        found = original_executions(backend, status)
        return [one for one in found if one.exec_worker and one.exec_worker.env]

    def start(worker: ExecutionWorker) -> None:
        started.append(worker)
        original_start(worker)

    started: list[ExecutionWorker] = []
    threads = len(TMP_THREADS)
    original_start = ExecutionWorker.start
    original_executions = StepFunctionsParserBackend._get_executions
    original_leave = CallbackEndpoint.interrupt_all
    really = {"execute_state_machine": True}
    with (
        patch.dict(default_user_config, {"stepfunctions": really}),
        patch.object(lambda_eval_utils, "_invoke_lambda_function", invoke),
        patch.object(CallbackEndpoint, "interrupt_all", leave),
        patch.object(StepFunctionsParserBackend, "_get_executions", begun),
        patch.object(CallbackPoolManager, "heartbeat", _heartbeat),
        patch.object(StateTaskServiceCallback, "_wait_for_task_token_heartbeat", _wait),
        patch.object(ExecutionWorker, "start", start),
    ):
        try:
            yield
        finally:
            for worker in started:
                if worker.env and worker.env.is_running():
                    worker.stop(utc_now(), error=None, cause=None)
            for thread in TMP_THREADS[threads:]:
                thread.join(10)
                assert not thread.is_alive(), "an execution goes on after its test"


# moto's versions miss a heartbeat or a result that arrives immediately, and still accept the token
# of a state that missed a heartbeat.
_heard: dict[str, float] = {}


def _heartbeat(pool: CallbackPoolManager, callback_id: str) -> bool:
    endpoint = pool.get(callback_id)
    if endpoint is None or endpoint.consumer_error is not None:
        return False
    _heard[callback_id] = time.monotonic()
    return True


def _wait(_state: Any, env: Any, answer: CallbackEndpoint, heartbeat: HeartbeatEndpoint) -> Any:
    started = time.monotonic()
    while env.is_running():
        if (outcome := answer.get_outcome()) is not None:
            return outcome
        silent = time.monotonic() - max(started, _heard.get(answer.callback_id, 0))
        if silent > heartbeat._heartbeat_seconds:
            return HeartbeatTimedOut()
        time.sleep(0.02)
    return None


class Machine:
    """One state machine."""

    def __init__(self, definition: dict[str, Any]) -> None:
        self.states = boto3.client("stepfunctions")
        self.arn: str = self.states.create_state_machine(
            name=f"flow-{new_id()}", definition=json.dumps(definition), roleArn=ROLE
        )["stateMachineArn"]

    def start(self, name: str, **given: Any) -> None:
        """Start an execution."""
        self.states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(given))

    def status(self, name: str) -> str:
        """RUNNING, SUCCEEDED, FAILED, ABORTED."""
        return str(self._described(name)["status"])

    def output(self, name: str) -> Any:
        """The output of a succeeded execution."""
        return json.loads(self._described(name)["output"])

    def error(self, name: str) -> str:
        """The error of a failed execution (moto does not store its cause)."""
        return str(self._described(name)["error"])

    def end(self, name: str, seconds: float = 30) -> str:
        """Wait for the end of an execution; returns its status."""
        until(lambda: self.status(name) != "RUNNING", seconds)
        return self.status(name)

    def entered(self, name: str) -> list[str]:
        """The states an execution went through."""
        history = self.states.get_execution_history(executionArn=self._execution(name))["events"]
        details = (event.get("stateEnteredEventDetails") for event in history)
        return [entered["name"] for entered in details if entered]

    def _described(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.states.describe_execution(executionArn=self._execution(name))
        return found

    def _execution(self, name: str) -> str:
        return f"{self.arn.replace(':stateMachine:', ':execution:')}:{name}"


def waiting_for_a_worker(queue_url: str, heartbeat_seconds: int = 30) -> dict[str, Any]:
    """A minimal state machine with one task for a worker."""
    return {
        "StartAt": "Queue",
        "States": {
            "Queue": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "HeartbeatSeconds": heartbeat_seconds,
                "Parameters": {
                    "QueueUrl": queue_url,
                    "MessageBody": {
                        "job": "toy",
                        "what.$": "$.what",
                        "task_token.$": "$$.Task.Token",
                    },
                },
                "End": True,
            }
        },
    }


def until(true: Callable[[], object], seconds: float = 30) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def task_queue(name: str = "tasks") -> str:
    """Create an SQS queue for tasks; returns its URL."""
    return str(aws.client("sqs").create_queue(QueueName=name)["QueueUrl"])


def left(queue_url: str) -> int:
    """The number of messages in a queue, visible or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = aws.client("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)
    return sum(int(found["Attributes"][name]) for name in names)
