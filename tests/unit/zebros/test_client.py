"""The client retries requests without having them carried out twice."""

import gzip
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from zebros.client.api import Client, StaticToken
from zebros.errors import ApiError, BadInput, NotReady

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, delays: list[float] | None = None) -> Client:
    return Client(
        "https://crm.test/v1/",
        StaticToken("secret"),
        transport=httpx.MockTransport(handler),
        sleep=(delays if delays is not None else []).append,
    )


def answers(*statuses: int, headers: dict[str, str] | None = None) -> tuple[Handler, list[str]]:
    """An API that answers with these statuses in turn, and the keys it received."""
    waiting, keys = list(statuses), list[str]()

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers.get("Idempotency-Key", ""))
        status = waiting.pop(0)
        if status >= 400:
            return httpx.Response(status, headers=headers, json={"title": "No", "status": status})
        return httpx.Response(status, json={"ok": True})

    return handler, keys


def test_a_request_has_a_token_and_a_correlation_id() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"items": []})

    crm = client(handler)
    crm.get("/accounts", name_prefix="A & B", cursor=None)
    assert str(seen[0].url) == "https://crm.test/v1/accounts?name_prefix=A+%26+B"
    assert seen[0].headers["Authorization"] == "Bearer secret"
    assert seen[0].headers["X-Correlation-Id"] == crm.correlation_id
    assert "Idempotency-Key" not in seen[0].headers


def test_a_path_may_have_a_query() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={})

    client(handler).request("GET", "/accounts?name_prefix=Me&limit=2")
    assert seen == ["https://crm.test/v1/accounts?name_prefix=Me&limit=2"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_post_is_sent_again_with_its_key(status: int) -> None:
    handler, keys = answers(status, status, 201)
    assert client(handler).post("/accounts", {"name": "A"}) == {"ok": True}
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]


def test_a_patch_is_sent_again_when_the_response_has_retry_after() -> None:
    tried: list[int] = []

    def handler(_request: httpx.Request) -> httpx.Response:
        tried.append(1)
        status, headers = (409, {"Retry-After": "1"}) if len(tried) == 1 else (200, {})
        return httpx.Response(status, json={}, headers=headers)

    assert client(handler).request("PATCH", "/accounts/1", body={}).status == 200
    assert len(tried) == 2


def test_two_posts_have_different_keys() -> None:
    handler, keys = answers(201, 201)
    crm = client(handler)
    crm.post("/accounts", {"name": "A"})
    crm.post("/accounts", {"name": "A"})
    assert keys[0] != keys[1]


def test_a_patch_is_sent_again_only_when_it_was_not_carried_out() -> None:
    handler, _ = answers(503, 200)
    assert client(handler).request("PATCH", "/accounts/1", body={"name": "B"}).status == 200
    handler, keys = answers(500, 200)
    with pytest.raises(ApiError):
        client(handler).request("PATCH", "/accounts/1", body={"name": "B"})
    assert len(keys) == 1


def test_a_request_is_sent_again_when_the_response_has_retry_after() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(1)
        if len(tried) < 3:
            problem = {"title": "Conflict", "status": 409}
            return httpx.Response(409, json=problem, headers={"Retry-After": "1"})
        return httpx.Response(201, json={"id": "1"})

    tried: list[int] = []
    assert client(handler).post("/accounts", {}) == {"id": "1"}


def test_a_conflict_without_retry_after_is_final() -> None:
    handler, keys = answers(409)
    with pytest.raises(ApiError):
        client(handler).post("/accounts", {})
    assert len(keys) == 1


def test_the_delay_is_that_of_retry_after_and_attempts_are_limited() -> None:
    handler, keys = answers(*[429] * 6, headers={"Retry-After": "3"})
    delays: list[float] = []
    with pytest.raises(ApiError) as rejected:
        client(handler, delays).post("/accounts", {})
    assert rejected.value.status == 429
    assert delays == [3.0] * 5
    assert len(keys) == 6


@pytest.mark.parametrize("retry_after", ["100000", "soon", "-5"])
def test_a_delay_is_limited(retry_after: str) -> None:
    handler, _ = answers(503, 200, headers={"Retry-After": retry_after})
    delays: list[float] = []
    client(handler, delays).get("/accounts")
    assert 0 <= delays[0] <= 20


def test_an_api_that_does_not_run_is_reported() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("rejected", request=request)

    with pytest.raises(NotReady, match=r"Nothing answers at crm\.test\.") as silent:
        client(handler).get("/accounts")
    assert "zebros up" in silent.value.hint


def test_a_closed_connection_repeats_a_post_but_not_a_patch() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(request.method)
        raise httpx.RemoteProtocolError("bye", request=request)

    tried: list[str] = []
    with pytest.raises(NotReady, match="closed the connection during POST"):
        client(handler).post("/accounts", {})
    with pytest.raises(NotReady):
        client(handler).request("PATCH", "/accounts/1", body={})
    assert tried == ["POST"] * 6 + ["PATCH"]


def test_all_pages_of_a_list_are_read() -> None:
    pages = {None: ([1, 2], "a"), "a": ([3], "b"), "b": ([], None)}

    def handler(request: httpx.Request) -> httpx.Response:
        items, cursor = pages[request.url.params.get("cursor")]
        assert request.url.params["limit"] == "200"
        return httpx.Response(200, json={"items": items, "next_cursor": cursor})

    assert list(client(handler).items("/accounts")) == [1, 2, 3]


def test_an_expired_token_is_renewed_once() -> None:
    class Tokens:
        def current(self) -> str:
            return "old"

        def renewed(self) -> str:
            return "new"

    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(request.headers["Authorization"])
        good = tried[-1] == "Bearer new" and not broken
        return httpx.Response(200 if good else 401, json={"title": "Not signed in"})

    tried: list[str] = []
    broken: list[int] = []
    crm = Client("http://crm.test", Tokens(), transport=httpx.MockTransport(handler))
    assert crm.get("/accounts") == {"title": "Not signed in"}
    broken.append(1)
    with pytest.raises(ApiError) as rejected:
        crm.get("/accounts")
    assert tried == ["Bearer old", "Bearer new"] * 2
    assert "zebros token" in rejected.value.hint


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"title": "Invalid request", "detail": "name is required", "status": 422},
            "POST /accounts: Invalid request. name is required (422).",
        ),
        (
            {
                "title": "Invalid request",
                "detail": "two fields are wrong",
                "errors": [{"field": "name", "message": "is required"}],
            },
            "POST /accounts: Invalid request. two fields are wrong: name is required (422).",
        ),
        ({"message": "Forbidden"}, "POST /accounts: Forbidden (422)."),
        ("<html>oops</html>", "POST /accounts: HTTP 422 Unprocessable Entity (422)."),
        ("", "POST /accounts: HTTP 422 Unprocessable Entity (422)."),
    ],
)
def test_every_error_response_has_a_message(body: object, message: str) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        if isinstance(body, str):
            return httpx.Response(422, text=body)
        return httpx.Response(422, json=body)

    with pytest.raises(ApiError) as rejected:
        client(handler).post("/accounts", {})
    assert rejected.value.message == message


def test_a_file_is_downloaded_completely_or_not_at_all(tmp_path: Path) -> None:
    import http.server
    import threading

    packed = gzip.compress(b"0123456789" * 10_000)

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "Authorization" not in self.headers
            encoded = self.path.endswith(".gz")
            body = packed if self.path == "/complete.gz" else b"0123456789"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            if encoded:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(body[:4] if self.path == "/cut" else body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    crm = client(lambda _: httpx.Response(200))
    try:
        assert crm.download(f"{base}/complete", tmp_path / "a.pdf") == 10
        assert (tmp_path / "a.pdf").read_bytes() == b"0123456789"
        assert crm.download(f"{base}/complete.gz", tmp_path / "a.csv") == 100_000
        assert (tmp_path / "a.csv").read_bytes() == b"0123456789" * 10_000
        for broken in ("cut", "not.gz"):
            with pytest.raises(NotReady, match="was interrupted"):
                crm.download(f"{base}/{broken}", tmp_path / "b.pdf")
        for target in (tmp_path, tmp_path / "no" / "c.pdf", tmp_path / ("x" * 300)):
            with pytest.raises(BadInput, match="cannot be written: "):
                crm.download(f"{base}/complete", target)
        assert sorted(one.name for one in tmp_path.iterdir()) == ["a.csv", "a.pdf"]
    finally:
        server.shutdown()
        server.server_close()
