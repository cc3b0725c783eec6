"""What the platform answers itself, under `/_zebros/`, before the emulator sees the request.

GET  /_zebros/health     which process answers here; ready for requests
GET  /_zebros/backlog    how much is still on its way: no streams and no queues means settled
POST /_zebros/snapshot   save the state now, and answer when it is on disk
"""

import asyncio
import json
import os
import time
from collections import Counter
from typing import Any

from zebros.emulator import mappings, sockets
from zebros.emulator.seams import module, replace
from zebros.emulator.settings import ACCOUNT, REGION
from zebros.emulator.snapshot import Snapshots
from zebros.emulator.streams import Stream

_PREFIX = "/_zebros/"


def apply(snapshots: Snapshots) -> None:
    """Stand in front of the emulator."""
    app = module("app")

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(_PREFIX):
            status, document = await _answer(scope["method"], path, snapshots)
            await _send(send, status, {}, json.dumps(document).encode())
        elif scope["type"] == "http" and path.startswith(sockets.PREFIX):
            body = await app._read_request_body(receive, scope["method"], {})
            await _send(send, *await sockets.connection(scope["method"], path, body))
        else:
            if scope["type"] == "http" and not path.startswith("/_ministack/"):
                snapshots.touch()
            await stock(scope, receive, send)

    stock = replace(app, "app", serve)


async def _send(send: Any, status: int, headers: dict[str, str], body: bytes) -> None:
    said = {"content-type": "application/json", **headers, "content-length": str(len(body))}
    lines = [(name.encode(), value.encode()) for name, value in said.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _answer(method: str, path: str, snapshots: Snapshots) -> tuple[int, dict[str, Any]]:
    if (method, path) == ("GET", _PREFIX + "health"):
        return 200, {"pid": os.getpid()}
    if (method, path) == ("GET", _PREFIX + "backlog"):
        return 200, backlog()
    if (method, path) == ("POST", _PREFIX + "snapshot"):
        saved = await asyncio.to_thread(snapshots.take)
        return (200 if saved else 500), {"saved": saved}
    return 404, {"error": f"There is no {method} {path}."}


def backlog() -> dict[str, Any]:
    """What is still to be done.

    streams     records that pass the filter of a table stream's mapping and were not dealt with
    queues      messages by queue name, visible or in flight; empty queues are left out
    delayed     messages by queue name sent for later, such as the question whether a gap is open
    executions  state machine executions that run
    """
    queues, flows = module("services.sqs"), module("services.stepfunctions")
    with module("core.responses").request_scope(ACCOUNT, REGION):
        streams = sum(one.outstanding() for one in _streams())
        waiting, delayed = Counter[str](), Counter[str]()
        now = time.time()
        for queue in list(queues._queues.values()):
            for one in list(queue["messages"]):
                later = one["visible_at"] > now and one["receive_count"] == 0
                (delayed if later else waiting)[queue["name"]] += 1
        running = sum(one.get("status") == "RUNNING" for one in flows._executions.values())
    return {
        "streams": streams,
        "queues": dict(sorted(waiting.items())),
        "delayed": dict(sorted(delayed.items())),
        "executions": running,
    }


def _streams() -> list[Stream]:
    return [one for one in list(mappings.running.values()) if isinstance(one, Stream)]
