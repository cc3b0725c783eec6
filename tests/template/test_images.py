"""The images that the templates accept."""

import re

import pytest

from tests.template.stack import ROOT, load, system
from zebros.cloudformation import TemplateError
from zebros.errors import BadInput
from zebros.local.parts import ReportsBy
from zebros.operations.images import PARAMETERS, Reference

ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
GOOD = (
    "worker:1",
    "worker:latest-1",
    "acme/zebros_worker:1.2.3-a",
    f"{ECR}/zebros/worker:26.7.3",
    f"{ECR}/zebros/worker@sha256:{'0a' * 32}",
    "registry.internal:5000/a-b/c__d:V1",
)
BAD = (
    "worker",
    "worker:latest",
    f"{ECR}/zebros/worker",
    f"{ECR}/zebros/worker:latest",
    f"{ECR}/zebros/worker@sha256:0a",
    f"{ECR}/Zebros:1",
    f"https://{ECR}/zebros:1",
    "worker:",
    "worker: 1",
    "a//b:1",
    "-a:1",
    "a-:1",
    f"worker:{'1' * 129}",
)


def test_every_image_is_a_parameter_that_zebros_image_knows() -> None:
    given = [name for name in load()["Parameters"] if name.endswith("Image")]
    assert tuple(given) == PARAMETERS
    assert (ROOT / "zebros" / "cli" / "image.py").is_file()


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_image_is_named_by_a_tag_or_a_digest(name: str) -> None:
    for image in ("", *GOOD):
        system(**{name: image})


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("image", BAD)
def test_an_image_that_could_be_another_one_tomorrow_is_rejected(name: str, image: str) -> None:
    """A rollback with `latest` would start the same image again."""
    sentence = "it must be repository:tag or repository@sha256:digest, and the tag not latest"
    with pytest.raises(TemplateError, match=sentence):
        system(**{name: image})


@pytest.mark.parametrize("image", GOOD)
def test_the_command_line_accepts_what_the_templates_accept(image: str) -> None:
    assert Reference.parse(image).text == image


@pytest.mark.parametrize("image", BAD)
def test_the_command_line_rejects_what_the_templates_reject(image: str) -> None:
    with pytest.raises(BadInput):
        Reference.parse(image)


@pytest.mark.parametrize(
    ("file", "tag"),
    [("worker/Dockerfile", "python:3.13-slim"), ("identity/Dockerfile", "debian:trixie-slim")],
)
def test_an_image_is_built_on_a_base_that_is_named_by_its_digest(file: str, tag: str) -> None:
    """Or on another one that its argument names, where there is no registry."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    (base,) = [line for line in lines if line.startswith("ARG BASE_IMAGE=")]
    assert re.fullmatch(rf"ARG BASE_IMAGE={tag}@sha256:[0-9a-f]{{64}}", base)
    stages = [line.split()[3] for line in lines if line.startswith("FROM ") and " AS " in line]
    bases = {line.split()[1] for line in lines if line.startswith("FROM ")} - set(stages)
    assert bases == {"${BASE_IMAGE}"}


@pytest.mark.parametrize("makers", ReportsBy)
def test_the_local_platform_names_its_worker_so(makers: ReportsBy) -> None:
    system(**makers.parameters())
