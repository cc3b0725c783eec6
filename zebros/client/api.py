"""The HTTP client of the CRM's API: signs in, and retries what is safe to retry.

A GET, and a POST with its Idempotency-Key, can be sent again after a lost response or a 5xx. A
PATCH is only sent again when it was not carried out. An error response raises `ApiError`, no
response raises `NotReady`.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from ulid import ULID

from zebros.errors import ApiError, BadInput, NotReady

PAGE_SIZE = 200
"""The maximum number of items on one page of a list."""
_IDEMPOTENT = frozenset({"GET", "HEAD", "POST"})
"""Methods that can be sent twice; every POST has an Idempotency-Key."""
_LONGEST_WAIT_S = 20.0
_TIMEOUT_S = 100.0
"""The timeout of one response. API Gateway stops after 29 s; the local platform may take longer."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Tokens(Protocol):
    """A source of bearer tokens."""

    def current(self) -> str:
        """A token that is probably valid."""

    def renewed(self) -> str | None:
        """A new token after the current one was rejected; None when there is no other."""


@dataclass(frozen=True)
class StaticToken:
    """A fixed token, which cannot be renewed."""

    token: str

    def current(self) -> str:
        return self.token

    def renewed(self) -> str | None:
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """A response with a 2xx or 3xx status."""

    status: int
    headers: httpx.Headers
    body: Any
    """The parsed JSON; text when it is not JSON; None when it is empty."""


class Client:
    """A client of one API for one user. Threads may share it."""

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
        """Sent with every request; `events trace` finds the logs of a request by it."""
        self._tokens, self._attempts, self._sleep = tokens, attempts, sleep
        self._http = httpx.Client(
            transport=transport,
            timeout=httpx.Timeout(_TIMEOUT_S, connect=5.0),
            limits=httpx.Limits(max_connections=connections),
            # Requests to this machine must not go through a proxy.
            trust_env=urlsplit(base).hostname not in _LOOPBACK,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def get(self, path: str, **query: str | int | None) -> Any:
        """The body of the response to a GET; parameters that are None are left out."""
        return self.request("GET", path, query=query).body

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """The body of the response to a POST."""
        return self.request("POST", path, body=body, key=key).body

    def items(self, path: str, **query: str | int | None) -> Iterator[dict[str, Any]]:
        """Every item of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, **{"limit": PAGE_SIZE, **query, "cursor": cursor})
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
        """Send a request, with retries. Raises ApiError, or NotReady when there is no response.

        `body` is sent as JSON; str and bytes are sent as they are. `key` is the Idempotency-Key of
        a POST; by default each call has a new one, and with an empty one it has none.
        """
        sent = {"X-Correlation-Id": self.correlation_id, "Accept": "application/json"}
        if method == "POST" and key != "":
            sent["Idempotency-Key"] = key or str(ULID())
        arguments: dict[str, Any] = {}
        if query:  # httpx would replace the path's own query by an empty one
            arguments["params"] = {k: v for k, v in query.items() if v is not None}
        if isinstance(body, str | bytes):
            arguments["content"] = body
        elif body is not None:
            arguments["json"] = body
        if body is not None:
            merge = "application/merge-patch+json"
            sent["Content-Type"] = merge if method == "PATCH" else "application/json"
        url = self.base + "/" + path.lstrip("/")
        return self._send(method, url, path, sent | (headers or {}), arguments)

    def _send(
        self, method: str, url: str, path: str, headers: dict[str, str], arguments: dict[str, Any]
    ) -> Answer:
        token = self._tokens.current()
        renewed = False
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            headers["Authorization"] = f"Bearer {token}"
            try:
                response = self._http.request(method, url, headers=headers, **arguments)
            except httpx.TransportError as error:
                if last or not _is_retryable_failure(method, error):
                    raise self._no_response(method, path, error) from error
                self._sleep(_delay(attempt, None))
                continue
            if response.status_code == 401 and not renewed:
                renewed, fresh = True, self._tokens.renewed()
                if fresh is not None:
                    token = fresh
                    continue
            if response.is_success or response.is_redirect:
                return Answer(response.status_code, response.headers, _read(response))
            if last or not _is_retryable_response(method, response):
                raise ApiError(response.status_code, _problem(response), request=f"{method} {path}")
            self._sleep(_delay(attempt, response.headers.get("Retry-After")))
        raise AssertionError("the last attempt returns or raises")

    def download(self, url: str, target: Path) -> int:
        """Save the file of a presigned URL, without our token; returns its bytes, decompressed.

        The file gets its name when it is complete. Raises BadInput when it cannot be written.
        """
        part = target.with_name(target.name + ".part")
        written = 0
        trust = urlsplit(url).hostname not in _LOOPBACK
        try:
            with httpx.stream("GET", url, timeout=60.0, trust_env=trust) as response:
                if not response.is_success:
                    response.read()
                    raise ApiError(response.status_code, _problem(response), request="download")
                with part.open("wb") as file:
                    for chunk in response.iter_bytes(1 << 16):
                        written += file.write(chunk)
            part.replace(target)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise NotReady(
                "The download was interrupted.", hint="Run the command again."
            ) from error
        except OSError as error:
            raise BadInput(f"{target} cannot be written: {error.strerror or error}.") from error
        finally:
            with suppress(OSError):  # it may never have been created
                part.unlink(missing_ok=True)
        return written

    def upload(
        self,
        url: str,
        source: Path,
        headers: Mapping[str, str],
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Send a file to a presigned URL, without our token; `on_progress` gets the bytes so far.

        Raises BadInput when it cannot be read, and NotReady when the upload was interrupted.
        """

        def chunks() -> Iterator[bytes]:
            sent = 0
            with source.open("rb") as file:
                while chunk := file.read(1 << 16):
                    yield chunk
                    sent += len(chunk)
                    on_progress(sent)

        trust = urlsplit(url).hostname not in _LOOPBACK
        try:
            answer = httpx.put(
                url, content=chunks(), headers=dict(headers), timeout=60.0, trust_env=trust
            )
        except httpx.TransportError as error:
            raise NotReady("The upload was interrupted.", hint="Run the command again.") from error
        except OSError as error:
            raise BadInput(f"{source} cannot be read: {error.strerror or error}.") from error
        if not answer.is_success:
            raise ApiError(answer.status_code, _problem(answer), request="upload")

    def _no_response(self, method: str, path: str, error: httpx.TransportError) -> NotReady:
        host = urlsplit(self.base).netloc
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            message = f"Nothing answers at {host}"
        elif isinstance(error, httpx.TimeoutException):
            message = f"{host} took too long to answer {method} {path}"
        else:
            message = f"{host} closed the connection during {method} {path}"
        return NotReady(
            f"{message}.",
            hint="`zebros status` shows whether the CRM runs; `zebros up` starts it.",
        )


def _is_retryable_failure(method: str, error: httpx.TransportError) -> bool:
    """Whether a request without response can be sent again."""
    never_sent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    return never_sent or method in _IDEMPOTENT


def _is_retryable_response(method: str, response: httpx.Response) -> bool:
    """Whether the API asks for a retry, or one is safe and may succeed.

    With 429 and 503 the request was not carried out; API Gateway sends them without Retry-After.
    """
    if "Retry-After" in response.headers or response.status_code in (429, 503):
        return True
    return method in _IDEMPOTENT and response.is_server_error


def _delay(attempt: int, retry_after: str | None) -> float:
    """Seconds until the next attempt: as the API asks, else exponential with full jitter.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    if retry_after and (seconds := _seconds(retry_after)) > 0:
        return min(seconds, _LONGEST_WAIT_S)
    return random.uniform(0, min(_LONGEST_WAIT_S, 0.2 * 2**attempt))  # noqa: S311


def _seconds(retry_after: str) -> float:
    """The seconds of a Retry-After header (RFC 9110, 10.2.3); 0 when it has none."""
    with suppress(ValueError):
        return float(retry_after)
    with suppress(ValueError):
        return parsedate_to_datetime(retry_after).timestamp() - time.time()
    return 0.0


def _read(response: httpx.Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        return response.text


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The problem document; for another body, one with its status and text."""
    body = _read(response)
    if isinstance(body, dict):
        return body
    text = str(body or "").strip()
    title = f"HTTP {response.status_code} {response.reason_phrase}".strip()
    return {"title": title, **({"detail": text[:200]} if text and "<" not in text[:20] else {})}
