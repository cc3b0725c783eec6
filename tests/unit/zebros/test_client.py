"""The client sends one request until it is answered, and never does the work twice."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from zebros.client.api import Client, GivenToken
from zebros.errors import BadInput, NotReady, Refused

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler, slept: list[float] | None = None) -> Client:
    return Client(
        "https://crm.test/v1/",
        GivenToken("secret"),
        transport=httpx.MockTransport(handler),
        sleep=(slept if slept is not None else []).append,
    )


def answers(*statuses: int, headers: dict[str, str] | None = None) -> tuple[Handler, list[str]]:
    """A server that answers with these statuses in turn, and the keys it was sent."""
    waiting, keys = list(statuses), list[str]()

    def handler(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers.get("Idempotency-Key", ""))
        status = waiting.pop(0)
        if status >= 400:
            return httpx.Response(status, headers=headers, json={"title": "No", "status": status})
        return httpx.Response(status, json={"ok": True})

    return handler, keys


def test_a_request_is_signed_in_and_traceable() -> None:
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


def test_a_path_may_bring_its_own_query() -> None:
    seen: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return httpx.Response(200, json={})

    client(handler).request("GET", "/accounts?name_prefix=Me&limit=2")
    assert seen == ["https://crm.test/v1/accounts?name_prefix=Me&limit=2"]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_post_is_repeated_with_its_key_until_it_is_answered(status: int) -> None:
    handler, keys = answers(status, status, 201)
    assert client(handler).post("/accounts", {"name": "A"}) == {"ok": True}
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert keys[0]


def test_two_posts_are_two_requests() -> None:
    handler, keys = answers(201, 201)
    crm = client(handler)
    crm.post("/accounts", {"name": "A"})
    crm.post("/accounts", {"name": "A"})
    assert keys[0] != keys[1]


def test_a_change_is_repeated_only_where_it_was_surely_not_carried_out() -> None:
    handler, _ = answers(503, 200)
    assert client(handler).request("PATCH", "/accounts/1", body={"name": "B"}).status == 200
    handler, keys = answers(500, 200)
    with pytest.raises(Refused):
        client(handler).request("PATCH", "/accounts/1", body={"name": "B"})
    assert len(keys) == 1


def test_a_post_whose_answer_is_not_stored_yet_is_asked_for_again() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(1)
        if len(tried) < 3:
            slug = "urn:zebros:problem:idempotency-key-in-use"
            return httpx.Response(409, json={"type": slug, "title": "Conflict", "status": 409})
        return httpx.Response(201, json={"id": "1"})

    tried: list[int] = []
    assert client(handler).post("/accounts", {}) == {"id": "1"}


def test_any_other_conflict_is_final() -> None:
    handler, keys = answers(409)
    with pytest.raises(Refused):
        client(handler).post("/accounts", {})
    assert len(keys) == 1


def test_the_server_says_how_long_to_wait_and_patience_has_an_end() -> None:
    handler, keys = answers(*[429] * 6, headers={"Retry-After": "3"})
    slept: list[float] = []
    with pytest.raises(Refused) as refused:
        client(handler, slept).post("/accounts", {})
    assert refused.value.status == 429
    assert slept == [3.0] * 5
    assert len(keys) == 6


@pytest.mark.parametrize("asked", ["100000", "soon", "-5"])
def test_no_server_makes_us_wait_for_ever(asked: str) -> None:
    handler, _ = answers(503, 200, headers={"Retry-After": asked})
    slept: list[float] = []
    client(handler, slept).get("/accounts")
    assert 0 <= slept[0] <= 20


def test_nothing_listening_is_one_sentence() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(NotReady, match=r"Nothing answers at crm\.test\.") as silent:
        client(handler).get("/accounts")
    assert "zebros up" in silent.value.hint


def test_a_connection_broken_off_repeats_a_post_and_not_a_patch() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(request.method)
        raise httpx.RemoteProtocolError("bye", request=request)

    tried: list[str] = []
    with pytest.raises(NotReady, match="broke off the connection during POST"):
        client(handler).post("/accounts", {})
    with pytest.raises(NotReady):
        client(handler).request("PATCH", "/accounts/1", body={})
    assert tried == ["POST"] * 6 + ["PATCH"]


def test_a_list_is_followed_to_its_end() -> None:
    pages = {None: ([1, 2], "a"), "a": ([3], "b"), "b": ([], None)}

    def handler(request: httpx.Request) -> httpx.Response:
        items, cursor = pages[request.url.params.get("cursor")]
        assert request.url.params["limit"] == "200"
        return httpx.Response(200, json={"items": items, "next_cursor": cursor})

    assert list(client(handler).items("/accounts")) == [1, 2, 3]


def test_a_token_that_ran_out_is_renewed_once() -> None:
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
    with pytest.raises(Refused) as refused:
        crm.get("/accounts")
    assert tried == ["Bearer old", "Bearer new"] * 2
    assert "zebros token" in refused.value.hint


@pytest.mark.parametrize(
    ("body", "sentence"),
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
def test_every_refusal_reads_as_a_sentence(body: object, sentence: str) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        if isinstance(body, str):
            return httpx.Response(422, text=body)
        return httpx.Response(422, json=body)

    with pytest.raises(Refused) as refused:
        client(handler).post("/accounts", {})
    assert refused.value.sentence == sentence


def test_a_download_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    import http.server
    import threading

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert "Authorization" not in self.headers
            whole = self.path == "/whole"
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"0123456789" if whole else b"0123")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    crm = client(lambda _: httpx.Response(200))
    try:
        assert crm.download(f"{base}/whole", tmp_path / "a.pdf") == 10
        assert (tmp_path / "a.pdf").read_bytes() == b"0123456789"
        with pytest.raises(NotReady, match="broke off"):
            crm.download(f"{base}/cut", tmp_path / "b.pdf")
        for target in (tmp_path, tmp_path / "no" / "c.pdf", tmp_path / ("x" * 300)):
            with pytest.raises(BadInput, match="cannot be written: "):
                crm.download(f"{base}/whole", target)
        assert [one.name for one in tmp_path.iterdir()] == ["a.pdf"]
    finally:
        server.shutdown()
        server.server_close()
