"""Two Keycloak nodes on one PostgreSQL, behind a load balancer, with the realm of a tenant.

The nodes have the environment of the task definition, the load balancer the listener's rules, and
the database's password comes from an emulated Secrets Manager: all as infra/identity.yaml has them.
"""

import fnmatch
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pytest

from tests.identity import containers
from tests.identity.containers import Container
from tests.identity.crm import Crm, deploy
from tests.identity.servers import (
    HOST,
    Certificate,
    LoadBalancer,
    Missing,
    Node,
    Postgres,
    end,
    end_descendants,
    until,
)
from tests.template.stack import ROOT, resources
from tools import keycloak
from tools.realm import Options, realm
from zebros.local.ports import free_port
from zebros.local.signals import ignore_signals, stop_on_signals

HERE = Path(__file__).parent
TENANT = "acme"
ZONE = "America/New_York"
REDIRECT = "https://app.example.com/callback"
SECRET = "zebros-keycloak-database"
"""As the template names it."""
REGION = "us-east-1"
_LONGEST_SECONDS = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test starts everything, which takes minutes on a busy machine."""
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.timeout(_LONGEST_SECONDS))


def say(text: str, seconds: float) -> None:
    """Print a time; `make identity` shows it."""
    print(f"  {text:<64} {seconds:6.1f} s", flush=True)


class Secrets:
    """An emulated Secrets Manager with the password of the database."""

    def __init__(self, folder: Path, password: str) -> None:
        self.url = f"http://{HOST}:{(port := free_port())}"
        with (folder / "secrets.log").open("wb") as log:
            words = ["--port", str(port), "--home", str(folder / "emulator")]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "zebros.emulator", *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
            )
        self._client = boto3.client(
            "secretsmanager",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        until(self._is_up, 60, "Secrets Manager")
        self._client.create_secret(Name=SECRET, SecretString=self._document(password))

    def rotate(self, password: str) -> None:
        self._client.put_secret_value(SecretId=SECRET, SecretString=self._document(password))

    def close(self) -> None:
        end(psutil.Process(self.process.pid))
        self.process.wait()

    def _is_up(self) -> bool:
        try:
            self._client.list_secrets()
        except Exception:
            return False
        return True

    @staticmethod
    def _document(password: str) -> str:
        return f'{{"username": "{Postgres.user}", "password": "{password}"}}'


_AURORA_ONLY = "initialConnection,failover2,efm2,"
"""Plugins of the driver that follow a cluster's writer; one PostgreSQL has no other."""


def task_environment(postgres: Postgres, url: str) -> dict[str, str]:
    """The variables of the container, with the names of our servers in place of AWS's."""
    (task,) = (t for n, t in resources("AWS::ECS::TaskDefinition").items() if n == "KeycloakTask")
    (container,) = task["ContainerDefinitions"]
    found = {}
    for variable in container["Environment"]:
        value = variable["Value"]
        text = value["Fn::Sub"] if isinstance(value, dict) else str(value)
        found[variable["Name"]] = (
            text.replace("${KeycloakDatabase.Endpoint.Address}:5432", f"{HOST}:{postgres.port}")
            .replace(_AURORA_ONLY, "")
            .replace("https://id.example.com", url)
        )
    assert not [value for value in found.values() if "${" in value], found
    assert "wrapperPlugins=awsSecretsManager&" in found["KC_DB_URL"]
    return found


def listener_rules() -> Callable[[str, dict[str, str]], bool]:
    """Whether the listener forwards a request of somebody who is no administrator (growth)."""
    rules = sorted(
        resources("AWS::ElasticLoadBalancingV2::ListenerRule", Phase="growth").values(),
        key=lambda rule: int(rule["Priority"]),
    )

    def fulfilled(condition: dict[str, Any], path: str) -> bool:
        if condition["Field"] == "path-pattern":
            patterns = condition["PathPatternConfig"]["Values"]
            return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)
        assert condition["Field"] == "source-ip"
        return False

    def forwards(path: str, _headers: dict[str, str]) -> bool:
        for rule in rules:
            if all(fulfilled(one, path) for one in rule["Conditions"]):
                return bool(rule["Actions"][0]["Type"] == "forward")
        return False

    return forwards


@dataclass
class Identity:
    """The running system."""

    postgres: Postgres
    secrets: Secrets
    balancer: LoadBalancer
    nodes: list[Node]
    admin_password: str
    people: dict[str, str] = field(default_factory=dict)
    """Passwords by user name."""
    crm: Future[Crm] | None = None
    container: Future[Container | None] | None = None

    @property
    def issuer(self) -> str:
        return f"{self.balancer.url}/realms/{TENANT}"

    @property
    def endpoint(self) -> str:
        return self.endpoint_of(TENANT)

    def endpoint_of(self, tenant: str) -> str:
        """The URL before /auth and /token."""
        return f"{self.balancer.url}/realms/{tenant}/protocol/openid-connect"

    def browser(self) -> httpx.Client:
        """A client that trusts the load balancer's certificate, with a cookie jar of its own.

        Each request has a new connection, so that requests alternate between the nodes.
        """
        return httpx.Client(
            verify=self.balancer.certificate.trusted(),
            timeout=60,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def administration(self) -> httpx.Client:
        """Keycloak's Admin API, directly at a node: the load balancer does not publish it."""
        node = next(node for node in self.nodes if node.process.poll() is None)
        granted = httpx.post(
            f"{node.url}/realms/master/protocol/openid-connect/token",
            data={
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": "temp-admin",
                "password": self.admin_password,
            },
            timeout=60,
        )
        token = granted.raise_for_status().json()["access_token"]
        return httpx.Client(
            base_url=f"{node.url}/admin/realms",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        )

    def add_person(self, name: str, role: str, team: str, *, temporary: bool = False) -> None:
        """A user with a team and a password, and with a role unless that is empty."""
        self.people[name] = secrets.token_urlsafe(24)
        with self.administration() as admin:
            made = admin.post(
                f"/{TENANT}/users",
                json={
                    "username": name,
                    "email": f"{name}@example.com",
                    "emailVerified": True,
                    "firstName": name.title(),
                    "lastName": "Example",
                    "enabled": True,
                    "attributes": {"team": [team]},
                    "credentials": [
                        {"type": "password", "value": self.people[name], "temporary": temporary}
                    ],
                },
            ).raise_for_status()
            user = made.headers["Location"].rpartition("/")[2]
            if not role:
                return
            granted = admin.get(f"/{TENANT}/roles/{role}").raise_for_status().json()
            admin.post(
                f"/{TENANT}/users/{user}/role-mappings/realm", json=[granted]
            ).raise_for_status()

    def add_signing_key(self, priority: int) -> None:
        """Add a signing key to the realm; the one with the highest priority signs."""
        with self.administration() as admin:
            admin.post(
                f"/{TENANT}/components",
                json={
                    "name": f"rsa-{priority}",
                    "providerId": "rsa-generated",
                    "providerType": "org.keycloak.keys.KeyProvider",
                    "config": {"priority": [str(priority)], "keySize": ["2048"]},
                },
            ).raise_for_status()

    def machine_secret(self, tenant: str = TENANT) -> str:
        """The machine client's secret, which Keycloak generated."""
        with self.administration() as admin:
            (client,) = admin.get(
                f"/{tenant}/clients", params={"clientId": "zebros-machine"}
            ).json()
            secret = admin.get(f"/{tenant}/clients/{client['id']}/client-secret").json()["value"]
            return str(secret)

    def close(self) -> None:
        for server in (*self.nodes, self.balancer, self.secrets, self.postgres):
            server.close()


def _missing(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(f"CI must run these tests: {why}")
    pytest.skip(why)


@pytest.fixture(scope="session")
def background() -> Iterator[Executor]:
    """Carries out what need not be waited for yet. At the end, also after Ctrl-C and SIGTERM,
    no process of these tests is left."""
    stop_on_signals()
    pool = ThreadPoolExecutor(2)
    yield pool
    ignore_signals()
    end_descendants()
    pool.shutdown()
    containers.remove()


def _is_wanted(request: pytest.FixtureRequest, fixture: str) -> bool:
    """Whether one of the chosen tests uses a fixture."""
    return any(fixture in getattr(one, "fixturenames", ()) for one in request.session.items)


def _when_built(image: Future[bool], settings: dict[str, str]) -> Container | None:
    """A container of the image; None when there is none."""
    return containers.run(settings) if image.result() else None


@pytest.fixture(scope="session")
def identity(request: pytest.FixtureRequest, background: Executor) -> Iterator[Identity]:
    """The running system; a minute to start, and once a minute more to build the server."""
    start = time.monotonic()
    try:
        keycloak.server()
        password = secrets.token_urlsafe(24)
        postgres = Postgres(password)
    except (Missing, keycloak.Missing) as why:
        _missing(str(why))
        raise
    folder = Path(tempfile.mkdtemp(prefix="zebros-identity-", dir=ROOT / "build"))
    say("server built (or found), PostgreSQL started", time.monotonic() - start)
    emulator = Secrets(folder, password)
    balancer = LoadBalancer(Certificate.create(folder), listener_rules())
    admin_password = secrets.token_urlsafe(24)
    settings = {
        **task_environment(postgres, balancer.url),
        "KC_BOOTSTRAP_ADMIN_PASSWORD": admin_password,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": emulator.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
    }
    system = Identity(postgres, emulator, balancer, balancer.nodes, admin_password)
    if _is_wanted(request, "crm"):
        base = f"{balancer.url}/realms/"
        system.crm = background.submit(
            deploy, emulator.url, base, balancer.certificate, folder / "crm"
        )
    image = background.submit(containers.make_image) if _is_wanted(request, "container") else None
    try:
        # The first creates the tables, as in a first deployment.
        for name in ("first", "second"):
            balancer.nodes.append(node := Node(name, folder, settings))
            seconds = node.wait()
            say(f"{name} node ready, {node.memory()} MB", seconds)
        if image:
            system.container = background.submit(_when_built, image, settings)
        with system.administration() as admin:
            admin.post(
                "", json=realm(Options(TENANT, (REDIRECT,), time_zone=ZONE))
            ).raise_for_status()
        for person, role in (("ada", "sales-representative"), ("root", "administrator")):
            system.add_person(person, role, "americas")
        yield system
    finally:
        start = time.monotonic()
        system.close()
        say("servers stopped", time.monotonic() - start)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def crm(identity: Identity) -> Crm:
    """The deployed CRM, whose authorizer trusts the realms of our Keycloak."""
    assert identity.crm
    start = time.monotonic()
    crm = identity.crm.result()
    say("waited for the deployment of the CRM", time.monotonic() - start)
    return crm


@pytest.fixture
def container(identity: Identity) -> Iterator[Container]:
    """Keycloak's image, built on a machine that pulls none, as a third node."""
    assert identity.container
    container = identity.container.result()
    if container is None:
        pytest.skip("there is no base image: run tools/lambda_base.sh")
    yield container
    containers.remove()
