"""The worker as a separate process: signals, kills, temporary files."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kernel.tasks.worker.pulse import LONGEST_SILENCE_S, NAME
from tests.component.conftest import ApiClient
from tests.component.kernel.flows import carried_out, left, until
from tests.component.reporting.conftest import FILES, LAKE, into_lake, opportunity
from tests.component.reporting.moto_server import moto_server
from tests.component.reporting.running import Running
from tests.component.test_budgets import ROOT
from tests.unit.kernel.tasks.test_protection import Agent

Ask = Callable[..., dict[str, Any]]
MADE = ["ReportRequested", "ReportStarted", "ReportCompleted"]
IMPORT_PATH = os.pathsep.join([str(ROOT), str(ROOT / "services")])

# The real worker, except that computing a report waits until a file exists.
SLOW = """
import sys, time
from pathlib import Path
import reporting.jobs.report
from worker.main import main
original = reporting.jobs.report.compute
def compute(files, parameters, *, progress, **more):
    while not Path(sys.argv[1]).exists():
        progress.step(0.5, "Adding up slowly")
        time.sleep(0.01)
    return original(files, parameters, progress=progress, **more)
reporting.jobs.report.compute = compute
sys.exit(main())
"""


class Deployment(Running):
    """The same, reachable from other processes."""

    def __init__(self, cloud: Any, folder: Path, endpoint: str) -> None:
        super().__init__(cloud, folder)
        self.go = folder / "go"
        self.environment = {
            "PYTHONPATH": IMPORT_PATH,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "REPORTING_TABLE_NAME": "table",
            "IMPORTS_TABLE_NAME": "table",
            "CUSTOMERS_API_ARN": "customers",
            "OPPORTUNITIES_API_ARN": "opportunities",
            "LAKE_BUCKET": LAKE,
            "FILES_BUCKET": FILES,
            "TASK_QUEUE_URL": self.queue,
            "WORK_FOLDER": str(folder / "work"),
            "WORKER_VISIBILITY_TIMEOUT": "6",
        }

    @contextmanager
    def process(self, slow: bool = False) -> Iterator[subprocess.Popen[str]]:
        """A worker process that is ready."""
        program = ["-c", SLOW, str(self.go)] if slow else ["-m", "worker"]
        process = subprocess.Popen(
            [sys.executable, *program],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            assert process.stderr.readline() == "worker ready: waiting for tasks\n"
            yield process
        finally:
            process.kill()
            process.communicate()

    def health(self) -> tuple[int, str]:
        """The exit code and the output of the container's health check."""
        done = subprocess.run(
            [sys.executable, "-m", "worker.health"],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.returncode, done.stdout

    def temporary(self) -> list[str]:
        """Temporary folders of workers, and the files in them."""
        root = self.folder / "work" / "temporary"
        return sorted(path.name for path in root.iterdir() if path.name != ".lock")


@pytest.fixture
def deployment(
    cloud: Any, buckets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    from reporting.handlers.steps import handler

    with moto_server() as endpoint, carried_out(steps=handler):
        deployment = Deployment(cloud, tmp_path, endpoint)
        monkeypatch.setenv("STATE_MACHINE_ARN", deployment.machine.arn)
        for tier in ("STANDARD", "ANALYTICS"):
            monkeypatch.setenv(f"{tier}_QUEUE_URL", deployment.queue)
        yield deployment


def seen(api: ApiClient, run: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = api("GET", f"/reports/{run['id']}").json
    return shown


def status(api: ApiClient, run: dict[str, Any]) -> str:
    return str(seen(api, run)["status"])


def test_a_worker_process_creates_reports(api: ApiClient, ask: Ask, deployment: Deployment) -> None:
    into_lake(opportunity("won"), opportunity("lost"))
    run = ask(format="pdf")
    deployment.relay()
    with deployment.process() as process:
        assert deployment.machine.end(run["id"]) == "SUCCEEDED"
        process.terminate()
        assert process.wait(15) == 0
    done = api("GET", f"/reports/{run['id']}").json
    assert done["outcome"]["totals"][0]["win_rate"] == "0.5000"
    assert deployment.temporary() == []


def test_a_worker_in_ecs_protects_its_task_while_it_creates_a_report(
    ask: Ask, deployment: Deployment
) -> None:
    run = ask()
    with Agent() as agent:
        thread = threading.Thread(target=agent.serve_forever)
        thread.start()
        deployment.environment["ECS_AGENT_URI"] = agent.uri
        with deployment.process():
            assert agent.requests == [], "an idle worker may be stopped"
            deployment.relay()
            assert deployment.machine.end(run["id"]) == "SUCCEEDED"
            until(lambda: len(agent.requests) == 2)
        agent.shutdown()
        thread.join()
    assert [body["ProtectionEnabled"] for _, _, body in agent.requests] == [True, False]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_asked_to_stop_requeues_its_report_for_another_one(
    api: ApiClient, ask: Ask, deployment: Deployment, number: signal.Signals
) -> None:
    run = ask()
    deployment.relay()
    with deployment.process(slow=True) as process:
        # It is in the middle: the query reports its progress, and ends only when it is allowed to.
        until(lambda: seen(api, run).get("progress_text") == "Adding up slowly")
        assert 0 < seen(api, run)["progress"] < 100
        started = time.monotonic()
        process.send_signal(number)
        assert process.wait(30) == 0
        assert time.monotonic() - started < 20, "Spot leaves two minutes"
    assert status(api, run) == "retry_pending"
    assert left(deployment.queue) == 1
    assert deployment.temporary() == []
    deployment.go.touch()
    with deployment.process():
        assert deployment.machine.end(run["id"]) == "SUCCEEDED"
    assert deployment.published(run["id"]) == [
        "ReportRequested",
        "ReportStarted",
        "ReportCompleted",
    ]
    assert api("GET", f"/reports/{run['id']}").json["attempts"] == 1, (
        "stopping is not counted as an attempt"
    )


def test_a_worker_that_is_killed_is_replaced_and_the_report_completed_once(
    api: ApiClient, ask: Ask, deployment: Deployment
) -> None:
    run = ask()
    deployment.relay()
    with deployment.process(slow=True) as process:
        until(lambda: status(api, run) == "processing")
        process.kill()
        process.wait()
    assert len(deployment.temporary()) == 2, "the folder and the lock of the killed one"
    assert status(api, run) == "processing"
    deployment.go.touch()
    with deployment.process():
        assert deployment.machine.end(run["id"]) == "SUCCEEDED"
        until(lambda: left(deployment.queue) == 0)
        assert len(deployment.temporary()) == 2, "its own; those of the killed one are removed"
    assert deployment.published(run["id"]) == [
        "ReportRequested",
        "ReportStarted",
        "ReportCompleted",
    ]
    done = api("GET", f"/reports/{run['id']}").json
    assert (done["status"], done["attempts"]) == ("completed", 2)


def test_a_worker_that_hangs_in_the_middle_loses_its_report_and_its_health(
    api: ApiClient, ask: Ask, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask()
    deployment.relay()
    with deployment.process(slow=True) as process:
        until(lambda: seen(api, run).get("progress_text") == "Adding up slowly")
        assert deployment.health() == (0, "")
        process.send_signal(signal.SIGSTOP)
        stopped = time.time() - LONGEST_SILENCE_S - 1
        os.utime(deployment.folder / "work" / NAME, (stopped, stopped))
        code, text = deployment.health()
        assert (code, text[:40]) == (1, "the worker hangs: it gave no sign of lif")
        deployment.go.touch()
        with deployment.process():
            assert deployment.machine.end(run["id"]) == "SUCCEEDED"
    assert seen(api, run)["attempts"] == 2


def test_a_worker_that_has_not_started_is_not_healthy(deployment: Deployment) -> None:
    code, text = deployment.health()
    assert (code, text[:26]) == (1, "the worker has not started")


def test_an_idle_worker_stops_within_seconds(deployment: Deployment) -> None:
    with deployment.process() as process:
        process.terminate()
        assert process.wait(8) == 0


def test_a_worker_names_missing_variables(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "worker"],
        env={
            "PYTHONPATH": IMPORT_PATH,
            "REPORTING_TABLE_NAME": "t",
            "IMPORTS_TABLE_NAME": "t",
            "CUSTOMERS_API_ARN": "c",
            "LAKE_BUCKET": "l",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "worker cannot start: set FILES_BUCKET, OPPORTUNITIES_API_ARN, TASK_QUEUE_URL\n"
    )


def test_the_folder_of_a_running_process_is_not_removed(tmp_path: Path) -> None:
    from kernel.tasks.worker.temporary_files import temporary_files

    with temporary_files(tmp_path) as mine:
        (mine / "file").touch()
        program = (
            "import sys, tempfile; from pathlib import Path\n"
            "from kernel.tasks.worker.temporary_files import temporary_files\n"
            "with temporary_files(Path(sys.argv[1])) as folder:\n"
            "    assert tempfile.mkdtemp().startswith(str(folder))\n"
        )
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            env={"PYTHONPATH": IMPORT_PATH, "PATH": os.environ["PATH"]},
            check=True,
        )
        assert (mine / "file").exists()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
