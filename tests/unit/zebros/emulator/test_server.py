"""The emulator's server: requests as the application gets them, responses as clients get them."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import uvicorn

from zebros.emulator import server
from zebros.local import ports

type Scope = dict[str, Any]
type Answer = list[dict[str, Any]]

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}


class Served:
    """An application with prepared responses, served as the emulator is."""

    def __init__(self) -> None:
        self.port = ports.free_port()
        self.scopes: list[Scope] = []
        self.bodies: list[bytes] = []
        self.answer: Answer = [START, {"type": "http.response.body", "body": b"hello"}]

    async def app(self, scope: Scope, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] == "lifespan":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        body = b""
        while (message := await receive()) and message["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        self.scopes.append(scope)
        self.bodies.append(body)
        for message in self.answer:
            await send(message)

    def raw(self, request: bytes) -> bytes:
        """The complete response to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as client:
            client.sendall(request)
            return b"".join(iter(lambda: client.recv(65_536), b""))

    def get(self, path: str = "/", method: str = "GET") -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with closing(connection):
            connection.request(method, path)
            found = connection.getresponse()
            return found, found.read()


@pytest.fixture
def served(settings: Any) -> Iterator[Served]:
    made = Served()
    running = uvicorn.Server(server.config(made.app, made.port))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
    yield made
    running.should_exit = True
    thread.join(10)


def test_a_request_is_read(served: Served) -> None:
    answer = served.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n"
        b"Content-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nhello"
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    (scope,) = served.scopes
    assert (scope["method"], served.bodies) == ("POST", [b"hello"])
    assert (b"x-amz-target", b"DynamoDB_20120810.GetItem") in scope["headers"]


def test_a_body_in_chunks_is_read(served: Served) -> None:
    served.raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\n"
    )
    assert served.bodies == [b"hello"]


@pytest.mark.parametrize(
    "text",
    [
        b"GET",
        b"POST / HTTP/1.1\r\nContent-Length: five",
        b"GET / HTTP/1.1\r\nno colon",
    ],
)
def test_an_invalid_request_is_rejected(served: Served, text: bytes) -> None:
    assert served.raw(text + b"\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert served.scopes == []


def test_a_path_is_decoded_once(served: Served) -> None:
    served.get("/a%20b%2Fc?x=%20")
    (scope,) = served.scopes
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        "/a b/c",
        b"/a%20b%2Fc",
        b"x=%20",
    )


def test_an_answer_in_one_piece_has_its_length(served: Served) -> None:
    served.answer[0] = {**START, "headers": [(b"content-length", b"5")]}
    found, body = served.get()
    assert (found.status, found.reason, found.headers.items(), body) == (
        200,
        "OK",
        [("content-length", "5")],
        b"hello",
    ), "no header of the server's own"


def test_an_answer_in_pieces_is_chunked(served: Served) -> None:
    pieces = [
        {"type": "http.response.body", "body": part, "more_body": more}
        for part, more in ((b"hello", True), (b"", True), (b" you", False))
    ]
    served.answer = [START, *pieces]
    assert served.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").endswith(
        b"\r\n\r\n5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n"
    )


def test_the_answer_to_a_head_has_no_body(served: Served) -> None:
    served.answer[0] = {**START, "headers": [(b"content-length", b"5")]}
    found, body = served.get(method="HEAD")
    assert (found.headers["content-length"], body) == ("5", b"")


def test_a_status_without_a_name_is_sent(served: Served) -> None:
    served.answer[0] = {**START, "status": 299}
    assert served.get()[0].status == 299


FINDERS = ("_handle_pre_body_request", "_handle_special_data_plane_request")


@pytest.fixture
def asked(emulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The emulator's finders that are called for a request."""
    app = emulator("app")
    names: list[str] = []
    for name in FINDERS:

        async def find(*_: Any, name: str = name) -> None:
            names.append(name)

        monkeypatch.setattr(app, name, find)

    def ask(path: str, headers: dict[str, str]) -> list[str]:
        names.clear()
        for name in FINDERS:
            asyncio.run(getattr(app, name)("POST", path, headers))
        return names

    return ask


TARGET = {"x-amz-target": "DynamoDB_20120810.GetItem"}


def test_every_data_plane_is_tried_for_a_request_when_unpatched(asked: Any) -> None:
    assert asked("/", TARGET) == list(FINDERS)


def test_a_request_that_names_its_service_goes_directly_to_it(asked: Any, patched: Any) -> None:
    with patched(server.apply):
        assert asked("/", TARGET) == []


def test_a_target_in_another_place_names_no_service(asked: Any, patched: Any) -> None:
    with patched(server.apply):
        assert asked("/bucket/key", TARGET) == list(FINDERS)
        assert asked("/", {}) == list(FINDERS)
