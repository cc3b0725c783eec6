"""Execution environments: processes that handle one event of one function at a time, as in Lambda.

Without this patch: a handler that prints nothing takes 50 ms longer, because its log is waited for;
every exception ends the process, so that the next call is a cold start; the error's type is always
`Runtime.HandlerError`; the process inherits the developer's environment and site-packages, so that
a missing dependency is not noticed; every process unpacks code and layers again.

Fix: the log is a file that is read after the result; exceptions are returned with their type and
trace; functions can import only their package, their layers, the standard library and the packages
of Lambda's runtime (boto3); unpacked code is shared by content.
"""

import hashlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from zebros.emulator import bootstrap
from zebros.emulator.patching import module
from zebros.emulator.settings import Settings

_INIT_S = 60.0
"""Seconds to import a handler; AWS allows 10, but a busy laptop is slower."""
_EXIT_S = 2.0
_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html: the runtime includes the SDK."""
_EXECUTE_API = re.compile(r"https://(\w+)\.execute-api\.[\w-]+\.amazonaws\.com")
_unpacking = threading.Lock()

type Answer = dict[str, Any]


class Environment:
    """One process with one function's handler.

    The emulator's pool of workers uses the public attributes, `_proc`, `_lock` and
    `_discard_tmpdir`.
    """

    def __init__(
        self, settings: Settings, func_name: str, config: dict[str, Any], code_zip: bytes
    ) -> None:
        self.func_name, self.config, self.code_zip = func_name, config, code_zip
        self.in_use = False
        self.last_used = time.time()
        self._settings = settings
        self._proc: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # of all its processes
        self._channel: socket.socket | None = None
        self._answers: IO[bytes] = io.BytesIO()

    def invoke(self, event: Any, request_id: str, **_: Any) -> Answer:
        """Handle one event; the status is "ok" with "result" or "error" with "error_payload"."""
        timeout = float(self.config.get("Timeout", 3))
        call = {
            "event": event,
            "request_id": request_id,
            "arn": self.config["FunctionArn"],
            "timeout_s": timeout,
        }
        with self._lock:
            try:
                running = self._proc is not None and self._proc.poll() is None
                answer = {"status": "ok"} if running else self._start()
                if answer["status"] == "ok":
                    answer = self._ask(call, timeout)
            except TimeoutError:
                self._end(at_once=True)
                message = (
                    f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds"
                )
                answer = _failed("Sandbox.Timedout", message)
            except (EOFError, ConnectionError):
                message = f"RequestId: {request_id} Error: Runtime exited with {self._end()}"
                answer = _failed("Runtime.ExitError", message)
            return {**answer, "log": self._take_log()}

    def _start(self) -> Answer:
        """Start a process, which imports the handler."""
        code = unpack(self._settings.scratch, self.code_zip)
        self._channel, theirs = socket.socketpair()
        self._answers = self._channel.makefile("rb")
        with theirs:
            self._proc = subprocess.Popen(
                [sys.executable, "-I", "-S", "-u", bootstrap.__file__],
                cwd=code,
                env=self._environment(code),
                stdin=theirs.fileno(),
                stdout=self._log,
                stderr=self._log,
            )
        start = {
            "path": [str(code), *self._layers()],
            "runtime": str(runtime_packages(self._settings.scratch)),
            "handler": self.config.get("Handler", ""),
        }
        answer = self._ask(start, _INIT_S)
        if answer["status"] == "error":
            self._end()
        return answer

    def _ask(self, document: dict[str, Any], timeout: float) -> Answer:
        assert self._channel is not None
        self._channel.settimeout(timeout)
        self._channel.sendall(json.dumps(document).encode() + b"\n")
        line = self._answers.readline()
        if not line:
            raise EOFError
        answer: Answer = json.loads(line)
        return answer

    def _end(self, *, at_once: bool = False) -> str:
        """End the process, killing it if necessary; returns how it ended."""
        self._answers.close()
        if self._channel is not None:
            self._channel.close()
        process, self._proc = self._proc, None
        if process is None:
            return "no status"
        try:
            code = process.wait(0 if at_once else _EXIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    def _discard_tmpdir(self) -> None:
        """Clean up; the emulator calls this when it ends the process. Unpacked code stays."""
        self._end()
        self._log.close()

    def _take_log(self) -> str:
        """The output of this call; empties the log file, whose position the process shares."""
        file = self._log.fileno()
        text = os.pread(file, os.lseek(file, 0, os.SEEK_CUR), 0)
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        return text.decode("utf-8", "replace").rstrip("\n")

    def _layers(self) -> list[str]:
        """The folders of layers for sys.path. A later layer overrides an earlier one."""
        functions = module("services.lambda_svc")
        contents = map(functions._resolve_layer_zip, reversed(self.config.get("Layers") or []))
        folders = [unpack(self._settings.scratch, zipped) for zipped in contents if zipped]
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        inside = (f"python/lib/{version}/site-packages", "python")
        return [str(folder / path) for folder in folders for path in inside]

    def _environment(self, code: Path) -> dict[str, str]:
        own = (self.config.get("Environment") or {}).get("Variables") or {}
        emulated = module("core.lambda_runtime")
        _, region = emulated._account_region_from_function_config(self.config)
        endpoint = self._settings.endpoint
        temporary = self._settings.scratch / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            "PATH": os.environ.get("PATH", ""),
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            # AWS has no such variable, and a disk for each environment in its place.
            "TMPDIR": str(temporary),
            "AWS_ENDPOINT_URL": endpoint,
            **{
                # An API's address in AWS is replaced by the platform's.
                key: _EXECUTE_API.sub(rf"{endpoint}/_aws/execute-api/\1", str(value))
                for key, value in own.items()
                if value or key != "AWS_ENDPOINT_URL"
            },
            **emulated.execution_credentials(self.config),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": self.func_name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.config.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_VERSION": self.config.get("Version", "$LATEST"),
            "LAMBDA_TASK_ROOT": str(code),
            # Otherwise the SDK would prefix 127.0.0.1 with a host name.
            emulated.HOST_PREFIX_ENV: "true",
        }


def unpack(scratch: Path, archive: bytes) -> Path:
    """The folder with the content of a zip; unpacked once per content."""
    folder = scratch / hashlib.sha256(archive).hexdigest()[:32]
    with _unpacking:
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            with zipfile.ZipFile(io.BytesIO(archive)) as files:
                files.extractall(part)
            part.rename(folder)
    return folder


def runtime_packages(scratch: Path) -> Path:
    """A folder with only the packages of Lambda's Python runtime."""
    folder = scratch / "runtime"
    with _unpacking:
        if not folder.exists():
            folder.mkdir(parents=True)
            for spec in filter(None, map(find_spec, _RUNTIME)):
                origin = Path(spec.origin or "")
                target = origin.parent if origin.name == "__init__.py" else origin
                (folder / target.name).symlink_to(target)
    return folder


def _failed(kind: str, message: str) -> Answer:
    document = {"errorType": kind, "errorMessage": message}
    return {"status": "error", "error_payload": document}
