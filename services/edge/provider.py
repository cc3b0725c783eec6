"""Asks an identity provider for the keys of a realm, and never waits longer than it may.

A provider may hang, or send a byte at a time, so that no single read times out. So a thread asks,
and the caller waits for it for a bounded time. An answer that comes later is used when it is there.
"""

import json
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import cache
from http.client import HTTPException
from typing import Any

from kernel.runtime.work import carried

_READ_SECONDS = 3
"""The timeout of one read of the thread."""
_GIVEN_UP_SECONDS = 15
"""After this time another thread may ask; the earlier one ends by itself."""
_MOST_BYTES = 256 * 1024


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys from another host could sign tokens for this tenant."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@cache
def _opener() -> urllib.request.OpenerDirector:
    """Made at the first question: reading the trusted certificates would delay every start."""
    return urllib.request.build_opener(_NoRedirects)


def key_set_of(issuer: str) -> str:
    """The issuer's key set (JWKS) as text, found by its discovery document.

    Raises OSError, HTTPException, or ValueError for an answer in another form.
    """
    document = _read(f"{issuer}/.well-known/openid-configuration")
    found = json.loads(document)
    jwks_uri = str(found.get("jwks_uri")) if isinstance(found, dict) else ""
    if not jwks_uri.startswith(f"{issuer}/"):
        raise ValueError("the issuer names keys outside itself")
    return _read(jwks_uri)


def _read(url: str) -> str:
    # The issuer begins with ISSUER_BASE, so the operator chose its scheme.
    with _opener().open(url, timeout=_READ_SECONDS) as answer:
        body: bytes = answer.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        raise ValueError("the answer is too long")
    return body.decode()


class Question:
    """One request for the keys of an issuer, in a thread of its own."""

    def __init__(self, issuer: str, accept: Callable[[str], None]) -> None:
        """Ask; `accept` gets the answer, and raises ValueError when it is in another form."""
        self.fault: Exception | None = None
        self._issuer, self._accept = issuer, accept
        self._asked = time.monotonic()
        self._thread = threading.Thread(target=carried(self._ask), name="keys", daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Wait for the answer; False when there is none yet, or a fault."""
        self._thread.join(seconds)
        return not self._thread.is_alive() and self.fault is None

    @property
    def open(self) -> bool:
        """Whether an answer is still waited for."""
        return self._thread.is_alive() and time.monotonic() < self._asked + _GIVEN_UP_SECONDS

    def _ask(self) -> None:
        try:
            self._accept(key_set_of(self._issuer))
        except (OSError, HTTPException, ValueError) as fault:
            self.fault = fault
