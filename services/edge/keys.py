"""The signing keys of the issuers: asked for every five minutes, and kept through an outage.

The last good keys of a tenant are in the edge's table, beside the registry: a new process has them
without asking, and all processes together ask the provider once in five minutes. While a provider
does not answer, a process asks it at most once in a few seconds, waits for at most one second, and
goes on with the keys that it knows. They are used for a day at most.

A key that the provider has withdrawn is not used after the next answer, which is asked for at most
KEYS_SECONDS after the last one.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol

import jwt

from edge.provider import Question
from edge.refusals import CannotCheck, Rejected
from kernel.runtime.faults import describe
from kernel.runtime.log import logger

KEYS_SECONDS = 300
"""After this time the provider is asked again."""
LAST_GOOD_SECONDS = 24 * 3600
"""How long keys are used while the provider does not answer."""
_PAUSE_SECONDS = 5
"""Between two requests because of unknown keys, and after one without an answer."""
_PATIENCE_SECONDS = 1.0
"""How long a request waits for the provider where keys are known, ..."""
_FIRST_PATIENCE_SECONDS = 3.0
"""... and where none are."""
_CLOCK_SKEW_SECONDS = 5
"""By how much the clocks of processes may differ."""
_MAX_ISSUERS = 1000
"""The issuers whose keys a process keeps."""


class StoredKeys(NamedTuple):
    """A key set (JWKS) as text, and when the provider sent it, in seconds since 1970."""

    text: str
    at: float


class KeyStore(Protocol):
    """Where the last good keys of every tenant are kept; it fails silently."""

    def read(self, tenant: str) -> StoredKeys | None:
        """The last good keys."""

    def write(self, tenant: str, keys: StoredKeys) -> None:
        """Keep keys that the provider has just sent."""


class _Known(NamedTuple):
    keys: dict[str, jwt.PyJWK]
    at: float


def _parsed(stored: StoredKeys) -> _Known:
    """The keys by their ids. Raises ValueError for another form, or without any signing key."""
    try:
        found = jwt.PyJWKSet.from_dict(json.loads(stored.text)).keys
    except (jwt.PyJWTError, AttributeError, TypeError) as fault:
        raise ValueError(f"no key set: {fault!r}") from fault
    # RS256 needs RSA; with another key PyJWT would raise a TypeError, which is not a PyJWTError.
    keys = {
        str(key.key_id): key
        for key in found
        if key.key_id and key.public_key_use in (None, "sig") and key.key_type == "RSA"
    }
    if not keys:
        raise ValueError("no key for RS256")
    return _Known(keys, stored.at)


class IssuerKeys:
    """The keys of one issuer in one process."""

    def __init__(
        self, issuer: str, tenant: str, store: KeyStore, clock: Callable[[], float] = time.time
    ) -> None:
        self._issuer, self._tenant, self._store, self._clock = issuer, tenant, store, clock
        self._known: _Known | None = None
        self._question: Question | None = None
        self._quiet_until = 0.0
        self._unanswered = False

    def key(self, key_id: str, *, ask: bool = True) -> jwt.PyJWK:
        """The key with this id; without `ask` only a key that is known already.

        Raises Rejected when the issuer has no such key, CannotCheck when nobody can tell now.
        """
        known = self._current(ask=ask)
        if known is not None and key_id in known.keys:
            return known.keys[key_id]
        if ask and (newer := self._newer(key_id)) is not None:
            return newer
        if self._unanswered or not self._fresh():
            raise CannotCheck(f"{self._issuer} does not answer; key {key_id[:80]!r} is not known")
        raise Rejected(f"{self._issuer} has no key {key_id[:80]!r}")

    def _current(self, *, ask: bool) -> _Known | None:
        """The keys, asked for again when they are old; those of yesterday are none."""
        if not self._fresh():
            self._read_store()
        if ask and not self._fresh():
            self._ask()
        known = self._known
        return known if known and self._clock() < known.at + LAST_GOOD_SECONDS else None

    def _newer(self, key_id: str) -> jwt.PyJWK | None:
        """A key that is not among the known ones: another process may know it, or the provider.

        At most every few seconds, because anybody can send a token that names an unknown key.
        """
        if self._clock() < self._quiet_until:
            return None
        self._read_store()
        if self._known is None or key_id not in self._known.keys:
            self._ask()
            self._quiet_until = self._clock() + _PAUSE_SECONDS
        return self._known.keys.get(key_id) if self._known else None

    def _fresh(self) -> bool:
        return self._known is not None and self._clock() < self._known.at + KEYS_SECONDS

    def _read_store(self) -> None:
        """Take the keys of the store where they are newer."""
        if self._clock() < self._quiet_until:
            return
        stored = self._store.read(self._tenant)
        # From a clock far ahead, keys would never be old.
        if stored is None or stored.at > self._clock() + _CLOCK_SKEW_SECONDS:
            return
        if self._known is not None and stored.at <= self._known.at:
            return
        try:
            self._known = _parsed(stored)
        except ValueError as fault:
            logger().warning("stored keys", tenant=self._tenant, fault=str(fault))

    def _ask(self) -> None:
        """Ask the provider and wait a moment; a later answer is used when it is there."""
        now = self._clock()
        if now < self._quiet_until:
            return
        if self._question is None or not self._question.open:
            self._question = Question(self._issuer, lambda text: self._accept(text, now))
        patience = _PATIENCE_SECONDS if self._known else _FIRST_PATIENCE_SECONDS
        if self._question.wait(patience):
            return
        self._quiet_until, self._unanswered = self._clock() + _PAUSE_SECONDS, True
        fault = self._question.fault
        why = describe(fault) if fault else "no answer"
        logger().warning("provider", tenant=self._tenant, issuer=self._issuer, fault=why)

    def _accept(self, text: str, asked_at: float) -> None:
        """Use and keep the provider's answer. Raises ValueError for another form."""
        stored = StoredKeys(text, asked_at)
        self._known, self._unanswered = _parsed(stored), False
        self._store.write(self._tenant, stored)


class KeysOfIssuers:
    """The keys of the issuers that a process has met."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._issuers: OrderedDict[str, IssuerKeys] = OrderedDict()

    def of(self, issuer: str, tenant: str) -> IssuerKeys:
        """The keys of an issuer."""
        keys = self._issuers.setdefault(issuer, IssuerKeys(issuer, tenant, self._store))
        self._issuers.move_to_end(issuer)
        if len(self._issuers) > _MAX_ISSUERS:
            self._issuers.popitem(last=False)
        return keys
