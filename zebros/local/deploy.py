"""`sam build` and `sam deploy`, as anybody would run them, with the endpoint variable set.

What was built and deployed is remembered by a fingerprint of its source: a second start that
finds nothing changed leaves both out.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from zebros.client import stack as deployed
from zebros.client.connection import STACK
from zebros.client.stack import Resources
from zebros.errors import CliError, NotReady
from zebros.local.home import Home

REGION = "us-east-1"
_UNSEEN = ("tools/pack_function.py", "docs/openapi.json", "docs/asyncapi.json", "layers/layer.mk")
"""What the builds read beside their folder: SAM's cache does not know of it."""
_SOURCES = ("template.yaml", "services", "layers", "statemachines", "infra", *_UNSEEN)
_EVENT = re.compile(r"^(CREATE|UPDATE|DELETE)_(\w+)\s+(AWS::\S+)\s+(\S+)")
_BUILDING = re.compile(r"^Building (?:codeuri: .* functions: (\w+)|layer '(\w+)')")
_SETTLED = re.compile(r"(CREATE|UPDATE)_COMPLETE")
_KEPT_LINES = 60

type Say = Callable[[str], None]


class NotDeployed(CliError):
    """The build or the deployment failed; the sentence says which resource and why."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The CRM's stack, as it is to be on the local platform."""

    root: Path
    """The repository."""
    home: Home
    endpoint: str
    parameters: dict[str, str]
    name: str = STACK

    def deploy(self, say: Say) -> None:
        """Have the stack as the source describes it. Raises NotDeployed."""
        source = fingerprint(self.root)
        wanted = {"source": source, "parameters": self.parameters}
        before = self._before()
        if before != wanted or self._status() is None:
            if before.get("source") != source or not (self.home.build / "template.yaml").exists():
                say("Building the functions (sam build)")
                self._sam("build", *self._build_options(), say=say)
            say("Deploying the stack (sam deploy)")
            self._sam("deploy", *self._deploy_options(), say=say)
            # Only what the platform has on disk may be left out at the next start.
            self._save()
            self.home.deployed.write_text(json.dumps(wanted, indent=2) + "\n", encoding="utf-8")

    def resources(self) -> Resources:
        """What the deployed stack consists of."""
        return deployed.read(deployed_client("cloudformation", self.endpoint), self.name)

    def outputs(self) -> dict[str, str]:
        """The outputs of the deployed stack."""
        found = self._described()
        return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}

    def _build_options(self) -> list[str]:
        cache = self.root / ".aws-sam" / f"cache-{fingerprint(self.root, _UNSEEN)[:12]}"
        for old in cache.parent.glob("cache-*"):
            if old != cache:
                shutil.rmtree(old, ignore_errors=True)
        return [
            *("--template-file", str(self.root / "template.yaml")),
            *("--build-dir", str(self.home.build)),
            *("--cache-dir", str(cache)),
            "--cached",
            "--parallel",
        ]

    def _deploy_options(self) -> list[str]:
        overrides = [f"{name}={value}" for name, value in self.parameters.items()]
        return [
            *("--template-file", str(self.home.build / "template.yaml")),
            *("--stack-name", self.name),
            *("--region", REGION),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
            "--resolve-s3",
            "--no-confirm-changeset",
            "--no-fail-on-empty-changeset",
            "--no-progressbar",
            *(("--parameter-overrides", *overrides) if overrides else ()),
        ]

    def _before(self) -> dict[str, Any]:
        try:
            found = json.loads(self.home.deployed.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _described(self) -> dict[str, Any]:
        found = deployed_client("cloudformation", self.endpoint).describe_stacks(
            StackName=self.name
        )["Stacks"]
        stack: dict[str, Any] = found[0]
        return stack

    def _status(self) -> str | None:
        """The status of a stack that is complete; None when it is not there or not complete."""
        from botocore.exceptions import ClientError

        try:
            status = str(self._described()["StackStatus"])
        except ClientError:
            return None
        return status if _SETTLED.fullmatch(status) else None

    def _save(self) -> None:
        with suppress(httpx.HTTPError):
            httpx.post(f"{self.endpoint}/_zebros/snapshot", timeout=60.0, trust_env=False)

    def _sam(self, command: str, *options: str, say: Say) -> None:
        """Run one command of the SAM CLI, telling what it does. Raises NotDeployed."""
        process = subprocess.Popen(
            [sam(), command, *options],
            cwd=self.root,
            env=environment(self.endpoint),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            with process.stdout:
                lines = list(told(process.stdout, say))
            code = process.wait()
        except BaseException:
            # Ctrl-C: make and pip run below sam, and must not outlive us.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        if code:
            reasons = self._reasons() if command == "deploy" else ""
            raise NotDeployed(
                f"`sam {command}` failed: {reasons or last_line(lines)}",
                hint="\n".join(lines[-_KEPT_LINES:]) if not reasons else "",
            )

    def _reasons(self) -> str:
        """What CloudFormation says went wrong: the resources that failed of themselves."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            events = deployed_client("cloudformation", self.endpoint).describe_stack_events(
                StackName=self.name
            )
        except (ClientError, BotoCoreError):
            return ""
        failed = [
            f"{one['LogicalResourceId']} ({one['ResourceType']}): {one['ResourceStatusReason']}"
            for one in events["StackEvents"]
            if one["ResourceStatus"].endswith("_FAILED")
            and one.get("ResourceStatusReason")
            and "cancelled" not in one["ResourceStatusReason"]
        ]
        return "; ".join(reversed(failed))


def told(lines: Iterable[str], say: Say) -> Iterator[str]:
    """The lines of the SAM CLI, as they come; what a person wants to know of them is said."""
    done = 0
    for raw in lines:
        line = raw.rstrip()
        event = _EVENT.match(line)
        if event and event[2] == "COMPLETE":
            done += 1
            if done % 20 == 0:
                say(f"{done} resources are there")
        elif event and event[2] == "FAILED":
            say(f"{event[4]} failed")
        elif building := _BUILDING.match(line):
            say(f"Building {building[1] or building[2]}")
        elif line.startswith(("Build Failed", "Error:")):
            say(line)
        if line:
            yield line


def last_line(lines: list[str]) -> str:
    """The line that says what is wrong: the last one that names an error, else the last one."""
    named = [line for line in lines if line.lower().startswith(("error", "build failed"))]
    return (named or lines or ["it said nothing"])[-1]


def fingerprint(root: Path, sources: tuple[str, ...] = _SOURCES) -> str:
    """A hash of everything that `sam build` reads."""
    digest = hashlib.sha256()
    for name in sources:
        start = root / name
        files = [start] if start.is_file() else sorted(start.rglob("*"))
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(root)}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()


def environment(endpoint: str) -> dict[str, str]:
    """Ours, without anything of a real AWS account, and with the platform as the endpoint."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


def sam() -> str:
    """The SAM CLI of our environment, or of the machine. Raises NotReady."""
    beside = Path(sys.executable).parent / "sam"
    found = str(beside) if beside.exists() else shutil.which("sam")
    if found is None:
        raise NotReady(
            "The SAM CLI is missing.",
            hint="`make run` installs it; or `pip install aws-sam-cli` in this environment.",
        )
    return found


def deployed_client(service: str, endpoint: str) -> Any:
    """A client of one of the platform's services."""
    from zebros.client import aws

    # A real account's credentials must not be sent to, or be needed by, the local platform.
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")  # noqa: S106
    os.environ.pop("AWS_PROFILE", None)
    os.environ["AWS_DEFAULT_REGION"] = REGION
    return aws.client(service, endpoint)
