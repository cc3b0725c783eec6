"""Metrics in the emulator's CloudWatch: what functions write into their log, and AWS's own figures.

Without this patch: lines in Embedded Metric Format stay text; of AWS's own metrics there are only
those of functions, and only of calls of Invoke; their points are kept for two weeks in memory and
in every snapshot.

Fix: metrics in log lines are recorded, with the time in the line. API requests, executions of
functions, the age of streams, queues and executions of state machines are measured as AWS measures
them. Of each metric the latest points are kept, and none is stored. DynamoDB's capacity is not
measured.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import copy
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from zebros.emulator.patching import module, replace
from zebros.emulator.server import started
from zebros.emulator.settings import ACCOUNT, REGION, Settings

_KEPT = 5_000
"""Points of one metric that are kept at most; a percentile of the last minutes needs them."""
_EMF = '"_aws"'
_STORED = (
    "alarms",
    "composite_alarms",
    "composite_triggers",
    "alarm_history",
    "dashboards",
    "resource_tags",
)
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_log = logging.getLogger("metrics")

type Point = tuple[str, str, dict[str, str], float, float]
"""Namespace, name, dimensions, value, and the time in seconds."""


def apply(settings: Settings) -> None:
    """Measure the platform, and record what functions measure."""
    watch, pool = module("services.cloudwatch"), module("core.lambda_runtime")
    replace(watch, "record_metric", record)
    replace(watch, "get_state", state)
    replace(module("services.lambda_svc"), "_emit_lambda_metrics", _record_throttle)
    _measure_requests(settings.region)
    _measure_streams()
    busy = Busy(pool.acquire_worker, pool.release_worker)
    replace(pool, "acquire_worker", busy.acquire)
    replace(pool, "release_worker", busy.release)
    sampler = Sampler(settings.sample_s, settings.region)
    threading.Thread(target=sampler.run, name="metrics", daemon=True).start()


def state() -> dict[str, Any]:
    """What a snapshot stores: all but the points, of which there are hundreds of thousands."""
    watch = module("services.cloudwatch")
    return {"metrics": {}} | {name: copy.deepcopy(getattr(watch, f"_{name}")) for name in _STORED}


def record(
    namespace: str,
    name: str,
    value: float,
    unit: str = "None",
    dimensions: Mapping[str, str] | None = None,
    at: float | None = None,
) -> None:
    """Record one value, and forget the oldest when there are too many."""
    watch = module("services.cloudwatch")
    given = dict(dimensions or {})
    points = watch._metric_bucket((namespace, name, watch._dims_key(given)))
    moment = time.time() if at is None else at
    points.append({"Timestamp": moment, "Value": float(value), "Unit": unit, "Dimensions": given})
    if len(points) > 2 * _KEPT:
        del points[:-_KEPT]


def record_line(line: str) -> None:
    """Record the metrics in a line of a function's log."""
    if _EMF not in line:
        return
    for namespace, name, dimensions, value, at in points_of(line):
        record(namespace, name, value, dimensions=dimensions, at=at)


def record_execution(function: str, milliseconds: float, *, failed: bool) -> None:
    """Record an execution of a function that has ended."""
    of = {"FunctionName": function}
    record("AWS/Lambda", "Invocations", 1, "Count", of)
    record("AWS/Lambda", "Errors", failed, "Count", of)
    record("AWS/Lambda", "Throttles", 0, "Count", of)
    record("AWS/Lambda", "Duration", milliseconds, "Milliseconds", of)


def _record_throttle(function_name: str, *, throttle: bool, **_: Any) -> None:
    """Record a rejected execution; those that are carried out are recorded with their log."""
    if throttle:
        record("AWS/Lambda", "Throttles", 1, "Count", {"FunctionName": function_name})


def points_of(line: str) -> Iterator[Point]:
    """The values in a line in Embedded Metric Format; none in a line that CloudWatch rejects."""
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        fields = json.loads(line[line.index("{") :])
        metadata = fields["_aws"]
        at = metadata["Timestamp"] / 1000
        for definition in metadata["CloudWatchMetrics"]:
            for names in definition["Dimensions"]:
                dimensions = {name: str(fields[name]) for name in names}
                for metric in definition["Metrics"]:
                    values = fields[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        yield definition["Namespace"], metric["Name"], dimensions, value, at


def _measure_requests(region: str) -> None:
    """Latency, count and errors of REST APIs."""
    apis = module("services.apigateway_v1")
    original: Callable[..., Awaitable[Any]] = apis.handle_execute

    async def execute(api_id: str, stage: str, *request: Any) -> Any:
        began = time.perf_counter()
        answer = await original(api_id, stage, *request)
        milliseconds = (time.perf_counter() - began) * 1000
        status = int(answer[0])
        with module("core.responses").request_scope(ACCOUNT, region):
            name = (apis._rest_apis.get(api_id) or {}).get("name", api_id)
            of = {"ApiName": name, "Stage": stage}
            record("AWS/ApiGateway", "Count", 1, "Count", of)
            record("AWS/ApiGateway", "Latency", milliseconds, "Milliseconds", of)
            failed = _CLIENT_ERROR <= status < _SERVER_ERROR, status >= _SERVER_ERROR
            record("AWS/ApiGateway", "4XXError", failed[0], "Count", of)
            record("AWS/ApiGateway", "5XXError", failed[1], "Count", of)
        return answer

    replace(apis, "handle_execute", execute)


def _measure_streams() -> None:
    """The age of the newest record of a batch from a table's stream, when it is handed over."""
    functions = module("services.lambda_svc")
    original = functions._execute_function

    def execute(function: dict[str, Any], event: Any) -> Any:
        records = event.get("Records") if isinstance(event, dict) else None
        if records and "dynamodb" in records[-1]:
            created = records[-1]["dynamodb"].get("ApproximateCreationDateTime") or time.time()
            age = max(0.0, time.time() - float(created)) * 1000
            name = {"FunctionName": function["config"]["FunctionName"]}
            record("AWS/Lambda", "IteratorAge", age, "Milliseconds", name)
        return original(function, event)

    replace(functions, "_execute_function", execute)


class Busy:
    """Counts the executions of each function that run at the same time."""

    def __init__(self, acquire: Callable[..., Any], release: Callable[..., Any]) -> None:
        self._acquire, self._release = acquire, release
        self._running = Counter[str]()
        self._changing = threading.Lock()

    def acquire(self, name: str, *arguments: Any, **more: Any) -> Any:
        """An environment for one execution, as the pool leases it."""
        found = self._acquire(name, *arguments, **more)
        if found[0] is not None:
            with self._changing:
                self._running[name] += 1
                count = self._running[name]
            record("AWS/Lambda", "ConcurrentExecutions", count, "Count", {"FunctionName": name})
        return found

    def release(self, worker: Any) -> None:
        """The environment is free again."""
        with self._changing:
            self._running[worker.func_name] -= 1
        self._release(worker)


class Sampler:
    """Measures queues and ended executions of state machines again and again."""

    def __init__(self, interval: float, region: str = REGION) -> None:
        self._interval, self._region = interval, region
        self._ended: set[str] = set()

    def run(self) -> None:
        """Measure until the process ends."""
        started.wait()
        while True:
            try:
                with module("core.responses").request_scope(ACCOUNT, self._region):
                    self.measure(time.time())
            except Exception:
                _log.exception("The platform could not be measured.")
            time.sleep(self._interval)

    def measure(self, now: float) -> None:
        """Measure once."""
        for queue in list(module("services.sqs")._queues.values()):
            of = {"QueueName": queue["name"]}
            messages = list(queue["messages"])
            ready = sum(one["visible_at"] <= now for one in messages)
            record("AWS/SQS", "ApproximateNumberOfMessagesVisible", ready, "Count", of)
            # As in AWS a delayed message has no age yet.
            sent = [_sent(one) for one in messages if one["visible_at"] <= now or _received(one)]
            age = max(0.0, now - min(sent)) if sent else 0.0
            record("AWS/SQS", "ApproximateAgeOfOldestMessage", age, "Seconds", of)
        for arn, execution in list(module("services.stepfunctions")._executions.items()):
            if execution.get("stopDate") and arn not in self._ended:
                self._ended.add(arn)
                _record_execution(execution)


def _sent(message: dict[str, Any]) -> float:
    return float(message.get("enqueued_at") or message.get("sent_at") or time.time())


def _received(message: dict[str, Any]) -> bool:
    return bool(message.get("receive_count"))


_OUTCOMES = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def _record_execution(execution: dict[str, Any]) -> None:
    """The time and the outcome of an execution, at the time when it ended."""
    began, ended = (_seconds(execution[key]) for key in ("startDate", "stopDate"))
    of = {"StateMachineArn": str(execution["stateMachineArn"])}
    milliseconds = (ended - began) * 1000
    record("AWS/States", "ExecutionTime", milliseconds, "Milliseconds", of, ended)
    for status, name in _OUTCOMES.items():
        record("AWS/States", name, execution["status"] == status, "Count", of, ended)


def _seconds(date: Any) -> float:
    """A date of the emulator, text or number, in seconds."""
    if isinstance(date, int | float):
        return float(date)
    return datetime.fromisoformat(str(date)).timestamp()
