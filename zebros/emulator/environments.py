"""Execution environments: one process a function at a time, as Lambda has them.

Stock faults: a handler that prints nothing costs 50 ms more than it takes (the log is waited
for); every exception ends the process, so that the next call is a cold start; the error's type
is always `Runtime.HandlerError`; the process inherits the developer's environment and
site-packages, so that a dependency missing from a package is found nevertheless; every process
unpacks code and layers anew.

Mended: the end of the log is marked; exceptions are answered with their type and trace;
functions see their package, their layers, the standard library and what Lambda's runtime brings
(boto3), no more; unpacked code is kept per content.
"""

import contextlib
import hashlib
import io
import json
import logging
import os
import re
import selectors
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zebros.emulator import bootstrap
from zebros.emulator.seams import module
from zebros.emulator.settings import Settings

_INIT_S = 60.0
"""Seconds to import a handler; AWS allows 10, on faster machines than a busy laptop."""
_TERM_S = 2.0
_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six")
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-python.html: the runtime includes the SDK."""
_EXECUTE_API = re.compile(r"https://(\w+)\.execute-api\.[\w-]+\.amazonaws\.com")
_unpacking = threading.Lock()
_log = logging.getLogger("lambda")


class Stopped(Exception):
    """The process ended before it answered."""


class Environment:
    """One process with one function's handler.

    The attributes without an underscore, and `_proc`, `_lock` and `_discard_tmpdir`, are those the
    emulator's pool of workers reads.
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
        self._lines: list[str] = []
        self._log_ended = threading.Event()
        self._unread = b""

    def invoke(
        self,
        event: Any,
        request_id: str,
        *,
        trace_id: str | None = None,
        invoked_function_arn: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        """One event; {"result": …} or {"failed": {errorType, errorMessage, …}}, each with "log"."""
        timeout = float(self.config.get("Timeout", 3))
        asked = {
            "event": event,
            "request_id": request_id,
            "arn": invoked_function_arn or self.config.get("FunctionArn", ""),
            "trace_id": trace_id,
            "timeout_s": timeout,
        }
        with self._lock:
            started = self._start()
            if started is not None:
                return started
            try:
                answer = self._ask(asked, timeout)
            except TimeoutError:
                answer = self._ended(
                    "Sandbox.Timedout",
                    f"RequestId: {request_id} Error: Task timed out after {timeout:.2f} seconds",
                )
            except (Stopped, OSError) as fault:
                answer = self._ended("Runtime.ExitError", f"RequestId: {request_id} Error: {fault}")
            return {**answer, "log": self._take_log()}

    def _spawn(self) -> None:
        """Start now what the next call would start (the emulator asks for it before SnapStart)."""
        failed = self._start()
        if failed is not None:
            raise RuntimeError(failed["failed"]["errorMessage"])

    def _start(self) -> dict[str, Any] | None:
        """Have a process with the handler imported; the failure when it cannot be."""
        if self._proc is not None and self._proc.poll() is None:
            return None
        code = unpacked(self._settings.scratch, self.code_zip)
        self._lines, self._unread = [], b""
        self._proc = subprocess.Popen(
            [sys.executable, "-I", "-S", bootstrap.__file__],
            cwd=code,
            env=self._environment(code),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        threading.Thread(target=self._read_log, args=(self._proc,), daemon=True).start()
        start = {
            "path": [str(code), *self._layers()],
            "runtime": str(runtime(self._settings.scratch)),
            "handler": self.config.get("Handler", ""),
        }
        try:
            answer = self._ask(start, _INIT_S)
        except (TimeoutError, Stopped, OSError) as fault:
            answer = self._ended("Runtime.InitError", f"The function did not start: {fault}")
        if "failed" in answer:
            self._end()
            return {**answer, "log": self._take_log()}
        return None

    def _ask(self, document: dict[str, Any], timeout: float) -> dict[str, Any]:
        process = self._proc
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        self._log_ended.clear()
        process.stdin.write(json.dumps(document).encode() + b"\n")
        process.stdin.flush()
        ends = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(0.0, ends - time.monotonic())):
                    raise TimeoutError(f"no answer in {timeout:g} seconds")
                read = os.read(process.stdout.fileno(), 1 << 20)
                if not read:
                    raise Stopped(f"Runtime exited with {_status(process)}")
                self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        self._log_ended.wait(1.0)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self, kind: str, message: str) -> dict[str, Any]:
        self._end()
        return {"failed": {"errorType": kind, "errorMessage": message}}

    def _end(self) -> None:
        process, self._proc = self._proc, None
        if process is not None:
            process.kill()
            process.wait(timeout=_TERM_S)
            _close(process)

    def kill(self) -> None:
        """End the process."""
        module("core.lambda_runtime").kill_workers([self])

    def _discard_tmpdir(self) -> None:
        """Nothing to do: unpacked code is shared."""

    def _read_log(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        marker = bootstrap.END_OF_LOG
        with contextlib.suppress(ValueError):  # closed under us, because the process was ended
            for raw in process.stderr:
                line = raw.decode("utf-8", "replace").rstrip("\n")
                if line == marker:
                    self._log_ended.set()
                else:
                    self._lines.append(line)

    def _take_log(self) -> str:
        lines, self._lines = self._lines, []
        return "\n".join(lines)

    def _layers(self) -> list[str]:
        """The folders of layers for sys.path. A later layer covers an earlier one."""
        functions = module("services.lambda_svc")
        folders: list[str] = []
        for attached in reversed(self.config.get("Layers") or []):
            content = functions._resolve_layer_zip(attached)
            if not content:
                continue
            python = unpacked(self._settings.scratch, content) / "python"
            version = f"python{sys.version_info.major}.{sys.version_info.minor}"
            folders += [str(python / "lib" / version / "site-packages"), str(python)]
        return folders

    def _environment(self, code: Path) -> dict[str, str]:
        own = (self.config.get("Environment") or {}).get("Variables") or {}
        runtime_module = module("core.lambda_runtime")
        reserved = runtime_module._RESERVED_RUNTIME_ENV_VARS
        _, region = runtime_module._account_region_from_function_config(self.config)
        inherited = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
        return {
            "AWS_ENDPOINT_URL": self._settings.endpoint,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONUNBUFFERED": "1",
            **inherited,
            **{
                key: self._local(str(value))
                for key, value in own.items()
                if key not in reserved and not (key == "AWS_ENDPOINT_URL" and not value)
            },
            **runtime_module.execution_credentials(self.config),
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": self.func_name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.config.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_VERSION": self.config.get("Version", "$LATEST"),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.func_name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d')}/[$LATEST]{id(self):032x}",
            "LAMBDA_TASK_ROOT": str(code),
            "_HANDLER": self.config.get("Handler", ""),
            # The SDK must not put a host name in front of 127.0.0.1.
            runtime_module.HOST_PREFIX_ENV: "true",
        }

    def _local(self, value: str) -> str:
        """An address of an API in the cloud, of which the platform is the local one."""
        return _EXECUTE_API.sub(rf"{self._settings.endpoint}/_aws/execute-api/\1", value)


def unpacked(scratch: Path, archive: bytes) -> Path:
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


def runtime(scratch: Path) -> Path:
    """A folder that holds what Lambda's Python runtime brings, and nothing else of ours."""
    folder = scratch / "runtime"
    with _unpacking:
        if not folder.exists():
            folder.mkdir(parents=True)
            for name in _RUNTIME:
                found = find_spec(name)
                if found is None or found.origin is None:
                    continue
                origin = Path(found.origin)
                target = origin.parent if origin.name == "__init__.py" else origin
                (folder / target.name).symlink_to(target)
    return folder


def _status(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(timeout=_TERM_S)
    except subprocess.TimeoutExpired:
        return "no status"
    return f"signal {-code}" if code < 0 else f"exit status {code}"


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):  # unsent bytes for a process that is gone
                pipe.close()
