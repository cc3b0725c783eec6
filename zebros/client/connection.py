"""The CRM and the user of a command: from options, the environment and `.local/state.json`."""

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from zebros.client import stack as deployed
from zebros.client.api import Client, StaticToken, Tokens
from zebros.client.stack import Resources
from zebros.errors import BadInput, NotReady
from zebros.local.home import Home

_SERVER_ERROR = 500

DEFAULT_HOME = Path(".local")
DEFAULT_TENANT = "acme"
DEFAULT_USER = "admin"
STACK = "zebros"


@dataclass(frozen=True)
class Deployment:
    """A deployed stack: its resources, and the platform's address if it is local."""

    resources: Resources
    endpoint: str | None
    region: str

    def aws(self, service: str) -> Any:
        """A client of an AWS service, for the platform or account of this stack."""
        from zebros.client import aws  # importing botocore takes a quarter of a second

        return aws.client(service, self.endpoint, region=self.region if self.endpoint else None)


@dataclass(frozen=True)
class LocalIssuer:
    """Tokens of the local issuer, by the password grant of its demo users."""

    base: str
    tenant: str
    user: str
    _tokens: list[str] = field(default_factory=list)

    def current(self) -> str:
        if not self._tokens:
            self._tokens.append(self._request())
        return self._tokens[-1]

    def renewed(self) -> str | None:
        self._tokens.append(self._request())
        return self._tokens[-1]

    def _request(self) -> str:
        url = f"{self.base}{self.tenant}/protocol/openid-connect/token"
        form = {
            "grant_type": "password",
            "client_id": "zebros-cli",
            "username": self.user,
            "password": self.user,
        }
        try:
            response = httpx.post(url, data=form, timeout=10.0, trust_env=False)
        except httpx.TransportError as error:
            raise NotReady(
                "The local issuer of tokens does not answer.",
                hint="`zebros status` shows what runs; `zebros up` starts it.",
            ) from error
        if response.is_success:
            return str(response.json()["access_token"])
        try:
            body = response.json()
            reason = str(body.get("error_description") or body.get("error") or "")
        except ValueError:
            reason = ""
        refused = BadInput if response.status_code < _SERVER_ERROR else NotReady
        raise refused(
            f"The local issuer rejected a token for {self.user} of tenant {self.tenant}"
            f"{': ' + reason if reason else ''}.",
            hint="`zebros token --help` shows how to choose a tenant and a user.",
        )


@dataclass
class Connection:
    """The options that all commands share."""

    home: Path = DEFAULT_HOME
    api: str | None = None
    token: str | None = None
    tenant: str = DEFAULT_TENANT
    user: str = DEFAULT_USER
    json: bool = False
    stack: str | None = None

    def state(self) -> dict[str, Any] | None:
        """The state.json of the local platform; None when none was started here."""
        return Home(self.home).state() or None

    @property
    def realm(self) -> str:
        """The tenant of the token, else the one of `--tenant`."""
        if not self.token:
            return self.tenant
        try:
            payload = self.token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            return str(claims["iss"]).rstrip("/").rpartition("/")[2]
        except (IndexError, KeyError, TypeError, ValueError):
            return self.tenant  # not a token of the CRM; the API will reject it

    def client(self, *, connections: int = 16) -> Client:
        """An API client for the user."""
        state = self.state()
        base = self.api or (state or {}).get("api")
        if not base:
            raise NotReady(
                f"No CRM runs here: there is no {self.home / 'state.json'}.",
                hint="`zebros up` starts one; `--api URL` names a deployed one.",
            )
        if not str(base).startswith(("http://", "https://")):
            raise BadInput(f"--api {base} is not a URL.", hint="It looks like https://host/v1.")
        return Client(str(base), self._tokens(str(base), state), connections=connections)

    def _tokens(self, base: str, state: dict[str, Any] | None) -> Tokens:
        if self.token:
            return StaticToken(self.token)
        if state and _is_local(base, state):
            return LocalIssuer(str(state["issuer_base"]), self.tenant, self.user)
        raise NotReady(
            f"There is no token for {base}.",
            hint="Pass one with --token or in the environment variable ZEBROS_TOKEN.",
        )

    def deployment(self) -> Deployment:
        """The stack of the CRM: the local one, or `stack` in AWS.

        Raises BadInput when `api` is a deployed CRM and `stack` is None.
        """
        state = None if self.stack else self.state()
        if self.api and not self.stack and not (state and _is_local(self.api, state)):
            raise BadInput(
                f"The stack in AWS of --api {self.api} is not known.",
                hint="Name the stack: `--stack NAME`, or ZEBROS_STACK in the environment.",
            )
        if state:
            from zebros.client import aws

            aws.use_no_account()
            region = str(state.get("region", "us-east-1"))
            os.environ["AWS_DEFAULT_REGION"] = region
            return Deployment(Resources(state["resources"]), str(state["endpoint"]), region)
        if not self.stack:
            raise NotReady(
                f"No CRM runs here: there is no {self.home / 'state.json'}.",
                hint="`zebros up` starts one; `--stack NAME` names a deployed one.",
            )
        return self._deployed(self.stack)

    def _deployed(self, stack: str) -> Deployment:
        from botocore.exceptions import BotoCoreError, ClientError

        from zebros.client import aws

        try:
            cloudformation = aws.client("cloudformation")
            resources = deployed.read(cloudformation, stack)
        except (BotoCoreError, ClientError) as error:
            raise NotReady(
                f"The stack {stack} cannot be read: {error}",
                hint="Check the name, the region (AWS_REGION) and the credentials.",
            ) from error
        return Deployment(resources, None, str(cloudformation.meta.region_name))


def _is_local(base: str, state: dict[str, Any]) -> bool:
    """Whether an API's address is that of the platform on this machine."""
    return base.startswith(str(state.get("api")))
