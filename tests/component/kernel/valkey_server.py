"""A real Valkey (or Redis) server on loopback, and a proxy in front of it that can be slow.

The server is a cluster of one node, as clients of ElastiCache in cluster mode see it: with a
password, and with the address of the proxy as the one that clients connect to.
"""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import valkey

from kernel.cache.valkey_cache import ANSWER_S, CONNECT_S, ValkeyCache

HOST = "127.0.0.1"
PASSWORD = "a-password-for-tests"
LIMIT_S = CONNECT_S + 2 * ANSWER_S
"""What one operation may take when the server does not answer: it connects, asks, asks again."""
BINARY = shutil.which("valkey-server") or shutil.which("redis-server")
_MISSING = (
    "neither valkey-server nor redis-server is installed (Debian: apt-get install redis-server)"
)


def free_ports(count: int) -> list[int]:
    """Ports that nothing uses."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Server"]:
    """One server for all tests of a process."""
    server = Server(tmp_path_factory.mktemp("valkey"))
    yield server
    server.kill()
    server.proxy.close()


@pytest.fixture
def server(running_server: "Server") -> "Server":
    """A running, empty server that answers at once."""
    running_server.proxy.delay_s = 0.0
    running_server.start()
    running_server.run("FLUSHALL")
    return running_server


class Server:
    """The server's process; it can be killed and started again."""

    def __init__(self, folder: Path, certificate: Path | None = None) -> None:
        if BINARY is None:
            # CI installs it (.ci/run): a missing one must not pass there unnoticed.
            pytest.fail(_MISSING) if os.environ.get("CI") else pytest.skip(_MISSING)
        self._folder, self._certificate = folder, certificate
        self.port, self._bus_port = free_ports(2)
        self.proxy = Proxy(self.port)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The cache's endpoint, through the proxy."""
        scheme = "valkeys" if self._certificate else "valkey"
        return f"{scheme}://{HOST}:{self.proxy.port}"

    def start(self) -> None:
        """Start the server, unless it runs, and wait until it serves all slots."""
        if self._process is not None:
            return
        options = {
            **self._endpoint(),
            "cluster-port": self._bus_port,
            "bind": HOST,
            "dir": self._folder,
            "requirepass": PASSWORD,
            "cluster-enabled": "yes",
            "cluster-announce-ip": HOST,
            "cluster-announce-port": self.proxy.port,
            "save": "",
            "appendonly": "no",
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([str(BINARY), *arguments], stdout=log, stderr=log)
        self._until_it_answers()

    def _endpoint(self) -> dict[str, object]:
        """The options of a port without TLS, or with the certificate and key of one file."""
        if self._certificate is None:
            return {"port": self.port}
        return {
            "port": 0,
            "tls-port": self.port,
            "tls-cluster": "yes",
            "tls-auth-clients": "no",
            **dict.fromkeys(
                ("tls-cert-file", "tls-key-file", "tls-ca-cert-file"), self._certificate
            ),
        }

    def _until_it_answers(self) -> None:
        for _ in range(200):
            try:
                info = self.run("CLUSTER INFO")
                if info["cluster_slots_assigned"] == "0":
                    self.run("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
                elif info["cluster_state"] == "ok":
                    return
            except valkey.ConnectionError:
                pass
            time.sleep(0.05)
        raise AssertionError((self._folder / "log").read_text(encoding="utf-8"))

    def kill(self) -> None:
        """End the process without notice; what it held is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def run(self, *command: Any) -> Any:
        """Run a command past the proxy."""
        tls = {"ssl": True, "ssl_ca_certs": str(self._certificate)} if self._certificate else {}
        with valkey.Valkey(HOST, self.port, password=PASSWORD, **tls) as client:
            return client.execute_command(*command)

    def stored(self) -> list[str]:
        """All keys but those of leases, which end by themselves."""
        keys = sorted(key.decode() for key in self.run("KEYS", "*"))
        return [key for key in keys if not key.endswith(":lease")]


class Proxy:
    """Forwards connections to a port; `delay_s` is added to each piece of an answer."""

    def __init__(self, target: int) -> None:
        self._target, self.delay_s = target, 0.0
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((HOST, self._target))
            except OSError:
                client.close()
                continue
            for source, target, delayed in ((client, server, False), (server, client, True)):
                thread = threading.Thread(target=self._copy, args=(source, target, delayed))
                thread.daemon = True
                thread.start()

    def _copy(self, source: socket.socket, target: socket.socket, delayed: bool) -> None:
        try:
            while data := source.recv(65536):
                if delayed and self.delay_s:
                    time.sleep(self.delay_s)
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            one.close()


def new_cache(server: Server, password: str = PASSWORD) -> ValkeyCache:
    """The cache of one function instance."""
    return ValkeyCache(server.url, lambda: password)
