"""`zebros image` asks a real registry whether an image can be deployed."""

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from tests.component.zebros.registry import DOCKER, OCI, Registry, registry
from zebros import cli
from zebros.client import aws
from zebros.errors import BadInput, NotReady
from zebros.operations import images
from zebros.operations.images import Reference, check, check_parameters

__all__ = ["registry"]
ECR = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


@pytest.mark.parametrize("form", [OCI, DOCKER])
def test_an_image_that_exists_is_found_by_its_tag_and_by_its_digest(
    registry: Registry, form: str
) -> None:
    entry = registry.image("zebros/worker", "1", form=form)
    by_tag = check(f"{registry.name}/zebros/worker:1")
    assert (by_tag.digest, by_tag.megabytes) == (entry["digest"], 3)  # 2.75 MB
    by_digest = check(f"{registry.name}/zebros/worker@{entry['digest']}")
    assert by_digest.digest == entry["digest"]


@pytest.mark.parametrize("form", [OCI, DOCKER])
def test_an_image_for_several_platforms_must_be_for_ours_too(registry: Registry, form: str) -> None:
    ours = registry.image("zebros/several", "amd64", form=form)
    other = registry.image("zebros/several", "arm64", "linux/arm64", form=form)
    registry.index("zebros/several", "both", other, ours, form=form)
    registry.index("zebros/several", "other", other, form=form)
    assert check(f"{registry.name}/zebros/several:both").megabytes == 3
    with pytest.raises(BadInput, match=r"other is an image for linux/arm64, and the tasks run on"):
        check(f"{registry.name}/zebros/several:other")


def test_an_image_for_another_platform_is_rejected(registry: Registry) -> None:
    registry.image("zebros/worker", "mac", "linux/arm64")
    with pytest.raises(BadInput) as rejected:
        check(f"{registry.name}/zebros/worker:mac")
    assert rejected.value.message == (
        f"{registry.name}/zebros/worker:mac is an image for linux/arm64, and the tasks run on "
        "linux/amd64."
    )
    assert "docker build --platform linux/amd64" in rejected.value.hint


@pytest.mark.parametrize(
    "missing", ["zebros/worker:none", "nobody/worker:1", f"zebros/worker@sha256:{'0' * 64}"]
)
def test_an_image_that_does_not_exist_is_rejected_in_one_sentence(
    registry: Registry, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.image("zebros/worker", "1")
    assert cli.main(["image", f"{registry.name}/{missing}"]) == 65
    shown = capsys.readouterr()
    sentence, hint = shown.err.splitlines()
    assert sentence == f"zebros: There is no image {registry.name}/{missing} in its registry."
    assert hint.endswith("nothing was changed.")
    assert shown.out == ""


def test_the_command_prints_every_image(
    registry: Registry, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = registry.image("zebros/worker", "1")["digest"]
    name = f"{registry.name}/zebros/worker:1"
    assert cli.main(["--json", "image", name]) == 0
    assert json.loads(capsys.readouterr().out) == [{"image": name, "digest": digest, "mb": 3}]
    assert cli.main(["image", name, name]) == 0
    assert capsys.readouterr().out.count(digest) == 2


def test_the_images_of_a_stack_are_checked_by_its_parameters(registry: Registry) -> None:
    registry.image("zebros/worker", "1")
    good = f"{registry.name}/zebros/worker:1"
    assert check_parameters({"Phase": "growth", "IdentityImage": "", "DomainName": "x"}) == []
    given = {"WorkerImage": good, "IdentityImage": good}
    assert [one.reference for one in check_parameters(given)] == [good, good]
    for name in ("WorkerImage", "IdentityImage"):
        with pytest.raises(BadInput, match="There is no image"):
            check_parameters({**given, name: f"{registry.name}/zebros/worker:2"})


@pytest.mark.parametrize(
    "text",
    ["", "worker", "worker:latest", "Worker:1", "worker:1 ", "https://example.com/worker:1",
     "example.com/worker:", "worker@sha256:12", f"worker:1@sha256:{'0' * 64}", "a//b:1", "-a:1"],
)  # fmt: skip
def test_a_name_that_could_mean_another_image_tomorrow_is_rejected(text: str) -> None:
    with pytest.raises(BadInput, match="it must be repository:tag or repository@sha256:digest"):
        check(text)


@pytest.mark.parametrize(
    ("text", "host", "repository", "version"),
    [
        ("worker:1", "https://registry-1.docker.io", "library/worker", "1"),
        ("acme/worker:1.2-a", "https://registry-1.docker.io", "acme/worker", "1.2-a"),
        ("ghcr.io/acme/zebros/worker:1", "https://ghcr.io", "acme/zebros/worker", "1"),
        (f"{ECR}/w@sha256:{'a' * 64}", f"https://{ECR}", "w", f"sha256:{'a' * 64}"),
        ("registry.internal:5000/w:1", "https://registry.internal:5000", "w", "1"),
        ("localhost:5000/w:1", "http://localhost:5000", "w", "1"),
        ("127.0.0.1:5000/w:1", "http://127.0.0.1:5000", "w", "1"),
    ],
)
def test_a_name_is_read_as_docker_reads_it(
    text: str, host: str, repository: str, version: str
) -> None:
    found = Reference.parse(text)
    assert (found.host, found.repository, found.version) == (host, repository, version)


def test_a_registry_that_does_not_answer_is_not_a_missing_image() -> None:
    with pytest.raises(NotReady, match=r"^The registry 127\.0\.0\.1:1 cannot be asked for 127"):
        check("127.0.0.1:1/worker:1")


class Tokens(http.server.BaseHTTPRequestHandler):
    """Gives everybody a token, as the servers of public registries do."""

    status, asked = 200, ""

    def do_GET(self) -> None:
        type(self).asked = self.path
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps({"token": "for-everybody"}).encode())

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def tokens() -> Iterator[str]:
    Tokens.status, Tokens.asked = 200, ""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/token"
    server.shutdown()
    server.server_close()


@pytest.fixture
def guarded(registry: Registry, tokens: str, tmp_path: Path) -> Iterator[Registry]:
    """A registry that gives out nothing without credentials, whichever they are."""
    guarded = Registry(tmp_path, f"auth: {{silly: {{realm: '{tokens}', service: registry}}}}")
    try:
        guarded.client.headers["Authorization"] = "Bearer who-pushes"
        guarded.image("zebros/worker", "1")
        yield guarded
    finally:
        guarded.close()


def test_a_public_image_is_read_with_a_token_for_everybody(guarded: Registry) -> None:
    assert check(f"{guarded.name}/zebros/worker:1").megabytes == 3
    assert "service=registry" in Tokens.asked
    assert "scope=repository%3Azebros%2Fworker%3Apull" in Tokens.asked


def test_an_image_that_tasks_could_not_pull_is_rejected(guarded: Registry) -> None:
    """Whoever deploys may be able to; a task has no credentials for it."""
    Tokens.status = 401
    with pytest.raises(BadInput, match="it is not public, or does not exist") as rejected:
        check(f"{guarded.name}/zebros/worker:1")
    assert "credentials for ECR only" in rejected.value.hint


def test_ecr_is_asked_with_the_credentials_of_the_session(
    cloud: Any, guarded: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.client.cache_clear()
    header = images._ecr_credentials(ECR)["Authorization"]
    assert base64.b64decode(header.removeprefix("Basic ")).startswith(b"AWS:123456789012")
    monkeypatch.setattr(Reference, "host", f"http://{guarded.name}")
    assert check(f"{ECR}/zebros/worker:1").megabytes == 3
    with pytest.raises(BadInput, match="There is no image"):
        check(f"{ECR}/zebros/worker:2")
    assert Tokens.asked == "", "it has given no challenge"
    monkeypatch.setattr(images, "_ecr_credentials", lambda _: {})
    Tokens.status = 401
    with pytest.raises(BadInput, match="you may not read it"):
        check(f"{ECR}/zebros/worker:1")
    aws.client.cache_clear()


def test_without_credentials_ecr_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentials:
        """In place of the client of ECR, on a machine that is not signed in."""

        def get_authorization_token(self, **_: Any) -> None:
            raise NoCredentialsError

    monkeypatch.setattr(aws, "client", lambda *_, **__: NoCredentials())
    with pytest.raises(NotReady) as rejected:
        check(f"{ECR}/zebros/worker:1")
    assert rejected.value.message == (
        "ECR in eu-central-1 cannot be asked: Unable to locate credentials."
    )
    assert "Sign in to AWS" in rejected.value.hint


@pytest.mark.parametrize("registry_name", ["ghcr.io", "public.ecr.aws", "127.0.0.1:5000"])
def test_no_other_registry_gets_credentials(registry_name: str) -> None:
    assert images._ecr_credentials(registry_name) == {}
