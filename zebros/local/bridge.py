"""Forwards the platform's ports on the Docker bridge, for functions in containers.

A container of `sam local invoke` cannot reach 127.0.0.1 of the machine. `zebros up --bridge`
forwards the platform's ports from the address of docker0 only, so that they are not reachable from
other machines.
"""

import argparse
import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import psutil

from zebros.errors import NotReady

_CHUNK = 1 << 16

type Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def address(interface: str = "docker0") -> str:
    """The IPv4 address of Docker's bridge. Raises NotReady when there is none."""
    for entry in psutil.net_if_addrs().get(interface, []):
        if entry.family == socket.AF_INET:
            return entry.address
    raise NotReady(
        f"There is no Docker bridge ({interface}) on this machine.",
        hint="Start Docker, or leave --bridge out.",
    )


async def forward(host: str, ports: Sequence[int], to: str = "127.0.0.1") -> None:
    """Forward connections from `host`:port to `to`:port until cancelled."""
    servers = [await asyncio.start_server(_to(to, port), host, port) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def _to(host: str, port: int) -> Connected:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward_reader, onward_writer = await asyncio.open_connection(host, port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, onward_writer), _pump(onward_reader, writer))
        for end in (onward_writer, writer):
            with suppress(OSError):
                end.close()
                await end.wait_closed()

    return connected


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy data and then the end of the stream; the other direction stays open."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.write_eof()


def main(argv: Sequence[str] | None = None) -> None:
    """Forward connections until stopped."""
    options = argparse.ArgumentParser(prog="python -m zebros.local.bridge", description=__doc__)
    options.add_argument("--host", required=True, help="The address to listen on.")
    options.add_argument("--port", type=int, action="append", required=True)
    arguments = options.parse_args(argv)
    with suppress(KeyboardInterrupt):
        asyncio.run(forward(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
