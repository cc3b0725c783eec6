"""Report runs and a lake with opportunities, in process."""

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from kernel.domain.ids import new_id
from kernel.tasks.retry import RetryPolicy
from tests.component.conftest import ApiClient
from tests.component.kernel.flows import carried_out

if TYPE_CHECKING:
    from tests.component.reporting.running import Running

FILES, LAKE = "files", "lake"
TIERS = {
    "FUNCTION_LAKE_MEGABYTES": "0",
    "FUNCTION_LAKE_FILES": "2",
    "STANDARD_LAKE_MEGABYTES": "1",
    "STANDARD_LAKE_FILES": "4",
    "STANDARD_QUEUE_URL": "standard-queue",
    "ANALYTICS_QUEUE_URL": "standard-queue",
    "RUNNING_REPORTS_STANDARD": "5",
    "RUNNING_REPORTS_PREMIUM": "20",
}
"""By default one service of workers makes every report."""


@pytest.fixture
def buckets(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The two buckets of reporting; yields the S3 client."""
    s3 = boto3.client("s3")
    for variable, name in (("FILES_BUCKET", FILES), ("LAKE_BUCKET", LAKE)):
        s3.create_bucket(Bucket=name)
        monkeypatch.setenv(variable, name)
    for variable, value in TIERS.items():
        monkeypatch.setenv(variable, value)
    return s3


@pytest.fixture
def api(cloud: Any, buckets: Any) -> ApiClient:
    """The API of reports, as an administrator; `as_(roles=…)` for others."""
    from reporting.handlers.api import handler

    return ApiClient(handler)


@pytest.fixture
def ask(api: ApiClient) -> Callable[..., dict[str, Any]]:
    """Request a report; by default the win rate as JSON."""

    def ask(**parameters: Any) -> dict[str, Any]:
        answer = api("POST", "/reports", {"report": "win_rate", "format": "json", **parameters})
        assert answer.status == 202, answer.text
        run: dict[str, Any] = answer.json
        return run

    return ask


@pytest.fixture
def running(
    cloud: Any, buckets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator["Running"]:
    """Everything that runs reports; `with running.worker()` starts a worker."""
    from reporting.bootstrap import runs
    from reporting.handlers.steps import handler
    from tests.component.reporting.running import Running, in_function

    impatient = RetryPolicy(first_pause_seconds=0, waiting_pause_seconds=0)
    monkeypatch.setattr(runs(), "policy", impatient)
    with carried_out(steps=handler, function=in_function(tmp_path, monkeypatch)):
        running = Running(cloud, tmp_path)
        monkeypatch.setenv("STATE_MACHINE_ARN", running.machine.arn)
        for tier in ("STANDARD", "ANALYTICS"):
            monkeypatch.setenv(f"{tier}_QUEUE_URL", running.queue)
        yield running


@pytest.fixture
def impatient(running: "Running", monkeypatch: pytest.MonkeyPatch) -> "Running":
    """The same with a state machine that misses heartbeats after two seconds."""
    impatient = type(running)(running.cloud, running.folder, heartbeat_seconds=2)
    monkeypatch.setenv("STATE_MACHINE_ARN", impatient.machine.arn)
    return impatient


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Reports take until the event is set; they check every few milliseconds whether to stop."""
    from reporting.jobs import report

    go_on, original = threading.Event(), report.compute

    def compute(files: Any, parameters: Any, *, progress: Any, **more: Any) -> Any:
        while not go_on.wait(0.01):
            progress.step(0.5, "Adding up slowly")
        return original(files, parameters, progress=progress, **more)

    monkeypatch.setattr(report, "compute", compute)
    return go_on


def opportunity(status: str, tenant: str = "acme", **current: Any) -> dict[str, Any]:
    """The last event about an opportunity that is open, won or lost."""
    record = new_id()
    return {
        "specversion": "1.0",
        "id": new_id(),
        "source": "zebros.opportunities",
        "type": {"won": "OpportunityWon", "lost": "OpportunityLost"}.get(
            status, "OpportunityCreated"
        ),
        "subject": f"opportunity/{record}",
        "time": "2026-02-03T10:00:00.000Z",
        "datacontenttype": "application/json",
        "tenantid": tenant,
        "sequence": "1",
        "correlationid": "c-1",
        "actor": "ann",
        "origin": "api",
        "data": {
            "current": {
                "id": record,
                "status": status,
                "amount": {"minor_units": 100_00, "currency": "USD"},
                "probability": 50,
                "forecast_category": "pipeline",
                "closed_on": "2026-02-03",
                "owner_id": "ann",
                "pipeline_id": "default",
                "stage": status,
                "stage_name": status.title(),
                **current,
            }
        },
    }


def into_lake(*envelopes: dict[str, Any]) -> None:
    """Write events to the lake with the lake writer."""
    s3 = boto3.client("s3")
    for envelope in envelopes:
        context = envelope["source"].removeprefix("zebros.")
        day = envelope["time"][:10]
        s3.put_object(
            Bucket=LAKE,
            Key=f"tenant={envelope['tenantid']}/context={context}/date={day}/"
            f"{envelope['id']}.jsonl.gz",
            Body=gzip.compress(json.dumps(envelope).encode() + b"\n"),
        )
