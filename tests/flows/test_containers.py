"""`sam local invoke` of every function: in a container that uses the running platform.

Needs the images of tools/lambda_base.sh (or a machine that can pull Lambda's); CI makes them.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import ROOT, Zebros, environment, up_options
from tests.flows.figures import record_figure
from tests.flows.worker_image import docker, is_there, peak_megabytes, task_size, worker_image
from tests.template.stack import functions
from zebros.local.parts import worker_variables

__all__ = ["worker_image"]

pytestmark = pytest.mark.slow

IMAGE = "zebros/lambda:3.13"
REQUESTS = ROOT / "events" / "requests"
EXPECTED: dict[str, dict[str, Any]] = json.loads((REQUESTS / "expected.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def bridged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zebros]:
    """A platform that containers reach."""
    if not is_there(IMAGE):
        pytest.skip(f"there is no image {IMAGE}: run tools/lambda_base.sh")
    zebros = Zebros(tmp_path_factory.mktemp("bridged") / "home")
    # The worker makes every report, so that a container in its place gets one.
    zebros.up("--bridge", "--reports", "worker", *up_options())
    yield zebros
    zebros("down")


def invoke(home: Path, name: str, event: Path) -> dict[str, Any]:
    """The result of a function; SAM itself always exits with 0."""
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "sam"), "local", "invoke", name),
            *("--template", str(home / "build" / "template.yaml"), "--event", str(event)),
            *("--env-vars", str(home / "sam-env.json"), "--skip-pull-image"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
        env={
            **environment(),
            "SAM_CLI_TELEMETRY": "0",
            # SAM requests the caller's identity; without an answer it tries AWS for seven seconds.
            "AWS_ENDPOINT_URL": json.loads((home / "state.json").read_text("utf-8"))["endpoint"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        },
    )
    lines = done.stdout.strip().splitlines()
    assert lines, done.stderr
    answer = json.loads(lines[-1])
    assert isinstance(answer, dict)
    return answer


@pytest.fixture(scope="module")
def answers(bridged: Zebros) -> dict[str, dict[str, Any]]:
    """Every function's answer to its sample event."""

    def ask(name: str) -> dict[str, Any]:
        return invoke(bridged.home, name, REQUESTS / f"{name}.json")

    first, second, *others = sorted(functions())
    # SAM builds an image for each set of layers at first use, which must not run twice.
    found = {name: ask(name) for name in (first, second, "Authorizer")}
    with ThreadPoolExecutor(os.cpu_count() or 2) as two:
        return {**found, **dict(zip(others, two.map(ask, others), strict=True))}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", functions())
def test_a_function_answers_its_sample_as_expected(
    name: str, answers: dict[str, dict[str, Any]]
) -> None:
    shown = {key: answers[name].get(key) for key in EXPECTED[name]}
    assert shown == EXPECTED[name], answers[name]


def test_a_function_in_a_container_changes_the_running_platform(
    bridged: Zebros, tmp_path: Path
) -> None:
    event = json.loads((REQUESTS / "CustomersApi.json").read_text("utf-8"))
    event |= {
        "httpMethod": "POST",
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "body": json.dumps({"name": "Made In A Container"}),
    }
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event), "utf-8")
    answer = invoke(bridged.home, "CustomersApi", file)
    assert answer["statusCode"] == 201, answer
    made = json.loads(answer["body"])
    assert bridged.json("api", "GET", f"/accounts/{made['id']}")["name"] == "Made In A Container"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("cpus", "megabytes"), [("0.25", 512), ("0.5", 1024)])
def test_the_worker_s_image_creates_a_report_in_a_task_of_its_size(
    bridged: Zebros, worker_image: str, tmp_path: Path, cpus: str, megabytes: int
) -> None:
    """As in phase mvp, and as later ones have it; the local worker is paused meanwhile."""
    state = json.loads((bridged.home / "state.json").read_text("utf-8"))
    given = [word for item in worker_variables(state).items() for word in ("--env", "=".join(item))]
    size = task_size(cpus, megabytes)
    ran = docker("run", "--detach", "--network", "host", *size, *given, worker_image)
    assert ran.returncode == 0, ran.stderr
    container = ran.stdout.strip()
    os.kill(state["pids"]["worker"], signal.SIGSTOP)
    try:
        file = tmp_path / "report.pdf"
        bridged("report", "win_rate", "--by", "owner", "--format", "pdf", "-o", file, timeout=240)
        assert file.read_bytes().startswith(b"%PDF")
        record_figure(f"worker, {cpus} CPU: a small report, {peak_megabytes(container)} MB at most")
        assert '"outcome":"succeeded"' in docker("logs", container).stdout
        docker("stop", "--time", "60", container, timeout=90)
        ended = docker("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", container)
        assert ended.stdout.strip() == "0 false", "SIGTERM must stop it cleanly"
    finally:
        os.kill(state["pids"]["worker"], signal.SIGCONT)
        docker("rm", "--force", container)


def test_nothing_listens_beyond_this_machine_and_its_bridge(bridged: Zebros) -> None:
    state = json.loads((bridged.home / "state.json").read_text("utf-8"))
    ports = {int(state[name].rpartition(":")[2].split("/")[0]) for name in ("endpoint",)}
    ports.add(int(state["issuer_base"].split(":")[2].split("/")[0]))
    bridge = state["bridge"]["endpoint"].split("//")[1].rpartition(":")[0]
    assert listening(ports) == {"127.0.0.1", bridge}


def listening(ports: set[int]) -> set[str]:
    """The addresses on which somebody accepts connections to these ports (proc(5))."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text("ascii").splitlines()[1:]:
            _, local, _, status, *_ = line.split()
            address, _, port = local.partition(":")
            if status == "0A" and int(port, 16) in ports:
                raw = bytes.fromhex(address)[::-1]
                found.add(".".join(map(str, raw)) if len(raw) == 4 else address)
    return found
