"""The deployed CRM on the local platform, with our Keycloak as its identity provider."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.identity.servers import Certificate
from tests.template.stack import ROOT
from zebros.local import parts
from zebros.local.deploy import Stack, platform_client
from zebros.local.home import Home
from zebros.local.regions import Place
from zebros.local.users import AUDIENCE
from zebros.operations.tenants import TABLE, Registry, register_all


@dataclass(frozen=True)
class Crm:
    """Its REST API, with API Gateway's authorizer in front of it."""

    url: str

    def __call__(
        self, method: str, path: str, token: str, body: dict[str, Any] | None = None
    ) -> httpx.Response:
        """Call the API with a bearer token; none when it is empty."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.request(method, self.url + path, headers=headers, json=body, timeout=60)


class Caller(threading.Thread):
    """Somebody who calls the API all the time, with the token that is current."""

    def __init__(self, crm: Crm, token: Callable[[], str]) -> None:
        super().__init__(daemon=True)
        self._crm, self._token = crm, token
        self._stop_asked = threading.Event()
        self.answers: list[int] = []

    def run(self) -> None:
        while not self._stop_asked.is_set():
            self.answers.append(self._crm("GET", "/accounts?limit=1", self._token()).status_code)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Call until the block ends; every answer was 200."""
        self.start()
        try:
            yield
        finally:
            self._stop_asked.set()
            self.join(60)
        assert len(self.answers) >= 3
        assert set(self.answers) == {200}, self.answers


def deploy(endpoint: str, issuer_base: str, certificate: Certificate, folder: Path) -> Crm:
    """Deploy the whole system by `sam deploy`. Raises NotDeployed."""
    parameters = {
        "IssuerBase": issuer_base,
        "Audience": AUDIENCE,
        **parts.ReportsBy.FUNCTION.parameters(),
    }
    stack = Stack(ROOT, Home(folder), endpoint, parameters)
    folder.mkdir()
    stack.deploy(lambda _: None)
    resources = stack.resources()
    registry = Registry(platform_client("dynamodb", endpoint), resources.table(TABLE))
    register_all(registry, ("acme", "globex", "hooli", "initech"))
    _trust(certificate, endpoint, resources.function("Authorizer"))
    state = parts.state_document(resources, {}, endpoint, issuer_base, ROOT, Place())
    return Crm(str(state["api"]))


def _trust(certificate: Certificate, endpoint: str, name: str) -> None:
    """Let a function trust the load balancer's certificate; AWS's are trusted everywhere."""
    client = platform_client("lambda", endpoint)
    given = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(
        FunctionName=name,
        Environment={"Variables": {**given, "SSL_CERT_FILE": str(certificate.file)}},
    )
    # API Gateway calls the alias.
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
