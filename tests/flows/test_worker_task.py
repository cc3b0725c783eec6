"""The worker's image in a task of the smallest sizes: a report of hundreds of thousands of events.

Needs Docker and the base image of tools/lambda_base.sh; CI has them. The AWS around the container
is moto's, on a free port, so that the platform is not needed.
"""

import gzip
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.component.conftest import ApiClient, cloud
from tests.component.reporting.conftest import LAKE, api, ask, buckets
from tests.component.reporting.running import content
from tests.component.reporting.test_worker_process import Deployment, deployment, status
from tests.flows.figures import record_figure
from tests.flows.worker_image import docker, peak_megabytes, task_size, worker_image
from tools.bench.report_sizes import make_lake

__all__ = ["api", "ask", "buckets", "cloud", "deployment", "worker_image"]
pytestmark = pytest.mark.slow

type Totals = dict[str, tuple[int, int]]
"""Number and amount (minor units) of the open opportunities in each stage."""

EVENTS = 300_000
OF_THE_HOST = ("PYTHONPATH", "WORK_FOLDER", "WORKER_VISIBILITY_TIMEOUT")


@pytest.fixture
def lake(buckets: Any, tmp_path: Path) -> Totals:
    """A lake in S3; returns what the report must say about it."""
    make_lake(tmp_path / "lake", EVENTS)
    last: dict[str, dict[str, Any]] = {}
    for file in sorted((tmp_path / "lake").rglob("*.jsonl.gz")):
        body = file.read_bytes()
        key = str(file.relative_to(tmp_path / "lake"))
        boto3.client("s3").put_object(Bucket=LAKE, Key=key, Body=body)
        for line in gzip.decompress(body).splitlines():
            event = json.loads(line)
            # The sequence of a record grows with the files.
            last[event["subject"]] = event["data"]["current"]
    deals, amounts = Counter[str](), Counter[str]()
    for one in last.values():
        if one["status"] == "open":
            deals[one["stage_name"]] += 1
            amounts[one["stage_name"]] += one["amount"]["minor_units"]
    return {stage: (deals[stage], amounts[stage]) for stage in deals}


@pytest.mark.timeout(900)
# "tier sizes 0.5/1", and 0.25 vCPU with 0.5 GB, which is what phase mvp has.
@pytest.mark.parametrize(("cpus", "megabytes"), [("0.5", 1024), ("0.25", 512)])
def test_a_large_report_fits_into_a_task(
    lake: Totals,
    api: ApiClient,
    ask: Callable[..., dict[str, Any]],
    deployment: Deployment,
    worker_image: str,
    cpus: str,
    megabytes: int,
) -> None:
    given = {k: v for k, v in deployment.environment.items() if k not in OF_THE_HOST}
    words = [word for item in given.items() for word in ("--env", "=".join(item))]
    size = task_size(cpus, megabytes)
    ran = docker("run", "--detach", "--network", "host", *size, *words, worker_image)
    assert ran.returncode == 0, ran.stderr
    container = ran.stdout.strip()
    try:
        run = ask(report="pipeline_by_stage")
        started = time.monotonic()
        deployment.relay()
        assert deployment.machine.end(run["id"], 600) == "SUCCEEDED", docker("logs", container)
        seconds, peak = time.monotonic() - started, peak_megabytes(container)
        record_figure(
            f"worker, {cpus} CPU and {megabytes} MB: {EVENTS:,} events in {seconds:.1f} s, "
            f"at most {peak} MB"
        )
        docker("stop", "--time", "60", container, timeout=90)
        ended = docker("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", container)
        assert ended.stdout.strip() == "0 false"
    finally:
        docker("rm", "--force", container)
    assert status(api, run) == "completed"
    assert peak < megabytes * 0.9, "a task is killed at its limit"
    rows = json.loads(content(run))["rows"]
    assert {row["stage"]: (row["deals"], row["amount"]["minor_units"]) for row in rows} == lake
    assert len(lake) == 2
