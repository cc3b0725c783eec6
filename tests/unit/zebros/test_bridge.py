"""The forwarder that makes the platform reachable on the Docker bridge."""

import asyncio
import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from zebros.errors import NotReady
from zebros.local import bridge, containers

BRIDGE = "127.0.0.2"  # in place of docker0's address, which differs from the platform's


def test_without_docker_the_missing_bridge_is_reported() -> None:
    with pytest.raises(NotReady, match="no Docker bridge") as caught:
        bridge.address("nosuch0")
    assert "--bridge" in caught.value.hint


def test_the_address_of_an_interface_is_found() -> None:
    assert bridge.address("lo") == "127.0.0.1"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data.upper())
        await writer.drain()
    writer.close()


async def asked(host: str, port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(text)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def through_the_bridge() -> tuple[bytes, bytes]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    forwarding = asyncio.create_task(bridge.forward(BRIDGE, [port]))
    for _ in range(100):
        await asyncio.sleep(0.01)
        with suppress(OSError), socket.create_connection((BRIDGE, port), timeout=1):
            break
    first, second = await asyncio.gather(
        asked(BRIDGE, port, b"one"), asked(BRIDGE, port, b"two" * 100_000)
    )
    forwarding.cancel()
    with suppress(asyncio.CancelledError):
        await forwarding
    server.close()
    await server.wait_closed()
    return first, second


def test_connections_are_forwarded_in_both_directions() -> None:
    first, second = asyncio.run(through_the_bridge())
    assert (first, second) == (b"ONE", b"TWO" * 100_000)


class Functions:
    """Lambda, with one function."""

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "zebros-Docs-1"
        issuer = "http://127.0.0.1:2/realms/"
        return {
            "Environment": {"Variables": {"TABLE_NAME": "t-1", "SIZE": 5, "ISSUER_BASE": issuer}}
        }


def test_functions_in_containers_get_the_deployed_settings_at_the_bridges_address(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sam-env.json"
    reached = {
        "http://127.0.0.1:1": "http://172.17.0.1:1",
        "http://127.0.0.1:2/": "http://172.17.0.1:2/",
    }
    containers.write(file, {"Docs": "zebros-Docs-1"}, Functions(), reached)
    assert json.loads(file.read_text()) == {
        "Docs": {
            "TABLE_NAME": "t-1",
            "SIZE": "5",
            "ISSUER_BASE": "http://172.17.0.1:2/realms/",
            "AWS_ENDPOINT_URL": "http://172.17.0.1:1",
        }
    }
