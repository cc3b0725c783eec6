"""The image of identity/Dockerfile, on the base of tools/lambda_base.sh, within a task's limits."""

import time

import httpx

from tests.identity.conftest import TENANT, Identity, say
from tests.identity.containers import IMAGE, NAME, Container, docker
from tests.identity.servers import HOST, until


def test_the_image_runs_as_a_task_of_the_smallest_size(
    identity: Identity, container: Container
) -> None:
    health = f"http://{HOST}:{container.management_port}/health/ready"

    def ready() -> bool:
        state = docker("inspect", "--format", "{{.State.Running}}", NAME).stdout.strip()
        assert state == "true", docker("logs", NAME).stderr[-3000:]
        try:
            return httpx.get(health, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    until(ready, 600, "Keycloak in a container", pause=1)
    seconds = time.monotonic() - container.started
    used = docker("stats", "--no-stream", "--format", "{{.MemUsage}}", NAME).stdout.strip()
    size = docker("image", "inspect", "--format", "{{.Size}}", IMAGE).stdout
    say(f"image of {int(size) // 10**6} MB ready with 0.5 CPU, memory {used}", seconds)
    found = httpx.get(
        f"http://{HOST}:{container.port}/realms/{TENANT}/.well-known/openid-configuration",
        timeout=30,
    )
    assert found.json()["issuer"] == identity.issuer, "the name is fixed, whatever the request says"
    user = docker("inspect", "--format", "{{.Config.User}}", NAME).stdout.strip()
    assert user == "1000:1000"
    written = docker("exec", NAME, "touch", "/opt/keycloak/conf/x")
    assert written.returncode != 0
    docker("stop", "--time", "60", NAME, timeout=90)
    ended = docker("inspect", "--format", "{{.State.ExitCode}} {{.State.OOMKilled}}", NAME)
    assert ended.stdout.strip() in ("0 false", "143 false"), "SIGTERM must stop it cleanly"
