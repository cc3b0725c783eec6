"""The lean front: which requests are plain, and what it makes of answers."""

import asyncio
import uuid
from typing import Any

import pytest

from zebros.emulator import ids
from zebros.emulator.server import Sender, head, parsed


def test_a_plain_request_is_read() -> None:
    request = parsed(
        b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n"
        b"Content-Length: 5\r\nExpect: 100-continue"
    )
    assert request is not None
    assert (request.method, request.length, request.expects, request.close) == (
        "POST",
        5,
        True,
        False,
    )
    assert request.operation == b"DynamoDB_20120810.GetItem"


def test_a_target_in_another_place_is_no_operation() -> None:
    for line in (b"GET / HTTP/1.1", b"POST /bucket/key HTTP/1.1"):
        request = parsed(line + b"\r\nX-Amz-Target: DynamoDB_20120810.GetItem")
        assert request is not None
        assert request.operation == b""


@pytest.mark.parametrize(
    "text",
    [
        b"GET / HTTP/1.0",
        b"GET /",
        b"PRI * HTTP/2.0",
        b"GET http://elsewhere/ HTTP/1.1",
        b"GET / HTTP/1.1\r\nUpgrade: websocket",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nContent-Length: five",
        b"GET / HTTP/1.1\r\nno colon",
        b"GET / HTTP/1.1\r\n folded: yes",
    ],
)
def test_anything_else_is_left_to_the_general_server(text: bytes) -> None:
    assert parsed(text) is None


def test_a_path_is_decoded_once() -> None:
    request = parsed(b"GET /a%20b%2Fc?x=%20 HTTP/1.1")
    assert request is not None
    scope = request.scope(("127.0.0.1", 1))
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        "/a b/c",
        b"/a%20b%2Fc",
        b"x=%20",
    )


class Written:
    def __init__(self) -> None:
        self.data: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.data.append(data)

    async def drained(self) -> None:
        return


def sent(method: str, *messages: dict[str, Any]) -> list[bytes]:
    written = Written()
    request = parsed(f"{method} / HTTP/1.1".encode())
    assert request is not None
    sender = Sender(written, request)  # type: ignore[arg-type]

    async def send() -> None:
        for message in messages:
            await sender.send(message)

    asyncio.run(send())
    return written.data


START = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}


def test_an_answer_in_one_piece_is_one_write() -> None:
    body = {"type": "http.response.body", "body": b"hello"}
    expected = b"HTTP/1.1 200 OK\r\na: b\r\ncontent-length: 5\r\n\r\nhello"
    assert sent("GET", START, body) == [expected]


def test_an_answer_in_pieces_is_chunked() -> None:
    pieces = [
        {"type": "http.response.body", "body": part, "more_body": more}
        for part, more in ((b"hello", True), (b"", True), (b" you", False))
    ]
    assert b"".join(sent("GET", START, *pieces)) == (
        b"HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n"
    )


def test_the_answer_to_a_head_has_no_body() -> None:
    start = {**START, "headers": [(b"content-length", b"5")]}
    (data,) = sent("HEAD", start, {"type": "http.response.body", "body": b"hello"})
    assert data.endswith(b"content-length: 5\r\n\r\n")


def test_a_status_without_a_name_is_sent() -> None:
    assert head(299, []).startswith(b"HTTP/1.1 299 \r\n")


def test_identifiers_are_random_uuids_without_a_system_call(
    emulator: Any, mended: Any, monkeypatch: Any
) -> None:
    responses = emulator("core.responses")
    asked = 0

    def counted(size: int) -> bytes:
        nonlocal asked
        asked += 1
        return bytes(range(size))

    with mended(ids.apply):
        monkeypatch.setattr("os.urandom", counted)
        made = [responses.new_uuid() for _ in range(1_000)]
        others = [str(uuid.uuid4()) for _ in range(1_000)]
        monkeypatch.undo()
    assert len({*made, *others}) == 2_000
    assert all(uuid.UUID(one).version == 4 for one in made + others)
    assert all(str(uuid.UUID(one)) == one for one in made)
    assert asked == 0
