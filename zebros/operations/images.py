"""Whether a container image exists and runs on Fargate: asked of its registry before a deployment.

CloudFormation does not look at an image. Without this check a wrong name is noticed after minutes,
when the service's circuit breaker rolls the deployment back.

The questions are those of the OCI Distribution specification. A task has credentials for registries
of ECR only, so every other registry is asked without any.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import httpx

from zebros.client import aws
from zebros.errors import BadInput, CliError, NotReady

PARAMETERS = ("WorkerImage", "IdentityImage")
"""The parameters of the root template that name images."""
PLATFORM = "linux/amd64"
"""That of the task definitions (infra/workers.yaml, infra/identity.yaml)."""
_FORM = re.compile(
    r"(?:(?P<registry>(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?::[0-9]+)?|localhost(?::[0-9]+)?))/)?"
    r"(?P<repository>[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))"
)
_ECR = re.compile(r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com.*")
_LOOPBACK = re.compile(r"(127\.[0-9.]+|localhost)(:[0-9]+)?")
_DOCKER_HUB, _DOCKER_HUB_HOST = "docker.io", "registry-1.docker.io"
_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_SECONDS = 20
_NEEDED = "Build it and push it, then deploy; nothing was changed."


@dataclass(frozen=True, slots=True)
class Reference:
    """The parts of an image's name."""

    registry: str
    repository: str
    version: str
    """The tag or the digest."""
    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """The parts of `text`. Raises BadInput."""
        found = _FORM.fullmatch(text)
        if not found or found["tag"] == "latest":
            raise BadInput(
                f"{text!r} cannot name an image of a deployment: it must be repository:tag or "
                "repository@sha256:digest, and the tag not latest.",
                hint="With latest, a rollback would start the same image again.",
            )
        registry, repository = found["registry"] or _DOCKER_HUB, found["repository"]
        if registry == _DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, found["tag"] or found["digest"], text)

    @property
    def host(self) -> str:
        """Where the registry's API is. As Docker does, this machine is asked without TLS."""
        host = _DOCKER_HUB_HOST if self.registry == _DOCKER_HUB else self.registry
        return f"{'http' if _LOOPBACK.fullmatch(host) else 'https'}://{host}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that exists."""

    reference: str
    digest: str
    """The content's; it stays the same when the tag moves."""
    megabytes: int
    """Compressed, as it is pulled."""


def check_parameters(parameters: Mapping[str, str]) -> list[Image]:
    """Check the images among a stack's parameters. Raises CliError for the first wrong one."""
    return [check(parameters[name]) for name in PARAMETERS if parameters.get(name)]


def check(text: str) -> Image:
    """The image with this name. Raises CliError: it has another form, does not exist, is for
    another platform, or its registry cannot be asked."""
    reference = Reference.parse(text)
    try:
        with httpx.Client(timeout=_SECONDS, follow_redirects=True) as client:
            return _Registry(client, reference).image()
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as fault:
        raise NotReady(
            f"The registry {reference.registry} cannot be asked for {text}: {fault}.",
            hint="Check the registry's name and the connection; nothing was changed.",
        ) from fault


class _Registry:
    """The registry of one image."""

    def __init__(self, client: httpx.Client, reference: Reference) -> None:
        self._client, self._reference = client, reference
        self._authorization = _ecr_credentials(reference.registry)

    def image(self) -> Image:
        """The image for PLATFORM. Raises CliError or HTTPError."""
        answer = self._manifest(self._reference.version)
        digest = answer.headers.get("Docker-Content-Digest", "")
        manifest = answer.json()
        if manifest.get("mediaType", answer.headers["Content-Type"]) in _INDEXES:
            found = {_platform(one["platform"]): one["digest"] for one in manifest["manifests"]}
            self._assert_platform(*found)
            manifest = self._manifest(found[PLATFORM]).json()
        else:
            configuration = self._get(f"blobs/{manifest['config']['digest']}").json()
            self._assert_platform(_platform(configuration))
        size = sum(int(layer["size"]) for layer in manifest["layers"])
        return Image(self._reference.text, digest, round(size / 10**6))

    def _assert_platform(self, *found: str) -> None:
        if PLATFORM not in found:
            raise BadInput(
                f"{self._reference.text} is an image for {', '.join(sorted(found))}, and the tasks "
                f"run on {PLATFORM}.",
                hint=f"Build it with `docker build --platform {PLATFORM}`; nothing was changed.",
            )

    def _manifest(self, version: str) -> httpx.Response:
        return self._get(f"manifests/{version}")

    def _get(self, path: str) -> httpx.Response:
        url = f"{self._reference.host}/v2/{self._reference.repository}/{path}"
        headers = {"Accept": ", ".join((*_INDEXES, *_MANIFESTS))}
        answer = self._client.get(url, headers={**headers, **self._authorization})
        if answer.status_code == httpx.codes.UNAUTHORIZED and not self._authorization:
            self._authorization = self._anonymous(answer.headers.get("WWW-Authenticate", ""))
            if self._authorization:
                answer = self._client.get(url, headers={**headers, **self._authorization})
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise BadInput(
                f"There is no image {self._reference.text} in its registry.", hint=_NEEDED
            )
        if answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise self._refused()
        return answer.raise_for_status()

    def _refused(self) -> CliError:
        reference = self._reference
        if _ECR.fullmatch(reference.registry):
            reason, hint = "you may not read it", "The policy needs ecr:BatchGetImage."
        else:
            reason = "it is not public, or does not exist"
            hint = "Tasks have credentials for ECR only: copy it there, or make it public."
        return BadInput(f"The registry does not give out {reference.text}: {reason}.", hint=hint)

    def _anonymous(self, challenge: str) -> dict[str, str]:
        """The token that a registry gives to everybody; empty when it gives none."""
        scheme, _, rest = challenge.partition(" ")
        given = dict(_CHALLENGE.findall(rest))
        if scheme.lower() != "bearer" or "realm" not in given:
            return {}
        answer = self._client.get(given.pop("realm"), params=given)
        if not answer.is_success:
            return {}
        document: dict[str, Any] = answer.json()
        token = document.get("token") or document.get("access_token")
        return {"Authorization": f"Bearer {token}"} if token else {}


def _platform(document: Mapping[str, Any]) -> str:
    return f"{document['os']}/{document['architecture']}"


def _ecr_credentials(registry: str) -> dict[str, str]:
    """The header for a registry of ECR, with the credentials of this AWS session."""
    found = _ECR.fullmatch(registry)
    if not found:
        return {}
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        ecr = aws.client("ecr", region=found["region"])
        answer = ecr.get_authorization_token(registryIds=[found["account"]])
    except (BotoCoreError, ClientError) as fault:
        raise NotReady(
            f"ECR in {found['region']} cannot be asked: {str(fault).rstrip('.')}.",
            hint="Sign in to AWS; the policy needs ecr:GetAuthorizationToken.",
        ) from fault
    (granted,) = answer["authorizationData"]
    return {"Authorization": f"Basic {granted['authorizationToken']}"}
