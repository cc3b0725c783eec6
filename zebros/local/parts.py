"""The processes of the local CRM, and the content of state.json."""

import importlib.util
import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx

from zebros.client.stack import Resources
from zebros.emulator.settings import ACCOUNT
from zebros.errors import NotReady
from zebros.local.home import Home
from zebros.local.ports import HOST
from zebros.local.processes import Child
from zebros.local.regions import FENCE, ONE, Place
from zebros.local.users import AUDIENCE
from zebros.regions.pair import Pair

_WORKER = "worker"
PULSE, LONGEST_SILENCE_S = "pulse", 180.0
"""The worker's file, and when it hangs (services/kernel/tasks/worker/pulse.py)."""
_SOCKET_STAGE = "live"
"""The stage of the WebSocket API (infra/websocket.yaml)."""


class ReportsBy(StrEnum):
    """Who makes reports: the function small ones and the worker large ones, or only one of them."""

    SIZE = "size"
    FUNCTION = "function"
    WORKER = "worker"

    @property
    def with_worker(self) -> bool:
        """Whether a worker runs."""
        return self is not ReportsBy.FUNCTION

    def parameters(self) -> dict[str, str]:
        """The parameters of the stack; locally, any image says that there is a worker."""
        return {
            "WorkerImage": f"{_WORKER}:local" if self.with_worker else "",
            "SmallReports": "worker" if self is ReportsBy.WORKER else "function",
        }


@dataclass
class Part:
    """One process of the CRM: its command and its health check."""

    name: str
    command: list[str]
    environment: dict[str, str]
    health: str | None = None
    """A URL that returns {"pid": …}, which shows that no other program answers at this port."""
    pulse: Path | None = None
    """The file with its pulse (worker/health.py), for a part that answers no requests."""
    saves_in: Path | None = None
    """Where it writes snapshots (zebros/emulator/snapshot.py), for a part that saves its state."""
    child: Child | None = None
    silent_since: float | None = None
    """When it was first seen without a pulse for LONGEST_SILENCE_S; by the monotonic clock."""
    restarts: list[float] = field(default_factory=list)

    def saving(self) -> bool:
        """Whether it writes a snapshot."""
        return self.saves_in is not None and any(self.saves_in.glob("snapshot.*.part"))


class PortTaken(NotReady):
    """Another program uses the port of a part."""


def platform(home: Home, port: int, place: Place) -> Part:
    """The local AWS emulator."""
    command = [sys.executable, "-m", "zebros.emulator", "--port", str(port)]
    command += ["--home", str(home.platform), "--region", place.region]
    if place.pair is not None:
        command += ["--pair", str(place.pair.path)]
    health = f"http://{HOST}:{port}/_zebros/health"
    return Part("platform", command, base_environment(), health, saves_in=home.platform / "state")


def issuer(home: Home, port: int, tenants: tuple[str, ...], docker: str | None) -> Part:
    """The issuer of tokens; `docker` is the Docker bridge's address, if it is used."""
    command = [sys.executable, "-m", "zebros.local.issuer", "--port", str(port)]
    command += ["--home", str(home.issuer), "--tenants", ",".join(tenants)]
    if docker:
        command += ["--also", docker]
    return Part("issuer", command, base_environment(), f"http://{HOST}:{port}/health")


def docker_bridge(address: str, *forwarded: int) -> Part:
    """The process that forwards ports on the Docker bridge."""
    command = [sys.executable, "-m", "zebros.local.bridge", "--host", address]
    for port in forwarded:
        command += ["--port", str(port)]
    return Part("bridge", command, base_environment())


def replicator(pair: Pair) -> Part:
    """The process that replicates tables and buckets between two regions."""
    command = [sys.executable, "-m", "zebros.local.replicator", "--pair", str(pair.path)]
    return Part("replicator", command, base_environment())


def worker(home: Home, state: dict[str, Any]) -> Part:
    """The worker, which runs in a container in AWS."""
    pulse = home.worker / PULSE
    pulse.unlink(missing_ok=True)  # that of the worker before it
    environment = base_environment() | worker_variables(state) | {"WORK_FOLDER": str(home.worker)}
    return Part("worker", [sys.executable, "-m", _WORKER], environment, pulse=pulse)


def silence_s(pulse: Path) -> float:
    """Seconds since the last pulse; 0 when there was none yet, because it is starting."""
    with suppress(OSError):
        return max(0.0, time.time() - pulse.stat().st_mtime)
    return 0.0


def report_makers(wanted: str) -> ReportsBy:
    """Who makes reports; only the function where this repository does not contain the worker."""
    there = importlib.util.find_spec(_WORKER) is not None
    return ReportsBy(wanted) if there else ReportsBy.FUNCTION


def pid_at(url: str) -> int | None:
    """The pid that the health check at this URL returns, or None."""
    with suppress(httpx.HTTPError, ValueError, AttributeError):
        answer = httpx.get(url, timeout=2.0, trust_env=False)
        pid = answer.json().get("pid") if answer.is_success else None
        return int(pid) if pid is not None else None
    return None


def state_document(
    resources: Resources,
    outputs: dict[str, str],
    endpoint: str,
    base: str,
    root: Path,
    place: Place,
) -> dict[str, Any]:
    """The content of state.json: addresses and resource names."""
    api, socket = resources.find("rest_apis", "Api"), resources.find("socket_apis", "Socket")
    host = endpoint.removeprefix("http://")
    return {
        "endpoint": endpoint,
        "region": place.region,
        **place.state(),
        "api": f"{endpoint}/restapis/{api}/v1/_user_request_" if api else None,
        "websocket": f"ws://{host}/_aws/execute-api/{socket}/{_SOCKET_STAGE}" if socket else None,
        "bus": resources.find("buses", "Bus"),
        "lake_bucket": resources.find("buckets", "LakeBucket"),
        "files_bucket": resources.find("buckets", "FilesBucket"),
        "task_queue": resources.find("queues", "ReportTasksQueue"),
        "state_machine": resources.find("state_machines", "ReportFlow"),
        "issuer_base": base,
        "audience": AUDIENCE,
        "tables": resources.tables,
        "functions": resources.functions,
        "resources": resources.by_kind,
        "outputs": outputs,
        "root": str(root),
        "pids": {},
    }


def base_environment() -> dict[str, str]:
    """The environment of a part: this one without settings of a real AWS account."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return variables | {"PYTHONUNBUFFERED": "1"}


def _live(state: dict[str, Any], function: str) -> str | None:
    """The ARN of a function's alias `live`; None where there is no such function."""
    name = state["functions"].get(function)
    arn = f"arn:aws:lambda:{state['region']}:{ACCOUNT}:function"
    return f"{arn}:{name}:live" if name else None


def worker_variables(state: dict[str, Any]) -> dict[str, str]:
    """The worker's variables, the same as in AWS."""
    variables = {
        "REPORTING_TABLE_NAME": state["tables"].get("ReportingTable"),
        "IMPORTS_TABLE_NAME": state["tables"].get("ImportsTable"),
        "CUSTOMERS_API_ARN": _live(state, "CustomersApi"),
        "OPPORTUNITIES_API_ARN": _live(state, "OpportunitiesApi"),
        "BUS_NAME": state["bus"],
        "LAKE_BUCKET": state["lake_bucket"],
        "FILES_BUCKET": state["files_bucket"],
        "TASK_QUEUE_URL": state["task_queue"],
        "STATE_MACHINE_ARN": state["state_machine"],
        "AWS_ENDPOINT_URL": state["endpoint"],
        "AWS_REGION": state["region"],
        "AWS_DEFAULT_REGION": state["region"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "POWERTOOLS_SERVICE_NAME": "reporting",
    }
    if state.get("role", ONE) != ONE:
        variables |= {"FENCE_TABLE_NAME": FENCE, "REGION_ROLE": state["role"]}
    return {name: str(value) for name, value in variables.items() if value}
