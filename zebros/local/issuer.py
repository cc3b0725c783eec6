"""A small OpenID Connect issuer for the local platform, like Keycloak: a realm is a tenant.

Each realm has its own signing key, created at first use and readable by its owner only. Tokens are
as the CRM's authorizer expects them: RS256, `iss` = base + tenant, `aud`, `sub`, `name`, `team`,
`realm_access.roles` and the tenant's `zoneinfo`. Demo users sign in with their name as the
password, so the issuer protects only demo data on 127.0.0.1. It protects it from the web pages that
a browser on this machine shows: a page gets a token only if it comes from this machine too.

`python -m zebros.local.issuer --port N --home DIR` serves it; `Issuer.mint` makes tokens for tests.
"""

import argparse
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from zebros.local.realms import Realm, new_key, realm_at
from zebros.local.users import AUDIENCE, TENANTS, TIME_ZONES, User, user_of

HOST = "127.0.0.1"
LIFETIME_S = 3600
"""An hour, as in the realms of a deployed Keycloak; the command line renews its token by itself."""
_REALM = re.compile(r"/realms/(?P<tenant>[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)(?P<rest>/.*)?")
_TOKENS = "/protocol/openid-connect/token"
_CERTS = "/protocol/openid-connect/certs"
_DISCOVERY = "/.well-known/openid-configuration"
_LONGEST_FORM = 10_000
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
"""The hosts of web pages that may request tokens, on any port."""


@dataclass(frozen=True)
class Issuer:
    """Realms with keys in `home` and issuer URLs that begin with `base` (which ends in a slash)."""

    home: Path
    base: str
    tenants: tuple[str, ...] = TENANTS

    def realm(self, tenant: str) -> Realm:
        """A tenant's realm. Raises KeyError for an unknown tenant."""
        if tenant not in self.tenants:
            raise KeyError(tenant)
        return realm_at(self.home, tenant)

    def mint(
        self,
        tenant: str,
        user: str | User,
        *,
        lifetime_s: float = LIFETIME_S,
        foreign_key: bool = False,
        unsigned: bool = False,
        **claims: Any,
    ) -> str:
        """A token of this issuer, or a forged one; `claims` replace claims, None removes one.

        A negative `lifetime_s` makes an expired token; `foreign_key` signs with another key but the
        realm's key id; `unsigned` omits the signature (alg none).
        """
        realm = realm_at(self.home, tenant)
        subject = user if isinstance(user, User) else user_of(tenant, user)
        now = int(time.time())
        issued = now - 1 if lifetime_s >= 0 else now + int(lifetime_s) - 60
        document = {
            "iss": self.base + tenant,
            "aud": AUDIENCE,
            "iat": issued,
            "exp": now + int(lifetime_s),
            "typ": "Bearer",
            "azp": "zebros-cli",
            "zoneinfo": TIME_ZONES.get(tenant),
            **subject.claims(),
            **claims,
        }
        present = {name: value for name, value in document.items() if value is not None}
        headers = {"kid": realm.key_id}
        if unsigned:
            return jwt.encode(present, "", algorithm="none", headers=headers)
        key: RSAPrivateKey = new_key() if foreign_key else realm.key
        return jwt.encode(present, key, algorithm="RS256", headers=headers)

    def document(self, tenant: str) -> dict[str, Any]:
        """The document of OpenID Connect Discovery 1.0."""
        issuer = self.base + tenant
        return {
            "issuer": issuer,
            "jwks_uri": issuer + _CERTS,
            "token_endpoint": issuer + _TOKENS,
            "grant_types_supported": ["password", "client_credentials"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def grant(self, tenant: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and body of the token endpoint (RFC 6749, 4.3 and 4.4)."""
        kind = form.get("grant_type")
        if kind == "password":
            name, secret = form.get("username", ""), form.get("password", "")
        elif kind == "client_credentials":
            name, secret = form.get("client_id", ""), form.get("client_secret", "")
        else:
            description = "grant_type is password or client_credentials"
            return 400, {"error": "unsupported_grant_type", "error_description": description}
        try:
            user = user_of(tenant, name)
        except KeyError as fault:
            return 400, {"error": "invalid_grant", "error_description": str(fault.args[0])}
        if secret != user.username:
            description = f"the password of {name} is {name}"
            return 400, {"error": "invalid_grant", "error_description": description}
        return 200, {
            "access_token": self.mint(tenant, user),
            "token_type": "Bearer",
            "expires_in": LIFETIME_S,
            "scope": "openid",
        }


def _host_of(url: str) -> str:
    """The host of a URL or an origin; empty for `null` and other forms."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], issuer: Issuer, also: str | None = None) -> None:
        super().__init__(address, _Handler)
        self.issuer = issuer
        self._also = also

    def answers_to(self, host: str) -> bool:
        """Whether a request is for this server: by another name it comes from a foreign page.

        A page's own host name may lead to 127.0.0.1 (DNS rebinding); its origin is then the same.
        """
        return _host_of(f"http://{host}") in (*_THIS_MACHINE, self._also)

    def issuer_for(self, host: str) -> Issuer:
        """The issuer for the host of a request: 127.0.0.1, or the Docker bridge's address."""
        if self._also and host.partition(":")[0] == self._also:
            return replace(self.issuer, base=self.issuer.base.replace(HOST, self._also))
        return self.issuer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    server: _Server

    def do_GET(self) -> None:
        """Answer requests for discovery, keys and health."""
        if self._path() == "/health":
            return self._answer(200, {"pid": os.getpid()})
        tenant, rest = self._realm()
        if tenant and rest == _DISCOVERY:
            return self._answer(200, self._issuer().document(tenant))
        if tenant and rest == _CERTS:
            return self._answer(200, {"keys": [self.server.issuer.realm(tenant).public_key()]})
        return self._not_found(tenant)

    def do_POST(self) -> None:
        """Answer requests for tokens; not those of a web page of another machine."""
        tenant, rest = self._realm()
        if not self._may_have_tokens():
            message = "A page of this origin gets no token"
            return self._answer(403, {"error": "access_denied", "error_description": message})
        length = int(self.headers.get("Content-Length") or 0)
        form = self.rfile.read(min(length, _LONGEST_FORM)).decode("utf-8", "replace")
        if not tenant or rest != _TOKENS:
            return self._not_found(tenant)
        fields = {name: values[-1] for name, values in parse_qs(form).items()}
        status, document = self._issuer().grant(tenant, fields)
        who = fields.get("username") or fields.get("client_id") or "nobody"
        print(f"token for {who} of {tenant}: {document.get('error', 'issued')}", flush=True)
        return self._answer(status, document)

    def do_OPTIONS(self) -> None:
        """Answer a CORS preflight: a page of this machine, on another port, may request tokens."""
        self._answer(204, None)

    def _may_have_tokens(self) -> bool:
        """Whether the caller is no web page (no Origin), or a page of this machine."""
        origin = self.headers.get("Origin")
        if not self.server.answers_to(self.headers.get("Host") or HOST):
            return False
        return origin is None or _host_of(origin) in _THIS_MACHINE

    def _issuer(self) -> Issuer:
        return self.server.issuer_for(self.headers.get("Host") or HOST)

    def _path(self) -> str:
        return urlsplit(self.path).path

    def _realm(self) -> tuple[str, str]:
        """The tenant and the rest of the path; an empty tenant when there is no such realm."""
        match = _REALM.fullmatch(self._path())
        if match is None or match["tenant"] not in self.server.issuer.tenants:
            return "", ""
        return match["tenant"], match["rest"] or ""

    def _not_found(self, tenant: str) -> None:
        known = ", ".join(self.server.issuer.tenants)
        message = "Not found" if tenant else f"Realm does not exist; there are {known}"
        self._answer(404, {"error": message, "error_description": message})

    def _answer(self, status: int, document: dict[str, Any] | None) -> None:
        body = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Vary", "Origin")
        origin = self.headers.get("Origin")
        if origin is not None and self._may_have_tokens():
            self.send_header("Access-Control-Allow-Origin", origin)
            self.send_header("Access-Control-Allow-Headers", "*")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing for requests; do_POST prints every issued token."""


def main(argv: Sequence[str] | None = None) -> None:
    """Serve the issuer until stopped."""
    options = argparse.ArgumentParser(prog="python -m zebros.local.issuer", description=__doc__)
    options.add_argument("--port", type=int, required=True, help="The port on 127.0.0.1.")
    options.add_argument("--home", type=Path, required=True, help="The folder of its keys.")
    options.add_argument(
        "--tenants", default=",".join(TENANTS), help="The realms, separated by commas."
    )
    options.add_argument("--also", help="Another address for requests (the Docker bridge's).")
    arguments = options.parse_args(argv)
    tenants = tuple(name for name in arguments.tenants.split(",") if name)
    issuer = Issuer(arguments.home, f"http://{HOST}:{arguments.port}/realms/", tenants)
    for tenant in tenants:
        issuer.realm(tenant).public_key()  # creates the key before the first request
    _Server((HOST, arguments.port), issuer, arguments.also).serve_forever()


if __name__ == "__main__":
    main()
