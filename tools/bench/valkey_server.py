"""A Valkey server on loopback for the time of a measurement: a cluster of one node."""

import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import DEVNULL, Popen, run

_SLOTS = "16383"
_TRIES, _PAUSE_S = 100, 0.1


@contextmanager
def running() -> Iterator[str]:
    """The endpoint of a server that ends with the block. Raises FileNotFoundError without one."""
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError("Neither valkey-server nor redis-server is installed.")
    port, bus = _free_ports()
    with tempfile.TemporaryDirectory(prefix="zebros-bench-") as folder:
        options = {
            "port": port,
            "cluster-port": bus,
            "bind": "127.0.0.1",
            "cluster-enabled": "yes",
            "save": "",
            "dir": folder,
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        process = Popen([program, *arguments], stdout=DEVNULL, stderr=DEVNULL)
        try:
            _serve_all_slots(program, port)
            yield f"valkey://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _serve_all_slots(program: str, port: int) -> None:
    ask = [program.replace("-server", "-cli"), "-p", str(port), "cluster"]
    for _ in range(_TRIES):
        run([*ask, "addslotsrange", "0", _SLOTS], capture_output=True, check=False)
        answer = run([*ask, "info"], capture_output=True, text=True, check=False).stdout
        if "cluster_state:ok" in answer:
            return
        time.sleep(_PAUSE_S)
    raise RuntimeError("The Valkey server does not start.")


def _free_ports() -> tuple[int, int]:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        return one.getsockname()[1], two.getsockname()[1]
