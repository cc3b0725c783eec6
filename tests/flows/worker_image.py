"""The worker's image, and how its containers are looked at."""

import subprocess

import pytest

from tests.flows.conftest import ROOT

BASE_IMAGE = "zebros/python:3.13"
NAME = "zebros/worker:test"


def docker(*words: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker; its exit code is in the result."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout)


def is_there(image: str) -> bool:
    """Whether Docker and this image are there."""
    try:
        return docker("image", "inspect", image).returncode == 0
    except FileNotFoundError:
        return False


def task_size(cpus: str, megabytes: int) -> tuple[str, ...]:
    """The limits of a Fargate task, which has no swap."""
    return ("--cpus", cpus, "--memory", f"{megabytes}m", "--memory-swap", f"{megabytes}m")


def peak_megabytes(container: str) -> int:
    """The most memory that the worker has had; it is the container's first process."""
    status = docker("exec", container, "cat", "/proc/1/status").stdout
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM:")]
    return int(line.split()[1]) // 1024


@pytest.fixture(scope="module")
def worker_image() -> str:
    """The worker's image, on the base that tools/lambda_base.sh made."""
    if not is_there(BASE_IMAGE):
        pytest.skip(f"there is no image {BASE_IMAGE}: run tools/lambda_base.sh")
    words = ("--build-arg", f"BASE_IMAGE={BASE_IMAGE}", "--file", "worker/Dockerfile")
    # The machine's own network: pip fetches the pinned requirements.
    done = docker("build", *words, "--network", "host", "--tag", NAME, str(ROOT), timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return NAME
