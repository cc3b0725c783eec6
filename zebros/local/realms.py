"""The realms of the local issuer: their demo users and their signing keys."""

import hashlib
import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

AUDIENCE = "zebros-api"
TENANTS = ("acme", "globex")


@dataclass(frozen=True, slots=True)
class User:
    """Someone who can sign in; `name_at_sign_in` is also the id (`sub`) and the password."""

    name_at_sign_in: str
    name: str
    role: str
    team: str

    def claims(self) -> dict[str, Any]:
        """The claims that tell who they are, as Keycloak names them."""
        return {
            "sub": self.name_at_sign_in,
            "preferred_username": self.name_at_sign_in,
            "name": self.name,
            "team": self.team,
            "realm_access": {"roles": [self.role]},
        }


_ROLES = {
    "admin": ("administrator", "operations"),
    "manager": ("sales-manager", "americas"),
    "rep": ("sales-representative", "americas"),
    "support": ("support-agent", "support"),
    "reader": ("read-only", "operations"),
}
_NAMES = {
    "acme": ("Odile Farrant", "Hugo Stenmark", "Wren Talbot", "Imara Voss", "Caspian Doyle"),
    "globex": ("Sunniva Ruiz", "Bram Oyelaran", "Lotte Quist", "Dario Penhale", "Aiko Brandt"),
}
_ANYBODY = ("Admin", "Manager", "Representative", "Support", "Reader")


def users(tenant: str) -> dict[str, User]:
    """The demo users of a tenant by name: one of each role, and at acme the demo's sellers."""
    named = zip(_ROLES.items(), _NAMES.get(tenant, _ANYBODY), strict=True)
    found = {key: User(key, name, role, team) for (key, (role, team)), name in named}
    if tenant == TENANTS[0]:
        from zebros.demo.sellers import SELLERS

        found |= {
            seller.user_id: User(
                seller.user_id, seller.name, "sales-representative", seller.team_id
            )
            for seller in SELLERS
        }
    return found


def user_of(tenant: str, name: str) -> User:
    """A demo user. Raises KeyError with a sentence that names those there are."""
    known = users(tenant)
    if name not in known:
        there = ", ".join(known)
        raise KeyError(f"{tenant} has no user {name or '(none given)'}; there are {there}")
    return known[name]


def new_key() -> rsa.RSAPrivateKey:
    """A fresh signing key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Realm:
    """One tenant's realm: its key lies in a file of its own in `home`."""

    tenant: str
    home: Path

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        """The signing key; made, readable by its owner alone, when there is none."""
        file = self.home / f"{self.tenant}.pem"
        if not file.exists():
            self._make(file)
        found = serialization.load_pem_private_key(file.read_bytes(), password=None)
        assert isinstance(found, rsa.RSAPrivateKey)
        return found

    @cached_property
    def key_id(self) -> str:
        """The `kid` of tokens and of the published key."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(public).hexdigest()[:16]

    def public_key(self) -> dict[str, Any]:
        """The key as JWKS (RFC 7517) lists it."""
        found = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**found, "kid": self.key_id, "use": "sig", "alg": "RS256"}

    def _make(self, file: Path) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = new_key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        part = file.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as target:
            target.write(content)
        try:
            os.link(part, file)  # of two who make one at once, the first is right
        except FileExistsError:
            pass
        finally:
            part.unlink()


@cache
def realm_at(home: Path, tenant: str) -> Realm:
    """The realm whose key lies in this folder; read once."""
    return Realm(tenant, home)
