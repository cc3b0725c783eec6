"""Serving the emulator: uvicorn with httptools in place of hypercorn.

Stock cost, not fault: half of the time of a small request goes into a pure-Python HTTP parser, and
every request is offered to some thirty data planes before the service that its X-Amz-Target names
is asked. A thousand wins make some twenty thousand requests on two cores.

Fix: uvicorn parses in C, and a request with an X-Amz-Target goes to its service at once. The
figures are in docs/adr/0010-uvicorn-serves-the-platform.md.
"""

import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from zebros.emulator.seams import module, replace
from zebros.emulator.settings import HOST, Settings

_KEEP_ALIVE_S = 75
"""As stock: longer than the clients keep a connection that is idle."""
_GRACE_S = 3
"""How long requests may take to end when the platform stops."""
started = threading.Event()
"""Set when requests are accepted: a function called earlier would find nobody listening."""

type Finding = Callable[..., Awaitable[Any]]


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        started.set()


def apply() -> None:
    """Send requests that name their service straight to it."""
    app = module("app")

    def unless_named(stock: Finding) -> Finding:
        async def find(
            method: str, path: str, headers: dict[str, str], *given: Any, **more: Any
        ) -> Any:
            if path == "/" and "x-amz-target" in headers:
                return None
            return await stock(method, path, headers, *given, **more)

        return find

    for name in (
        "_handle_pre_body_request",
        "_handle_post_body_shortcuts",
        "_handle_special_data_plane_request",
    ):
        replace(app, name, unless_named(getattr(app, name)))


def run(settings: Settings) -> None:
    """Serve until TERM or Ctrl-C; exit with a sentence when the port is taken."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again when it has stopped; the exit handlers must still run.
        signal.signal(number, lambda *_: sys.exit())
    _Server(config(module("app").app, settings.port)).run()


def config(app: Any, port: int) -> uvicorn.Config:
    """How the platform is served; the emulator writes all headers itself."""
    return uvicorn.Config(
        app,
        host=HOST,
        port=port,
        http="httptools",
        ws="websockets-sansio",
        loop="asyncio",
        interface="asgi3",
        proxy_headers=False,
        log_level="warning",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
