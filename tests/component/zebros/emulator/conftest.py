"""Emulator processes on free ports: one as shipped, one patched; each started once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import botocore.session
import httpx
import pytest
from botocore.config import Config

from zebros.emulator.settings import Settings
from zebros.local import ports


class Emulator:
    """One emulator process and clients for it."""

    def __init__(
        self, home: Path, *, patched: bool, snapshot_s: float = 0.5, sample_s: float = 5.0
    ) -> None:
        self.settings = Settings(
            port=ports.free_port(), home=home, snapshot_s=snapshot_s, sample_s=sample_s
        )
        self.patched = patched
        self._process: subprocess.Popen[bytes] | None = None
        self._session = botocore.session.Session()

    @property
    def endpoint(self) -> str:
        return self.settings.endpoint

    def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key[:4] != "AWS_"}
        command = [sys.executable, "-m", "ministack"]
        if self.patched:
            command = [sys.executable, "-m", "zebros.emulator"]
            command += ["--port", str(self.settings.port), "--home", str(self.settings.home)]
            command += ["--snapshot", str(self.settings.snapshot_s)]
            command += ["--sample", str(self.settings.sample_s)]
        else:
            environment |= self.settings.environment()
        self.settings.home.mkdir(exist_ok=True)
        with (self.settings.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.until(self.answers, 120)

    def answers(self) -> bool:
        with suppress(httpx.TransportError):
            url = f"{self.endpoint}/_ministack/health"
            return httpx.get(url, trust_env=False, timeout=2).is_success
        return False

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self, service: str, endpoint: str | None = None) -> Any:
        return self._session.create_client(
            service,
            region_name="us-east-1",
            endpoint_url=endpoint or self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(s3={"addressing_style": "path"}, signature_version=_signature(service)),
        )

    def deploy(self, name: str, template: str) -> dict[str, str]:
        """Create a stack; returns its outputs. Fails with the reasons."""
        formation = self.client("cloudformation")
        formation.create_stack(
            StackName=name,
            TemplateBody=template,
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        )

        def settled() -> Any:
            stack = formation.describe_stacks(StackName=name)["Stacks"][0]
            return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

        stack = self.until(settled, 60)
        events = formation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [one.get("ResourceStatusReason") for one in events]
        assert stack["StackStatus"] == "CREATE_COMPLETE", [one for one in reasons if one]
        return {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}

    def backlog(self) -> dict[str, Any]:
        found: dict[str, Any] = httpx.get(
            f"{self.endpoint}/_zebros/backlog", trust_env=False, timeout=10
        ).json()
        return found

    @staticmethod
    def until(condition: Callable[[], Any], seconds: float = 45) -> Any:
        """The first true result of the condition."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if result := condition():
                return result
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s")


def _signature(service: str) -> str | None:
    return "s3v4" if service == "s3" else None


@pytest.fixture(scope="session")
def unpatched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The emulator as shipped."""
    made = Emulator(tmp_path_factory.mktemp("unpatched") / "home", patched=False)
    made.start()
    yield made
    made.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The patched emulator."""
    made = Emulator(tmp_path_factory.mktemp("platform") / "home", patched=True)
    made.start()
    yield made
    made.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Emulator]]:
    """Makes an emulator to be killed."""
    made: list[Emulator] = []

    def make(*, patched: bool) -> Emulator:
        one = Emulator(tmp_path_factory.mktemp("own") / "home", patched=patched)
        one.start()
        made.append(one)
        return one

    yield make
    for one in made:
        one.end(signal.SIGKILL)
