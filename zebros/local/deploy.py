"""Runs `sam build` and `sam deploy` with the endpoint of the local platform.

A fingerprint of the deployed source is stored; a later start with the same source skips both.
"""

import fcntl
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
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from zebros.client import stack as deployed
from zebros.client.connection import STACK
from zebros.client.stack import Resources
from zebros.errors import CliError, NotReady
from zebros.local.home import Home

REGION = "us-east-1"
_OTHER_INPUTS = (
    "tools/pack_function.py",
    "docs/openapi.json",
    "docs/asyncapi.json",
    "layers/layer.mk",
)
"""Files outside the functions' folders that builds read, and that SAM's cache ignores."""
_SOURCES = ("template.yaml", "services", "layers", "statemachines", "infra", *_OTHER_INPUTS)
_EVENT = re.compile(r"^(CREATE|UPDATE|DELETE)_(\w+)\s+(AWS::\S+)\s+(\S+)")
_BUILDING = re.compile(r"^Building (?:codeuri: .* functions: |layer ')(?:\w+/)*(\w+)")
_SETTLED = re.compile(r"(CREATE|UPDATE)_COMPLETE")
_CACHED = "build.toml"
_KEPT_LINES = 60
EMPTY = '""'
"""An empty value in --parameter-overrides."""

type Report = Callable[[str], None]
"""Shows a message to the user."""


class NotDeployed(CliError):
    """The build or the deployment failed; the message names the resource and the reason."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The CRM's stack on the local platform."""

    root: Path
    """The repository."""
    home: Home
    endpoint: str
    parameters: dict[str, str]
    name: str = STACK
    region: str = REGION

    def deploy(self, report: Report) -> None:
        """Build and deploy the stack if source or parameters have changed. Raises NotDeployed.

        As with `sam deploy`, a parameter that is not given keeps its value.
        """
        source = fingerprint(self.root)
        same_source = self._before().get("source") == source
        if not same_source or not self._has_parameters():
            if not same_source or not (self.home.build / "template.yaml").exists():
                report("Building the functions (sam build)")
                self._build(report)
            report("Deploying the stack (sam deploy)")
            self._sam("deploy", *self._deploy_options(), report=report)
            # The next start may skip the deployment only if the platform has saved it to disk.
            self._save()
            self.home.deployed.write_text(json.dumps({"source": source}) + "\n", encoding="utf-8")

    def resources(self) -> Resources:
        """The resources of the deployed stack."""
        return deployed.read(self._cloudformation(), self.name)

    def outputs(self) -> dict[str, str]:
        """The outputs of the deployed stack."""
        stack = self._described()
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def _build(self, report: Report) -> None:
        """Build, with the layers that were built for any folder from the same source.

        SAM names a cached layer in a file beside the output, which another folder does not have.
        Two builds of one source wait for each other, because they write to the same cache.
        """
        cache = self.root / ".aws-sam" / f"cache-{fingerprint(self.root, _OTHER_INPUTS)[:12]}"
        cache.parent.mkdir(exist_ok=True)
        with (cache.parent / "building").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._build_with(cache, report)

    def _build_with(self, cache: Path, report: Report) -> None:
        for old in cache.parent.glob("cache-*"):
            if old != cache:
                shutil.rmtree(old, ignore_errors=True)
        own, shared = self.home.build.with_name(_CACHED), cache / _CACHED
        if shared.exists():
            shutil.copyfile(shared, own)
        self._sam("build", *self._build_options(cache), report=report)
        if own.exists():
            shutil.copyfile(own, shared)

    def _build_options(self, cache: Path) -> list[str]:
        return [
            *("--template-file", str(self.root / "template.yaml")),
            *("--build-dir", str(self.home.build)),
            *("--cache-dir", str(cache)),
            "--cached",
            "--parallel",
        ]

    def _deploy_options(self) -> list[str]:
        # SAM rejects NAME= without a value; left out, the last deployment's value would stay.
        overrides = [f"{name}={value or EMPTY}" for name, value in self.parameters.items()]
        return [
            *("--template-file", str(self.home.build / "template.yaml")),
            *("--stack-name", self.name),
            *("--region", self.region),
            *("--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"),
            "--resolve-s3",
            "--no-confirm-changeset",
            "--no-fail-on-empty-changeset",
            "--no-progressbar",
            *(("--parameter-overrides", *overrides) if overrides else ()),
        ]

    def _before(self) -> dict[str, Any]:
        try:
            content = json.loads(self.home.deployed.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def _described(self) -> dict[str, Any]:
        stacks = self._cloudformation().describe_stacks(StackName=self.name)["Stacks"]
        stack: dict[str, Any] = stacks[0]
        return stack

    def _has_parameters(self) -> bool:
        """Whether the stack is deployed completely, with these values of its parameters."""
        from botocore.exceptions import ClientError

        try:
            stack = self._described()
        except ClientError:
            return False
        # Like SAM, this ignores values for which the template has no parameter.
        wrong = [
            one["ParameterKey"]
            for one in stack.get("Parameters", [])
            if self.parameters.get(one["ParameterKey"], one["ParameterValue"])
            != one["ParameterValue"]
        ]
        return not wrong and _SETTLED.fullmatch(stack["StackStatus"]) is not None

    def _cloudformation(self) -> Any:
        return platform_client("cloudformation", self.endpoint, self.region)

    def _save(self) -> None:
        with suppress(httpx.HTTPError):
            httpx.post(f"{self.endpoint}/_zebros/snapshot", timeout=60.0, trust_env=False)

    def _sam(self, command: str, *options: str, report: Report) -> None:
        """Run a command of the SAM CLI and report its progress. Raises NotDeployed."""
        # SAM leaves a temporary folder behind for every function that it packages.
        with TemporaryDirectory(prefix="zebros-sam-") as folder:
            self._run_sam([command, *options], folder, report)

    def _run_sam(self, words: list[str], temporary: str, report: Report) -> None:
        process = subprocess.Popen(
            [*sam_command(), *words],
            cwd=self.root,
            env=environment(self.endpoint, self.region) | {"TMPDIR": temporary},
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
                lines = list(report_progress(process.stdout, report))
            code = process.wait()
        except BaseException:
            # After Ctrl-C, end also make and pip, which sam has started.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            raise
        if code:
            reasons = self._reasons() if words[0] == "deploy" else ""
            raise NotDeployed(
                f"`sam {words[0]}` failed: {reasons or last_line(lines)}",
                hint="\n".join(lines[-_KEPT_LINES:]) if not reasons else "",
            )

    def _reasons(self) -> str:
        """The reasons of the resources that failed first, according to CloudFormation."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            events = self._cloudformation().describe_stack_events(StackName=self.name)
        except (ClientError, BotoCoreError):
            return ""
        failed = [
            f"{event['LogicalResourceId']} ({event['ResourceType']}): "
            f"{event['ResourceStatusReason']}"
            for event in events["StackEvents"]
            if event["ResourceStatus"].endswith("_FAILED")
            and event.get("ResourceStatusReason")
            and "cancelled" not in event["ResourceStatusReason"]
        ]
        return "; ".join(reversed(failed))


def report_progress(lines: Iterable[str], report: Report) -> Iterator[str]:
    """Yield the output lines of the SAM CLI, and report the progress that they show."""
    count = 0
    for raw in lines:
        line = raw.rstrip()
        event = _EVENT.match(line)
        if event and event[2] == "COMPLETE":
            count += 1
            if count % 20 == 0:
                report(f"{count} resources are created")
        elif event and event[2] == "FAILED":
            report(f"{event[4]} failed")
        elif building := _BUILDING.match(line):
            report(f"Building {building[1]}")
        elif line.startswith(("Build Failed", "Error:")):
            report(line)
        if line:
            yield line


def last_line(lines: list[str]) -> str:
    """The last line that begins with an error, else the last line."""
    named = [line for line in lines if line.lower().startswith(("error", "build failed"))]
    return (named or lines or ["there was no output"])[-1]


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


def environment(endpoint: str, region: str = REGION) -> dict[str, str]:
    """This environment without settings of a real AWS account, and with the platform's endpoint."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return variables | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "1",
        "NO_PROXY": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


def sam_command() -> list[str]:
    """How the SAM CLI is started: of this Python, else on the PATH. Raises NotReady."""
    if find_spec("samcli") is not None:
        return [sys.executable, "-m", "zebros.local.sam"]
    path = shutil.which("sam")
    if path is None:
        raise NotReady(
            "The SAM CLI is missing.",
            hint="`make run` installs it; or `pip install aws-sam-cli` in this environment.",
        )
    return [path]


def platform_client(service: str, endpoint: str, region: str = REGION) -> Any:
    """A client of one of the platform's services."""
    from zebros.client import aws

    # The local platform neither needs nor may get the credentials of a real account.
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")  # noqa: S106
    os.environ.pop("AWS_PROFILE", None)
    os.environ["AWS_DEFAULT_REGION"] = region
    return aws.client(service, endpoint, region=region)
