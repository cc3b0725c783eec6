"""Amazon's own DynamoDB Local, for a while: the second judge of every expression we write.

`python -m tools.dynamodb_local COMMAND …` runs a command beside one and says where it is in
ZEBROS_DYNAMODB (and nothing else changes: who wants it points its client there). It comes from
Maven Central the first time, keeps everything in memory, and listens on 127.0.0.1 alone, each
access key with tables of its own.
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
    """It cannot be had here: says what is missing."""


@contextlib.contextmanager
def dynamodb_local() -> Iterator[str]:
    """One that runs, empty; gives its URL. Raises Missing."""
    port = ports.any_free()
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
    """The folder with the server and what it needs, fetched when it is not there."""
    absent = [tool for tool in ("java", "javac", "mvn") if shutil.which(tool) is None]
    if absent:
        raise Missing(f"DynamoDB Local needs {', '.join(absent)} (a JDK from 17 on, and Maven).")
    if not LIBRARY.is_dir():
        # Fetched beside it: the folder is there only when all of it is.
        part = LIBRARY.with_name(f"{LIBRARY.name}.{os.getpid()}")
        fetch = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"]
        done = subprocess.run(
            [*fetch, f"-DoutputDirectory={part}"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            shutil.rmtree(part, ignore_errors=True)
            raise Missing(f"DynamoDB Local cannot be fetched: {done.stdout.strip()[-500:]}")
        part.rename(LIBRARY)
    return LIBRARY


def _wait(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    raise Missing(f"DynamoDB Local does not start; its log is {LIBRARY / 'server.log'}.")
