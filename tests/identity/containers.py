"""Docker, and the image of identity/Dockerfile on the base of tools/lambda_base.sh."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.identity.servers import HOST
from tools import keycloak
from zebros.local.ports import free_port

BASE_IMAGE = "zebros/python:3.13"
IMAGE = "zebros/keycloak:test"
NAME = f"zebros-keycloak-{os.getpid()}"
"""The container's; no other run of these tests has it."""
# The size of a task in phase mvp.
LIMITS = ("--cpus", "0.5", "--memory", "2048m", "--memory-swap", "2048m")


def docker(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker; its exit code is in the result."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout)


def make_image() -> bool:
    """Build the image; False without Docker or the base image. Raises keycloak.Missing."""
    try:
        there = docker("image", "inspect", BASE_IMAGE).returncode == 0
    except FileNotFoundError:
        there = False
    if not there:
        return False
    keycloak.image(IMAGE, BASE_IMAGE)
    return True


@dataclass(frozen=True)
class Container:
    """A container of the image, with the limits of a task."""

    port: int
    management_port: int
    started: float
    """A time of time.monotonic()."""


def run(settings: Mapping[str, str]) -> Container:
    """Start a container with these settings; it is not ready yet."""
    made = Container(free_port(), free_port(), time.monotonic())
    environment = {
        **settings,
        "KC_HTTP_HOST": HOST,
        "KC_HTTP_PORT": str(made.port),
        "KC_HTTP_MANAGEMENT_PORT": str(made.management_port),
        "KC_CACHE_EMBEDDED_NETWORK_BIND_ADDRESS": HOST,
        "KC_CACHE_EMBEDDED_NETWORK_BIND_PORT": str(free_port()),
    }
    given = [word for item in environment.items() for word in ("--env", "=".join(item))]
    words = ("--detach", "--name", NAME, "--network", "host", "--read-only", *LIMITS)
    ran = docker("run", *words, *given, IMAGE)
    assert ran.returncode == 0, ran.stderr
    return made


def remove() -> None:
    """Remove the container, if there is one."""
    if shutil.which("docker"):
        docker("rm", "--force", "--volumes", NAME)
