"""A lean HTTP/1.1 front for the emulator.

Stock cost, not fault: of the time a small request takes, half goes into the general HTTP server (a
pure-Python parser, six events and two writes a request). Twenty thousand events make a hundred
thousand requests, on two cores that have other work.

Mended: a plain request (HTTP/1.1, no body or one of known length) is read and answered here, with
one write. Connections that begin anything else (an upgrade to WebSocket, chunked bodies, HTTP/2)
are handed to the general server as they are.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import hypercorn.asyncio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config

from zebros.emulator.seams import replace

_HEAD_BYTES = 65_536
_GRACE_S = 3.0
_log = logging.getLogger("server")

type Headers = list[tuple[bytes, bytes]]
type Respond = Callable[["Request"], Awaitable[tuple[int, Headers, bytes] | None]]


@dataclass(slots=True)
class Request:
    """The head of a request that is plain."""

    method: str
    target: bytes
    headers: Headers
    length: int
    close: bool
    expects: bool
    operation: bytes
    """X-Amz-Target, when the request could be a call of an AWS JSON service."""
    body: bytes = b""

    def scope(self, client: tuple[str, int]) -> dict[str, Any]:
        """As ASGI 3.0 describes a request."""
        raw, _, query = self.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.method,
            "scheme": "http",
            "path": unquote(raw.decode("ascii", "replace")),
            "raw_path": raw,
            "query_string": query,
            "root_path": "",
            "headers": self.headers,
            "client": client,
            "server": None,
        }


def parsed(head: bytes) -> Request | None:
    """The request of a head without its empty line; None when it is not a plain one."""
    first, *lines = head.split(b"\r\n")
    pieces = first.split(b" ")
    if len(pieces) != 3 or pieces[2] != b"HTTP/1.1" or not pieces[1].startswith(b"/"):
        return None
    request = Request(pieces[0].decode("ascii", "replace"), pieces[1], [], 0, False, False, b"")
    encoded = False
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name[0] in b" \t" or name[-1] in b" \t":
            return None
        name, value = name.lower(), value.strip()
        request.headers.append((name, value))
        if name == b"content-length":
            if not value.isdigit():
                return None
            request.length = int(value)
        elif name in (b"transfer-encoding", b"upgrade", b"http2-settings"):
            return None
        elif name == b"connection":
            request.close = b"close" in value.lower()
        elif name == b"expect":
            request.expects = value.lower() == b"100-continue"
        elif name == b"content-encoding":
            encoded = True
        elif name == b"x-amz-target":
            request.operation = value
    if encoded or request.method != "POST" or request.target != b"/":
        request.operation = b""
    return request


class Connection(asyncio.Protocol):
    """One client's connection: a request at a time."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._buffer = bytearray()
        self._request: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._gone: asyncio.Future[None] = server.loop.create_future()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._may_write.set()
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._task is None:
            self._advance()

    def close(self) -> None:
        """Close after what is being answered."""
        if self._task is None:
            self._transport.close()

    @property
    def busy(self) -> asyncio.Task[None] | None:
        """The answer being made."""
        return self._task

    def _advance(self) -> None:
        """Take the next request out of what was received, once it is whole."""
        request = self._request
        if request is None:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                if len(self._buffer) > _HEAD_BYTES or self._buffer.startswith(b"PRI "):
                    self._hand_over()
                return
            request = parsed(bytes(self._buffer[:end]))
            if request is None:
                self._hand_over()
                return
            del self._buffer[: end + 4]
            self._request = request
            if request.expects and len(self._buffer) < request.length:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(self._buffer) < request.length:
            return
        request.body = bytes(self._buffer[: request.length])
        del self._buffer[: request.length]
        self._request = None
        self._task = self._server.loop.create_task(self._respond(request))

    async def _respond(self, request: Request) -> None:
        try:
            answer = await self._server.direct(request) if request.operation else None
            if answer is not None:
                self._write(request, *answer)
            else:
                await self._server.app(
                    request.scope(self._transport.get_extra_info("peername") or ("127.0.0.1", 0)),
                    self._receiver(request),
                    Sender(self, request).send,
                )
        except Exception:
            _log.exception("%s %s", request.method, request.target)
            self._transport.close()
        finally:
            self._task = None
        if request.close or self._server.closing:
            self._transport.close()
        elif self._buffer:
            self._advance()

    def _receiver(self, request: Request) -> Callable[[], Awaitable[dict[str, Any]]]:
        given = False

        async def receive() -> dict[str, Any]:
            nonlocal given
            if given:
                await asyncio.shield(self._gone)
                return {"type": "http.disconnect"}
            given = True
            return {"type": "http.request", "body": request.body, "more_body": False}

        return receive

    def _write(self, request: Request, status: int, headers: Headers, body: bytes) -> None:
        if request.method == "HEAD" or status in (204, 304):
            body = b""
        self._transport.write(head(status, headers) + body)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._transport.write(data)

    async def drained(self) -> None:
        """When the client keeps up."""
        await self._may_write.wait()

    def _hand_over(self) -> None:
        """Let the general server have the connection, from the first byte we did not answer."""
        reader = asyncio.StreamReader(loop=self._server.loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=self._server.loop)
        self._transport.set_protocol(protocol)
        self._server.connections.discard(self)
        protocol.connection_made(self._transport)
        reader.feed_data(bytes(self._buffer))
        writer = asyncio.StreamWriter(self._transport, protocol, reader, self._server.loop)
        self._server.general(reader, writer)


class Sender:
    """The `send` of one ASGI response: one write when it comes in one piece."""

    def __init__(self, connection: Connection, request: Request) -> None:
        self._connection, self._request = connection, request
        self._status = 0
        self._headers: Headers = []
        self._begun = self._chunked = False

    async def send(self, message: dict[str, Any]) -> None:
        """Take one ASGI message."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message.get("headers", []))
            return
        body, more = message.get("body", b""), message.get("more_body", False)
        empty = self._request.method == "HEAD" or self._status in (204, 304)
        sized = any(name.lower() == b"content-length" for name, _ in self._headers)
        begun, piece = self._begun, b"" if empty else body
        if not begun:
            self._begun = True
            if not sized and more and not empty:
                self._chunked = True
                self._headers.append((b"transfer-encoding", b"chunked"))
            elif not sized and not empty:
                self._headers.append((b"content-length", b"%d" % len(body)))
        if self._chunked:
            piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            piece += b"" if more else b"0\r\n\r\n"
        self._connection.write(piece if begun else head(self._status, self._headers) + piece)
        if more:
            await self._connection.drained()


def head(status: int, headers: Headers) -> bytes:
    """Status line and headers."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {status} {phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Server:
    """Listens, until TERM or Ctrl-C."""

    def __init__(self, app: Any, config: Config, direct: Respond) -> None:
        self.app, self.direct = app, direct
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.closing = False
        self._config = config
        self._context = WorkerContext(None)
        self._handed: set[asyncio.Task[None]] = set()

    def general(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection by the general server."""

        async def serve_it() -> None:
            await TCPServer(
                ASGIWrapper(self.app),
                self.loop,
                self._config,
                self._context,
                {},
                reader,
                writer,
            )

        task = self.loop.create_task(serve_it())
        self._handed.add(task)
        task.add_done_callback(self._handed.discard)

    async def run(self) -> None:
        """Start the application, listen, and stop both in order."""
        lifespan = Lifespan(ASGIWrapper(self.app), self._config, self.loop, {})
        living = self.loop.create_task(lifespan.handle_lifespan())
        await lifespan.wait_for_startup()
        if living.done() and (fault := living.exception()) is not None:
            raise fault
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, told.set)
        host, _, port = self._config.bind[0].rpartition(":")
        server = await self.loop.create_server(
            lambda: Connection(self), host, int(port), backlog=1024
        )
        await told.wait()
        self.closing = True
        server.close()
        await self._context.terminated.set()
        for connection in list(self.connections):
            connection.close()
        busy = [one.busy for one in self.connections if one.busy] + list(self._handed)
        if busy:
            await asyncio.wait(busy, timeout=_GRACE_S)
        await lifespan.wait_for_shutdown()
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living


def apply(direct: Respond) -> None:
    """Serve by our server; `direct` answers requests whose service needs no finding out."""

    async def serve(app: Any, config: Config) -> None:
        await Server(app, config, direct).run()

    replace(hypercorn.asyncio, "serve", serve)
