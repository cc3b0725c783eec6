"""The image of identity/Dockerfile, on the base of tools/lambda_base.sh, within a task's limits."""

import subprocess
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.identity.conftest import REGION, SECRET, TENANT, Identity, say, task_environment
from tests.identity.servers import HOST, until
from tools import keycloak
from zebros.local.ports import free_port

BASE_IMAGE = "zebros/python:3.13"
IMAGE = "zebros/keycloak:test"
# The size of a task in phase mvp.
LIMITS = ("--cpus", "0.5", "--memory", "2048m", "--memory-swap", "2048m")


def docker(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def image() -> str:
    """The image, built on a machine that pulls none."""
    try:
        there = docker("image", "inspect", BASE_IMAGE).returncode == 0
    except FileNotFoundError:
        there = False
    if not there:
        pytest.skip(f"there is no image {BASE_IMAGE}: run tools/lambda_base.sh")
    start = time.monotonic()
    keycloak.image(IMAGE, BASE_IMAGE)
    size = docker("image", "inspect", "--format", "{{.Size}}", IMAGE).stdout
    say(f"image built, {int(size) // 10**6} MB", time.monotonic() - start)
    return IMAGE


@pytest.fixture
def container(identity: Identity, image: str) -> Iterator[tuple[str, int, int]]:
    """A third node: its container's id, port and management port."""
    port, management = free_port(), free_port()
    settings = {
        **task_environment(identity.postgres, identity.balancer.url),
        "KC_BOOTSTRAP_ADMIN_PASSWORD": identity.admin_password,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": identity.secrets.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "KC_HTTP_HOST": HOST,
        "KC_HTTP_PORT": str(port),
        "KC_HTTP_MANAGEMENT_PORT": str(management),
        "KC_CACHE_EMBEDDED_NETWORK_BIND_ADDRESS": HOST,
        "KC_CACHE_EMBEDDED_NETWORK_BIND_PORT": str(free_port()),
    }
    assert SECRET in settings["KC_DB_URL"]
    given = [word for item in settings.items() for word in ("--env", "=".join(item))]
    ran = docker("run", "--detach", "--network", "host", "--read-only", *LIMITS, *given, image)
    assert ran.returncode == 0, ran.stderr
    yield ran.stdout.strip(), port, management
    docker("rm", "--force", "--volumes", ran.stdout.strip())


@pytest.mark.timeout(1200)
def test_the_image_runs_as_a_task_of_the_smallest_size(
    identity: Identity, container: tuple[str, int, int]
) -> None:
    name, port, management = container
    health = f"http://{HOST}:{management}/health/ready"

    def ready() -> bool:
        state = docker("inspect", "--format", "{{.State.Running}}", name).stdout.strip()
        assert state == "true", docker("logs", name).stderr[-3000:]
        try:
            return httpx.get(health, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    seconds = until(ready, 600, "Keycloak in a container", pause=1)
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", name).stdout.strip()
    say(f"container ready with 0.5 CPU, memory {used}", seconds)
    found = httpx.get(
        f"http://{HOST}:{port}/realms/{TENANT}/.well-known/openid-configuration", timeout=30
    )
    assert found.json()["issuer"] == identity.issuer, "the name is fixed, whatever the request says"
    user = docker("inspect", "--format", "{{.Config.User}}", name).stdout.strip()
    assert user == "1000:1000"
    written = docker("exec", name, "touch", "/opt/keycloak/conf/x")
    assert written.returncode != 0
    docker("stop", "--time", "60", name, timeout=90)
    ended = docker("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", name)
    assert ended.stdout.strip() in ("0 false", "143 false"), "SIGTERM must stop it cleanly"
