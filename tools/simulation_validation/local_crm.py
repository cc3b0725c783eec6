"""A CRM on the local platform, as the experiments need it."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import httpx

from tools.drift import ROOT
from zebros.client.connection import Connection, Deployment
from zebros.errors import NotReady
from zebros.local import ports

TENANTS = ("acme", "globex")
_DAY = 86_400
_ZEBROS = [sys.executable, "-m", "zebros"]


class LocalCrm:
    """A running CRM: its API with tokens, faults, limits of concurrency, and metrics."""

    def __init__(self, home: Path) -> None:
        """Raises NotReady when nothing runs there."""
        self._home = home
        self._state = Connection(home=home).state() or {}
        if not self._state.get("api"):
            raise NotReady(
                f"No CRM runs in {home}.", hint="`zebros up --reports worker` starts it."
            )
        self._deployment: Deployment = Connection(home=home).deployment()
        self.http = httpx.Client(timeout=60, trust_env=False)
        self._tokens: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    @property
    def api(self) -> str:
        """The URL of the API."""
        return str(self._state["api"])

    @property
    def functions(self) -> Mapping[str, str]:
        """Names of functions by logical id."""
        return self._deployment.resources.functions

    def headers(self, tenant: str = TENANTS[0]) -> dict[str, str]:
        """The header field with a token of the tenant's administrator."""
        if tenant not in self._tokens:
            url = f"{self._state['issuer_base']}{tenant}/protocol/openid-connect/token"
            form = {"grant_type": "password", "username": "admin", "password": "admin"}
            answer = self.http.post(url, data=form).raise_for_status()
            self._tokens[tenant] = str(answer.json()["access_token"])
        return {"authorization": f"Bearer {self._tokens[tenant]}"}

    def call(self, method: str, path: str, body: Any = None, tenant: str = TENANTS[0]) -> Any:
        """Call the API; returns the JSON. Raises httpx.HTTPStatusError for a refusal."""
        sent = self.headers(tenant)
        answer = self.http.request(method, self.api + path, json=body, headers=sent)
        return answer.raise_for_status().json()

    def zebros(self, *words: str) -> None:
        """Run a command with this CRM."""
        _run(self._home, *words)

    def aws(self, service: str) -> Any:
        """A client of the platform."""
        return self._deployment.aws(service)

    @contextmanager
    def slow(self, seconds: Mapping[str, float], seed: int) -> Iterator[None]:
        """Let calls of services take so much longer, so that waiting outweighs the processor."""
        url = f"{self._deployment.endpoint}/_zebros/faults"
        rules = [
            {"service": name, "kind": "slow", "seconds": more} for name, more in seconds.items()
        ]
        self.http.put(url, json={"seed": seed, "rules": rules}).raise_for_status()
        try:
            yield
        finally:
            self.http.delete(url)

    @contextmanager
    def limited(self, names: Sequence[str], executions: int) -> Iterator[None]:
        """Give functions a share of concurrency."""
        client = self.aws("lambda")
        for name in names:
            client.put_function_concurrency(
                FunctionName=self.functions[name], ReservedConcurrentExecutions=executions
            )
        try:
            yield
        finally:
            for name in names:
                client.delete_function_concurrency(FunctionName=self.functions[name])

    def settle(self, seconds: float = 60) -> None:
        """Wait until every event is processed. Raises NotReady when that takes longer."""
        ends, quiet = time.monotonic() + seconds, 0
        while quiet < 3:
            found = self.http.get(f"{self._deployment.endpoint}/_zebros/backlog").json()
            left = int(found["streams"]) + sum(found["queues"].values())
            quiet = 0 if left else quiet + 1
            if time.monotonic() > ends:
                raise NotReady(f"{left} events are still on their way after {seconds:.0f} s.")
            time.sleep(0.1)

    def metric(
        self, namespace: str, name: str, stat: str, since: float, **dimensions: str
    ) -> float | None:
        """A statistic of all values since a time; None without any."""
        query = {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        }
        answer = self.aws("cloudwatch").get_metric_data(
            StartTime=datetime.fromtimestamp(since, UTC),
            EndTime=datetime.fromtimestamp(time.time() + 60, UTC),
            MetricDataQueries=[
                {"Id": "q", "MetricStat": {"Metric": query, "Period": _DAY, "Stat": stat}}
            ],
        )
        values = answer["MetricDataResults"][0]["Values"]
        return float(values[-1]) if values else None

    def dimension_values(self, namespace: str, name: str, dimension: str) -> list[str]:
        """The values that a dimension of a metric has."""
        found = set[str]()
        pages = self.aws("cloudwatch").get_paginator("list_metrics")
        for page in pages.paginate(Namespace=namespace, MetricName=name):
            for metric in page["Metrics"]:
                found |= {one["Value"] for one in metric["Dimensions"] if one["Name"] == dimension}
        return sorted(found)


@contextmanager
def running(home: Path | None) -> Iterator[LocalCrm]:
    """The CRM of a folder, or one of its own, which is stopped at the end."""
    if home is not None:
        with LocalCrm(home) as crm:
            yield crm
        return
    with tempfile.TemporaryDirectory() as folder:
        own = Path(folder) / "home"
        port, issuer = ports.free_port(), ports.free_port()
        options = ("--port", str(port), "--issuer-port", str(issuer))
        try:
            _run(own, "up", "--empty", "--detach", "--reports", "worker", *options)
            with LocalCrm(own) as crm:
                yield crm
        finally:
            with suppress(NotReady):
                _run(own, "down")


def _run(home: Path, *words: str) -> None:
    done = subprocess.run(
        [*_ZEBROS, "--home", str(home), *words], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise NotReady(f"zebros {' '.join(words)}: {done.stderr.strip()}")
