"""Everything that runs reports, in process: relay, reactor, the real state machine, a worker."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from kernel.domain.aggregate import Change
from kernel.runtime import aws
from kernel.tasks.job import Task
from kernel.tasks.worker.loop import Worker
from kernel.tasks.worker.timing import WorkerTiming
from reporting.bootstrap import files, people, runs
from reporting.jobs.report import ReportJob
from reporting.lake.cache import LakeCache
from reporting.lake.storage import S3LakeReader
from reporting.model import ReportRun
from tests.component.conftest import ApiClient, published
from tests.component.kernel.flows import Function, Machine, left, task_queue, until
from tests.component.kernel.queues import body, lambda_event
from tests.component.reporting.conftest import FILES, LAKE
from tests.component.test_budgets import ROOT

ASL = ROOT / "statemachines" / "report.asl.json"
QUICK = WorkerTiming(
    poll_wait=1,
    visibility_timeout=4,
    heartbeat_interval=0.5,
    cancel_poll_interval=0.2,
    progress_interval=1.0,
    grace_period=10.0,
)


def definition(heartbeat_seconds: int) -> dict[str, Any]:
    """The deployed state machine, with another heartbeat timeout."""
    text = ASL.read_text(encoding="utf-8")
    text = text.replace("${StepsFunctionArn}", "steps")
    text = text.replace("${AnalyticsFunctionArn}", "function")
    found: dict[str, Any] = json.loads(text)
    assert found["States"]["Queue"]["HeartbeatSeconds"] == 60
    found["States"]["Queue"]["HeartbeatSeconds"] = heartbeat_seconds
    for state in found["States"].values():
        for retry in state.get("Retry", []):
            if "IntervalSeconds" in retry:
                retry |= {"MaxAttempts": 2, "BackoffRate": 1}
    return found


class Remaining:
    """Lambda's context object, in an invocation with so much time left."""

    def __init__(self, seconds: float = 900) -> None:
        self._milliseconds = int(seconds * 1000)

    def get_remaining_time_in_millis(self) -> int:
        """What is left at the start."""
        return self._milliseconds


def in_function(folder: Path, monkeypatch: pytest.MonkeyPatch, seconds: float = 900) -> Function:
    """The function ReportingAnalytics, with its own work folder and the intervals of QUICK."""
    from reporting.jobs import function

    monkeypatch.setenv("WORK_FOLDER", str(folder / "function"))
    for cached in (function.jobs, function._disk):
        cached.cache_clear()
    monkeypatch.setattr(function.handler, "_timing", QUICK)
    return lambda event, _: function.handler(event, Remaining(seconds))


class Running:
    """The parts of a deployment other than the API."""

    def __init__(self, cloud: Any, folder: Path, heartbeat_seconds: int = 20) -> None:
        self.cloud, self.folder = cloud, folder
        self.queue = task_queue()
        self.machine = Machine(definition(heartbeat_seconds))
        self._relayed: set[str] = set()

    def job(self) -> ReportJob:
        """A worker's job with its own lake cache."""
        cache = self.folder / "lake"
        cache.mkdir(parents=True, exist_ok=True)
        reader = S3LakeReader(boto3.client("s3"), LAKE)
        return ReportJob(runs(), files(), LakeCache(reader, cache), people=people())

    def relay(self) -> None:
        """Deliver new events from the outbox to the reactor."""
        from reporting.consumers.workflow import handler

        new = [event for event in published(self.cloud) if event["id"] not in self._relayed]
        self._relayed |= {event["id"] for event in new}
        wanted = [body(event) for event in new if event["type"] in handler.types]
        if wanted:
            assert handler(lambda_event(wanted), None) == {"batchItemFailures": []}

    def queue_task(self) -> None:
        """Deliver new events, and wait until the state machine has queued a task."""
        self.relay()
        until(lambda: left(self.queue))

    @contextmanager
    def worker(self, job: Any = None) -> Iterator[Worker]:
        """A running worker."""
        worker = Worker(
            {"report": job or self.job()},
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

    def published(self, run_id: str) -> list[str]:
        """The events about a run, in order."""
        return [f["type"] for f in published(self.cloud) if f["subject"] == f"report/{run_id}"]


def seen(api: ApiClient, run: dict[str, Any]) -> Any:
    """The run as its API shows it."""
    return api("GET", f"/reports/{run['id']}").json


def stored(run: dict[str, Any], tenant: str = "acme") -> list[str]:
    """The names of a run's files."""
    prefix = f"reports/{tenant}/{run['id']}/"
    found = boto3.client("s3").list_objects_v2(Bucket=FILES, Prefix=prefix).get("Contents", [])
    return [one["Key"].removeprefix(prefix) for one in found]


def stored_object(run: dict[str, Any]) -> Any:
    """The response to a GET of a run's file, as S3 stores it."""
    key = f"reports/acme/{run['id']}/{stored(run)[0]}"
    return boto3.client("s3").get_object(Bucket=FILES, Key=key)


def content(run: dict[str, Any]) -> bytes:
    """A run's file as its reader gets it."""
    found = stored_object(run)
    body: bytes = found["Body"].read()
    return gzip.decompress(body) if found.get("ContentEncoding") == "gzip" else body


def a_task(run: dict[str, Any]) -> Task:
    """A run's task, as a worker receives it."""
    body = {"job": "report", "tenant_id": "acme", "run_id": run["id"]}
    return Task("report", body, "token", "receipt", 1)


def with_parameters(**unchecked: Any) -> Callable[[ReportRun], Change[ReportRun]]:
    """A change of a stored run to parameters that are not valid."""
    return lambda run: Change(
        run.with_changes(parameters=run.parameters.model_copy(update=unchecked))
    )
