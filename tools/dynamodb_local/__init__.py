"""Runs Amazon's DynamoDB Local, with which `make judge` checks every DynamoDB expression.

`python -m tools.dynamodb_local COMMAND …` runs a command with the URL in ZEBROS_DYNAMODB; tests
that use it point their client there. It is downloaded from Maven Central the first time, keeps its
data in memory, listens on 127.0.0.1 only, and has separate tables for each access key.
"""

import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from zebros.local import ports

HERE = Path(__file__).resolve().parent
POM = HERE / "pom.xml"
LIBRARY = (
    HERE.parents[1] / "build" / f"dynamodb-local-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
)
VARIABLE = "ZEBROS_DYNAMODB"
_START_SECONDS = 60.0


class Missing(Exception):
    """DynamoDB Local is not available; the message names what is missing."""


@contextlib.contextmanager
def dynamodb_local() -> Iterator[str]:
    """Start an empty DynamoDB Local until the block ends; yields its URL. Raises Missing."""
    port = ports.free_port()
    command = ["java", f"-Djava.library.path={LIBRARY}", "-cp", f"{_library()}/*"]
    command += [str(HERE / "Loopback.java"), "-inMemory", "-disableTelemetry", "-port", str(port)]
    with (
        (LIBRARY / "server.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        try:
            _wait(server, port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _library() -> Path:
    """The folder with the server and its dependencies, downloaded if necessary."""
    absent = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    if absent:
        raise Missing(f"DynamoDB Local needs {', '.join(absent)} (JDK 17 or newer, and Maven).")
    if not LIBRARY.is_dir():
        # Downloaded to another folder first, so that this one is always complete.
        part = LIBRARY.with_name(f"{LIBRARY.name}.{os.getpid()}")
        fetch = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        completed = subprocess.run(
            [*fetch, f"-DoutputDirectory={part}"], capture_output=True, text=True, check=False
        )
        if completed.returncode:
            shutil.rmtree(part, ignore_errors=True)
            raise Missing(f"DynamoDB Local cannot be downloaded: {completed.stdout.strip()[-500:]}")
        part.rename(LIBRARY)
    return LIBRARY


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise Missing(f"DynamoDB Local does not start; its log is {LIBRARY / 'server.log'}.")
