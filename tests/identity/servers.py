"""The servers of the tests: PostgreSQL, Keycloak nodes, and a stand-in of the load balancer.

All listen on 127.0.0.1, and are stopped by their process ids.
"""

import contextlib
import datetime
import http.client
import ipaddress
import itertools
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools import keycloak
from zebros.local.ports import free_port

HOST = "127.0.0.1"
_NOBODY = 65534
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Missing(Exception):
    """A server is not installed; the message says what to install."""


@dataclass(frozen=True)
class Certificate:
    """A certificate for 127.0.0.1, which is its own authority."""

    file: Path
    key: Path

    def trusted(self) -> ssl.SSLContext:
        """TLS that trusts this certificate alone."""
        return ssl.create_default_context(cafile=self.file)

    @classmethod
    def create(cls, folder: Path) -> "Certificate":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        now = datetime.datetime.now(datetime.UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        made = cls(folder / "server.crt", folder / "server.key")
        made.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        made.key.touch(mode=0o600)
        made.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return made


def end(*processes: psutil.Process) -> None:
    """End processes at once, and those that they started: nobody needs their data any more."""
    family = [one for process in processes for one in _family(process)]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    psutil.wait_procs(family, timeout=10)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def end_descendants() -> None:
    """End every process that this one has started, directly or not, and that still runs."""
    end(*psutil.Process().children())


def until(done: Callable[[], bool], seconds: float, what: str, pause: float = 0.2) -> float:
    """Wait until something is true; returns the seconds it took."""
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        if done():
            return time.monotonic() - start
        time.sleep(pause)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def ended(name: str, log: str) -> AssertionError:
    """The error of a server that has ended while it started, from its log."""
    if "in use" in log:
        return AssertionError(f"{name}'s port was taken by another program: run the tests again.")
    return AssertionError(f"{name} has ended: {log[-3000:]}")


class Postgres:
    """An empty PostgreSQL with TLS and one database, `keycloak`."""

    user = "zebros"

    def __init__(self, password: str) -> None:
        self.password = password
        self.port = free_port()
        self._bin = self._folder_of_binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="zebros-postgres-"))
        self._as = {"user": _NOBODY, "group": _NOBODY} if os.geteuid() == 0 else {}
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        certificate = Certificate.create(self.folder)
        (self.folder / "password").write_text(self.password, "utf-8")
        if self._as:  # PostgreSQL refuses to run as root
            for path in (self.folder, *self.folder.iterdir()):
                os.chown(path, _NOBODY, _NOBODY)
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", self.user, "--auth=scram-sha-256", "--no-sync",
                  f"--pwfile={self.folder / 'password'}")  # fmt: skip
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": "200",
            "ssl": "on",
            "ssl_cert_file": str(certificate.file),
            "ssl_key_file": str(certificate.key),
        }
        words = [word for item in settings.items() for word in ("-c", "=".join(item))]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [self._bin / "postgres", "-D", data, *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                **self._as,
            )
        until(self._answers, 30, "PostgreSQL")
        self.query("create database keycloak", "postgres")

    def _answers(self) -> bool:
        if self.process and self.process.poll() is not None:
            raise ended("PostgreSQL", (self.folder / "log").read_text("utf-8"))
        return self._psql("select 1", "postgres").returncode == 0

    def query(self, statement: str, database: str = "keycloak") -> str:
        """The result of a statement, as text."""
        done = self._psql(statement, database)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def rotate(self, password: str) -> None:
        """Change the password, and end every connection."""
        self.query(f"alter role {self.user} password '{password}'")
        self.password = password
        self.query(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and backend_type = 'client backend'"
        )

    def close(self) -> None:
        if self.process:
            # At once, but it still gives back its shared memory.
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        shutil.rmtree(self.folder)

    def _psql(self, statement: str, database: str) -> subprocess.CompletedProcess[str]:
        psql = [str(self._bin / "psql"), "-h", HOST, "-p", str(self.port), "-U", self.user]
        return subprocess.run(
            [*psql, "-Atc", statement, database],
            capture_output=True,
            text=True,
            env={
                **os.environ,
                "PGPASSWORD": self.password,
                "PGSSLMODE": "require",
                "PGCONNECT_TIMEOUT": "2",
            },
        )

    def _run(self, tool: str, *words: object) -> None:
        done = subprocess.run(
            [self._bin / tool, *map(str, words)],
            capture_output=True,
            text=True,
            cwd=self.folder,
            **self._as,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @staticmethod
    def _folder_of_binaries() -> Path:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        where = shutil.which("initdb")
        if not found and where is None:
            raise Missing("PostgreSQL is not installed: apt-get install postgresql")
        return (found[-1] if found else Path(str(where))).parent


class Node:
    """One Keycloak, with the settings of the task definition in infra/identity.yaml."""

    def __init__(self, name: str, folder: Path, settings: dict[str, str]) -> None:
        self.name = name
        self.home = keycloak.home(folder / name)
        self.port, self.management_port = free_port(), free_port()
        environment = {
            **os.environ,
            **settings,
            # What distinguishes nodes on one machine; in AWS each task has its own address.
            "KC_HTTP_HOST": HOST,
            "KC_HTTP_PORT": str(self.port),
            "KC_HTTP_MANAGEMENT_PORT": str(self.management_port),
            "KC_CACHE_EMBEDDED_NETWORK_BIND_ADDRESS": HOST,
            "KC_CACHE_EMBEDDED_NETWORK_BIND_PORT": str(free_port()),
            "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx512m",
            # Less CPU time for a start; it serves too little for a better compiler to pay.
            "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1 -XX:-UseG1GC -XX:+UseSerialGC",
        }
        self.log = folder / f"{name}.log"
        self._started = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [self.home / "bin" / "kc.sh", "start", "--optimized"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                # kc.sh runs Java as its child; both are one group of processes.
                start_new_session=True,
            )

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def management(self) -> str:
        return f"http://{HOST}:{self.management_port}"

    def is_ready(self) -> bool:
        """What the load balancer's health check sees."""
        if self.process.poll() is not None:
            raise ended(f"Keycloak {self.name}", self.log.read_text("utf-8"))
        try:
            return httpx.get(f"{self.management}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def wait(self, seconds: float = 500) -> float:
        """Wait until it is ready; returns the seconds since its start."""
        until(self.is_ready, seconds, f"Keycloak {self.name}", pause=1)
        return time.monotonic() - self._started

    def memory(self) -> int:
        """Resident memory of its processes in MB."""
        family = [(one := psutil.Process(self.process.pid)), *one.children(recursive=True)]
        return sum(int(process.memory_info().rss) for process in family) // 2**20

    def kill(self) -> None:
        """End it as a machine that fails does."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    close = kill


@dataclass
class LoadBalancer:
    """Ends TLS and passes each request to the next node, as the ALB does, without stickiness."""

    certificate: Certificate
    allows: Callable[[str, dict[str, str]], bool]
    """Whether a rule of the listener forwards a request: its path and headers."""
    nodes: list[Node] = field(default_factory=list)
    served: list[tuple[str, str]] = field(default_factory=list)
    """The node and path of each request that was passed on."""

    def __post_init__(self) -> None:
        self._turn = itertools.count()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate.file, self.certificate.key)
        self._server = _Server((HOST, 0), _Handler)
        self._server.balancer = self
        self.port = int(self._server.server_address[1])
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def next_nodes(self) -> list[Node]:
        """The nodes in the order in which to try them."""
        start = next(self._turn) % len(self.nodes)
        return self.nodes[start:] + self.nodes[:start]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    balancer: LoadBalancer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: a client that has closed its connection is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 30

    def do_GET(self) -> None:
        balancer = self.server.balancer
        path = self.path.partition("?")[0]
        if not balancer.allows(path, {k.lower(): v for k, v in self.headers.items()}):
            return self._answer(404, [], b"")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        for node in balancer.next_nodes():
            with contextlib.suppress(ConnectionError):
                answer = self._ask(node, body)
                balancer.served.append((node.name, path))
                return self._answer(*answer)
        return self._answer(502, [], b"")

    def do_POST(self) -> None:
        self.do_GET()

    def _ask(self, node: Node, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        headers |= {
            "X-Forwarded-For": self.client_address[0],
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Port": str(self.server.balancer.port),
        }
        connection = http.client.HTTPConnection(HOST, node.port, timeout=30)
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing; `served` has the requests."""


@contextlib.contextmanager
def closing_all(*servers: Any) -> Iterator[None]:
    """Close all servers at the end of the block."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.close)
        yield
