"""Serves the emulator with uvicorn and httptools instead of hypercorn.

Without this patch: half of the time of a small request is spent in a pure-Python HTTP parser, and
every request is offered to about thirty data planes before the service that its X-Amz-Target names.
A thousand won opportunities cause about twenty thousand requests on two cores.

Fix: uvicorn parses in C, and a request with an X-Amz-Target goes directly to its service. The
figures are in docs/adr/0010-uvicorn-serves-the-platform.md.
"""

import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from zebros.emulator.patching import module, replace
from zebros.emulator.settings import HOST, Settings

_KEEP_ALIVE_S = 75
"""The value of the unpatched emulator; it is longer than clients keep an idle connection."""
_GRACE_S = 3
"""Seconds for running requests when the platform stops."""
started = threading.Event()
"""Set when requests are accepted; functions must not be invoked before."""

type Finding = Callable[..., Awaitable[Any]]


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        started.set()


def apply() -> None:
    """Send requests that name their service directly to it."""
    app = module("app")

    def unless_named(original: Finding) -> Finding:
        async def find(
            method: str, path: str, headers: dict[str, str], *arguments: Any, **more: Any
        ) -> Any:
            if path == "/" and "x-amz-target" in headers:
                return None
            return await original(method, path, headers, *arguments, **more)

        return find

    for name in (
        "_handle_pre_body_request",
        "_handle_post_body_shortcuts",
        "_handle_special_data_plane_request",
    ):
        replace(app, name, unless_named(getattr(app, name)))


def run(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C; exit with a message when the port is in use."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after it has stopped, but the exit handlers must run.
        signal.signal(number, lambda *_: sys.exit())
    _Server(config(module("app").app, settings.port)).run()


def config(app: Any, port: int) -> uvicorn.Config:
    """The configuration of uvicorn; the emulator itself writes all headers."""
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
