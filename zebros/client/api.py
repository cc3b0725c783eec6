"""The API's client: one request is one request, however often the network makes us send it.

Every POST carries an Idempotency-Key, so sending it again after a lost answer, a 429 or a 5xx
cannot do the work twice; GET is harmless anyway. A PATCH is sent again only where it surely was not
carried out. Answers that say no become `Refused`, a network that stays silent becomes `NotReady`.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from ulid import ULID

from zebros.errors import BadInput, NotReady, Refused

PAGE = 200
"""Items a list answers at most."""
_SERVER_SHOULD_RECOVER = frozenset({429, 500, 502, 503, 504})
_NOT_CARRIED_OUT = frozenset({429, 503})
_KEY_IN_USE = "idempotency-key-in-use"
_LONGEST_WAIT_S = 20.0
_PATIENCE_S = 100.0
"""For one answer. API Gateway gives up after 29 s by itself; a busy laptop may take longer."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Tokens(Protocol):
    """Where bearer tokens come from."""

    def current(self) -> str:
        """A token that should be valid."""

    def renewed(self) -> str | None:
        """Another token after the current one was refused; None when there is no way to get one."""


@dataclass(frozen=True)
class GivenToken:
    """A token someone passed in: it cannot be renewed."""

    token: str

    def current(self) -> str:
        return self.token

    def renewed(self) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: any 2xx or 3xx."""

    status: int
    headers: httpx.Headers
    body: Any
    """The parsed JSON; text when the answer is not JSON; None when it is empty."""

    @property
    def etag(self) -> str | None:
        """The version of the record, as `If-Match` wants it."""
        tag: str | None = self.headers.get("ETag")
        return tag


class Client:
    """Talks to one API as one user. Safe to share between threads."""

    def __init__(
        self,
        base: str,
        tokens: Tokens,
        *,
        transport: httpx.BaseTransport | None = None,
        attempts: int = 6,
        sleep: Callable[[float], None] = time.sleep,
        connections: int = 16,
    ) -> None:
        self.base = base.rstrip("/")
        self.correlation_id = str(ULID())
        """One for all requests of this client: `events trace` finds them by it."""
        self._tokens, self._attempts, self._sleep = tokens, attempts, sleep
        self._http = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(_PATIENCE_S, connect=5.0),
            limits=httpx.Limits(max_connections=connections),
            # A proxy of the environment must not stand between us and our own machine.
            trust_env=urlsplit(base).hostname not in _LOOPBACK,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def get(self, path: str, **query: str | int | None) -> Any:
        """The body of a GET; parameters that are None are left out."""
        return self.request("GET", path, query=query).body

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The body of the answer to a POST."""
        return self.request("POST", path, body=body, key=key).body

    def items(self, path: str, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page, by following its cursors."""
        cursor: str | None = None
        while True:
            page = self.get(path, **{"limit": PAGE, **query, "cursor": cursor})
            yield from page["items"]
            cursor = page.get("next_cursor")
            if not cursor:
                return

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, str | int | None] | None = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> Answer:
        """Send one request until it is answered. Raises Refused (4xx, 5xx) or NotReady (silence).

        `body` is JSON to be; str and bytes are sent as they are. `key` is the Idempotency-Key of a
        POST; without it each call is a request of its own.
        """
        sent = {"X-Correlation-Id": self.correlation_id, "Accept": "application/json"}
        if method == "POST":
            sent["Idempotency-Key"] = key or str(ULID())
        arguments: dict[str, Any] = {}
        if query:  # httpx would put even an empty one in place of what the path says
            arguments["params"] = {k: v for k, v in query.items() if v is not None}
        if isinstance(body, str | bytes):
            arguments["content"] = body
        elif body is not None:
            arguments["json"] = body
        if body is not None:
            merge = "application/merge-patch+json"
            sent["Content-Type"] = merge if method == "PATCH" else "application/json"
        url = self.base + "/" + path.lstrip("/")
        return self._answered(method, url, path, sent | (headers or {}), arguments)

    def _answered(
        self, method: str, url: str, path: str, headers: dict[str, str], arguments: dict[str, Any]
    ) -> Answer:
        token = self._tokens.current()
        renewed = False
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            headers["Authorization"] = f"Bearer {token}"
            try:
                response = self._http.request(method, url, headers=headers, **arguments)
            except httpx.TransportError as fault:
                if last or not _may_repeat(method, fault):
                    raise self._silence(method, path, fault) from fault
                self._sleep(_pause(attempt, None))
                continue
            if response.status_code == 401 and not renewed:
                renewed, fresh = True, self._tokens.renewed()
                if fresh is not None:
                    token = fresh
                    continue
            if response.is_success or response.is_redirect:
                return Answer(response.status_code, response.headers, _read(response))
            refused = Refused(response.status_code, _problem(response), request=f"{method} {path}")
            if last or not _worth_repeating(method, refused):
                raise refused
            self._sleep(_pause(attempt, response.headers.get("Retry-After")))
        raise AssertionError("the last attempt returns or raises")

    def download(
        self, url: str, target: Path, *, on_bytes: Callable[[int], None] = lambda _: None
    ) -> int:
        """Save a presigned link, without our token (it carries its own signature); bytes written.

        The file appears under its name only when it is whole. Raises BadInput when it cannot be
        written.
        """
        part = target.with_name(target.name + ".part")
        written = 0
        trust = urlsplit(url).hostname not in _LOOPBACK
        try:
            with httpx.stream("GET", url, timeout=60.0, trust_env=trust) as response:
                if not response.is_success:
                    response.read()
                    raise Refused(response.status_code, _problem(response), request="download")
                with part.open("wb") as file:
                    for chunk in response.iter_bytes(1 << 16):
                        written += file.write(chunk)
                        on_bytes(len(chunk))
            part.replace(target)
        except httpx.TransportError as fault:
            raise NotReady("The download broke off.", hint="Run the command again.") from fault
        except OSError as fault:
            raise BadInput(f"{target} cannot be written: {fault.strerror or fault}.") from fault
        finally:
            with suppress(OSError):  # it could not even be made
                part.unlink(missing_ok=True)
        return written

    def _silence(self, method: str, path: str, fault: httpx.TransportError) -> NotReady:
        host = urlsplit(self.base).netloc
        if isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout):
            what = f"Nothing answers at {host}"
        elif isinstance(fault, httpx.TimeoutException):
            what = f"{host} took too long to answer {method} {path}"
        else:
            what = f"{host} broke off the connection during {method} {path}"
        return NotReady(
            f"{what}.", hint="`zebros status` says whether the CRM is up; `zebros up` starts it."
        )


def _may_repeat(method: str, fault: httpx.TransportError) -> bool:
    never_sent = isinstance(fault, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return never_sent or method in ("GET", "HEAD", "POST")


def _worth_repeating(method: str, refused: Refused) -> bool:
    if refused.status == 409:
        # Its first sending was carried out; the stored answer is about to be there.
        return refused.slug == _KEY_IN_USE
    if method in ("GET", "HEAD", "POST"):
        return refused.status in _SERVER_SHOULD_RECOVER
    return refused.status in _NOT_CARRIED_OUT


def _pause(attempt: int, retry_after: str | None) -> float:
    """Seconds until the next attempt: what the server asks for, else full jitter up to 2^n x 0.2 s.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    if retry_after:
        try:
            asked = float(retry_after)
        except ValueError:
            try:
                asked = parsedate_to_datetime(retry_after).timestamp() - time.time()
            except ValueError:
                asked = 0.0
        if asked > 0:
            return min(asked, _LONGEST_WAIT_S)
    return random.uniform(0, min(_LONGEST_WAIT_S, 0.2 * 2**attempt))  # noqa: S311


def _read(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return response.text


def _problem(response: httpx.Response) -> dict[str, Any]:
    body = _read(response)
    if isinstance(body, dict):
        return body
    text = str(body or "").strip()
    title = f"HTTP {response.status_code} {response.reason_phrase}".strip()
    return {"title": title, **({"detail": text[:200]} if text and "<" not in text[:20] else {})}
