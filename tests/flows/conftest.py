"""The deployed system: one platform per session, started and stopped through the command line."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.flows.figures import FIGURES, record_figure
from zebros.local import ports
from zebros.local.home import Home

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("ZEBROS_SHARED_DATA", ROOT.parent / "shared" / "data"))
SALES = DATA / "crm-sales-opportunities"
RUNNING = os.environ.get("ZEBROS_FLOWS_HOME")
"""Set while working on these tests: the home of a platform to drive, which is left running."""
MAPS = Path(__file__).parent / "maps"
ZEBROS = [sys.executable, "-c", "import sys; from zebros.cli import main; sys.exit(main())"]
VISIBILITY_S = 20
LONGEST_FIRST = (
    *("phase_moves", "sales_year", "restore", "regions", "runbook", "containers", "chaos"),
    *("attaching", "worker_task", "rebuild", "first_change", "new_context"),
)
"""The slow files by the time they take: a process that ends with a long one would run alone."""


class Zebros:
    """The command line with one home."""

    built: Path | None = None
    """Where the first one that is up leaves its build for the others of this run, if at all."""

    def __init__(self, home: Path, **variables: str) -> None:
        """`variables` are those of its environment besides the usual ones."""
        self.home, self._variables = home, variables

    def __call__(
        self, *words: object, check: bool = True, timeout: float = 600, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command; with `check` a failure fails the test with the output."""
        done = subprocess.run(
            [*ZEBROS, "--home", str(self.home), *map(str, words)],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=ROOT,
            env=environment() | self._variables,
            input=stdin,
        )
        if check:
            assert done.returncode == 0, f"zebros {words}: {done.stdout}\n{done.stderr}"
        return done

    def up(self, *options: object) -> None:
        """Start the CRM, at first empty, without building again what this run has built."""
        home, built = Home(self.home), self.built
        if built is not None and built.exists() and not home.build.exists():
            shutil.copytree(built, home.path, copy_function=os.link, dirs_exist_ok=True)
        self("up", "--empty", "--detach", *options)
        if built is not None and not built.exists():
            part = built.with_name(f"{built.name}-{os.getpid()}")
            shutil.copytree(home.build, part / home.build.name, copy_function=os.link)
            # With the fingerprint of its source: another source is built again.
            shutil.copyfile(home.deployed, part / home.deployed.name)
            with suppress(OSError):  # another process was first
                part.rename(built)

    def json(self, *words: object) -> Any:
        """Run one command and read its JSON."""
        return json.loads(self("--json", *words).stdout)


def up_options() -> tuple[object, ...]:
    """Options of `zebros up`: in a process of several, ports that no other one chooses."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return ()
    return ("--port", ports.free_port(), "--issuer-port", ports.free_port())


def environment() -> dict[str, str]:
    """An environment without variables of AWS and of the CRM."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ZEBROS_"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "140"}


class Crm:
    """A running CRM, seen from outside: its API for any user, its AWS services."""

    def __init__(self, zebros: Zebros) -> None:
        self.zebros = zebros
        self.state: dict[str, Any] = json.loads((zebros.home / "state.json").read_text())
        self._tokens: dict[tuple[str, str], str] = {}
        self.http = httpx.Client(timeout=60)

    def token(self, tenant: str = "acme", user: str = "admin") -> str:
        """A token of the local issuer."""
        if (tenant, user) not in self._tokens:
            self._tokens[tenant, user] = self._new_token(tenant, user)
        return self._tokens[tenant, user]

    def renew_tokens(self) -> None:
        """Get new tokens for everybody who has one; they expire after an hour."""
        for tenant, user in self._tokens:
            self._tokens[tenant, user] = self._new_token(tenant, user)

    def _new_token(self, tenant: str, user: str) -> str:
        answer = self.http.post(
            f"{self.state['issuer_base']}{tenant}/protocol/openid-connect/token",
            data={"grant_type": "password", "username": user, "password": user},
        )
        return str(answer.raise_for_status().json()["access_token"])

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        tenant: str = "acme",
        user: str = "admin",
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Call the API; a request rejected with 429 is repeated."""
        sent = {"authorization": f"Bearer {self.token(tenant, user)}", **(headers or {})}
        for _ in range(50):
            answer = self.http.request(method, self.state["api"] + path, json=body, headers=sent)
            if answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                break
            time.sleep(0.2)
        return answer

    def sam(self, folder: Path, *words: str) -> None:
        """Run the SAM CLI in a folder as people do, with the platform's address."""
        done = subprocess.run(
            [str(Path(sys.executable).with_name("sam")), *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            env={
                **environment(),
                "AWS_ENDPOINT_URL": self.state["endpoint"],
                "AWS_DEFAULT_REGION": self.state["region"],
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "SAM_CLI_TELEMETRY": "0",
                "SAM_CLI_POLL_DELAY": "1",
                "PYTHON": sys.executable,
            },
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def client(self, service: str) -> Any:
        """A boto3 client of the platform."""
        return boto3.client(
            service,
            endpoint_url=self.state["endpoint"],
            region_name=self.state["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    @cached_property
    def sqs(self) -> Any:
        """The queues."""
        return self.client("sqs")

    def backlog(self, *, dead_letters: bool = True) -> int:
        """The number of events and messages that are not processed yet."""
        found = self.http.get(f"{self.state['endpoint']}/_zebros/backlog").json()
        queues = dict(found["queues"])
        if not dead_letters:
            for name, url in self.state["resources"]["queues"].items():
                if name.endswith("DeadLetters"):
                    queues.pop(url.rpartition("/")[2], None)
        return int(found["streams"]) + sum(queues.values())

    def settle(self, seconds: float = 300, *, dead_letters: bool = True) -> float:
        """Wait until every published event was consumed; returns the seconds it took.

        A dead-letter message is never consumed; without `dead_letters` they may stay.
        """
        started = time.monotonic()
        quiet = 0
        while quiet < 3:
            if time.monotonic() - started > seconds:
                raise TimeoutError(f"still {self.backlog()} on their way after {seconds} s")
            quiet = quiet + 1 if self.backlog(dead_letters=dead_letters) == 0 else 0
            time.sleep(0.05)  # gap checks, which become due for a minute, are each gone sooner
        return time.monotonic() - started

    def shorten_visibility(self) -> None:
        """Messages of a killed or refused consumer return soon; in AWS after 3 to 11 minutes.

        It is on disk with everything else: a platform that is killed then has it still.
        """
        for name, url in self.state["resources"]["queues"].items():
            if name.endswith("Queue"):
                short = {"VisibilityTimeout": str(VISIBILITY_S)}
                self.sqs.set_queue_attributes(QueueUrl=url, Attributes=short)
        self.http.post(f"{self.state['endpoint']}/_zebros/snapshot").raise_for_status()

    def waiting(self, queue: str) -> int:
        """The number of messages of a queue that are to be received."""
        name = "ApproximateNumberOfMessages"
        found = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])
        return int(found["Attributes"][name])

    def log_lines(self, function: str, text: str, since: float = 0) -> list[dict[str, Any]]:
        """A function's JSON log lines that contain a text; `since` is a Unix time in seconds."""
        pages = self.client("logs").get_paginator("filter_log_events")
        group = f"/aws/lambda/{function}"
        return [
            json.loads(line)
            for page in pages.paginate(logGroupName=group, startTime=int(since * 1000))
            for event in page["events"]
            for line in event["message"].splitlines()
            if text in line and line.strip().startswith("{")
        ]

    @staticmethod
    def until(seen: Callable[[], bool], seconds: float = 30) -> None:
        """Poll until the condition is true."""
        deadline = time.monotonic() + seconds
        while not seen():
            assert time.monotonic() < deadline, f"not so after {seconds} s"
            time.sleep(0.2)

    def report(self, body: dict[str, Any], **who: str) -> dict[str, Any]:
        """Request a report and wait for it; returns the run with its parsed JSON in `result`."""
        asked = self("POST", "/reports", {"format": "json", **body}, **who)
        assert asked.status_code == 202, asked.text
        run = self.finished(asked.json()["id"], **who)
        assert run["status"] == "completed", run
        if body.get("format", "json") == "json":
            run["result"] = self.http.get(run["download_url"]).raise_for_status().json()
        return run

    def finished(
        self, run_id: str, seconds: float = 120, collection: str = "/reports", **who: str
    ) -> dict[str, Any]:
        """Wait for the end of a report or of another run; returns it."""
        deadline = time.monotonic() + seconds
        while True:
            run: dict[str, Any] = self("GET", f"{collection}/{run_id}", **who).json()
            if run["status"] in ("completed", "failed", "cancelled"):
                return run
            assert time.monotonic() < deadline, f"not finished: {run}"
            time.sleep(0.2)


@pytest.fixture(scope="session", autouse=True)
def one_build(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The processes of this run build the functions once."""
    own = tmp_path_factory.getbasetemp()
    Zebros.built = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "built"


@pytest.fixture(scope="session")
def zebros(tmp_path_factory: pytest.TempPathFactory) -> Zebros:
    """The command line with a new home, or with that of a platform that runs already."""
    return Zebros(Path(RUNNING) if RUNNING else tmp_path_factory.mktemp("crm") / "home")


@contextmanager
def started(zebros: Zebros) -> Iterator[Crm]:
    """A deployed CRM, empty at first; stopped at the end unless it ran before."""
    if not RUNNING:
        began = time.monotonic()
        zebros.up(*up_options())
        record_figure(f"platform up and stack deployed in {time.monotonic() - began:.1f} s")
    running = Crm(zebros)
    yield running
    running.http.close()
    if not RUNNING:
        zebros("down")


@pytest.fixture(scope="session")
def crm(zebros: Zebros) -> Iterator[Crm]:
    """The deployed CRM that most tests share."""
    with started(zebros) as running:
        yield running


@pytest.fixture
def only_workers(crm: Crm) -> Iterator[None]:
    """The step that chooses the tier leaves every report to the worker, as SmallReports=worker."""
    client, name = crm.client("lambda"), crm.state["functions"]["ReportingSteps"]
    found = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    before = {key: str(value) for key, value in found.items()}  # the emulator returns numbers
    changed = before | {"FUNCTION_LAKE_MEGABYTES": "0"}
    client.update_function_configuration(FunctionName=name, Environment={"Variables": changed})
    yield
    client.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@pytest.fixture(scope="session")
def sales_data() -> Path:
    """The folder of the public data set; without it these tests are skipped."""
    if not SALES.is_dir():
        pytest.skip(f"the data set is not at {SALES} (set ZEBROS_SHARED_DATA)")
    return SALES


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow files that take longest."""
    places = {f"test_{name}": place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda one: places.get(one.path.stem, len(places)))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the figures of this process to the one that prints them (pytest-xdist)."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["figures"] = FIGURES


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_testnodedown(node: Any) -> None:
    """Take over the figures of a process that has ended."""
    FIGURES.extend(getattr(node, "workeroutput", {}).get("figures", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measured figures."""
    if FIGURES:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(FIGURES))
