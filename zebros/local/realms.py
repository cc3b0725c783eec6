"""The realms of the local issuer and their signing keys."""

import hashlib
import os
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


def new_key() -> rsa.RSAPrivateKey:
    """A new signing key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass
class Realm:
    """The realm of a tenant, with its key in a file in `home`."""

    tenant: str
    home: Path

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        """The signing key; created, readable by its owner only, when there is none."""
        file = self.home / f"{self.tenant}.pem"
        if not file.exists():
            self._create(file)
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    @cached_property
    def key_id(self) -> str:
        """The `kid` of tokens and of the published key."""
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(public).hexdigest()[:16]

    def public_key(self) -> dict[str, Any]:
        """The key as JWKS (RFC 7517) lists it."""
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**jwk, "kid": self.key_id, "use": "sig", "alg": "RS256"}

    def _create(self, file: Path) -> None:
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
            os.link(part, file)  # if two processes create one, the first wins
        except FileExistsError:
            pass
        finally:
            part.unlink()


@cache
def realm_at(home: Path, tenant: str) -> Realm:
    """The realm with its key in this folder; read once."""
    return Realm(tenant, home)
