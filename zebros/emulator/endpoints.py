"""The platform's own endpoints under `/_zebros/`, handled before the emulator's.

GET  /_zebros/health     the process id; answers as soon as requests are accepted
GET  /_zebros/backlog    the unfinished work; without streams and queues everything is processed
POST /_zebros/snapshot   save the state, and answer when it is on disk
     /_zebros/faults     faults that are injected (faults.py)
     /_zebros/replicas   replicas of tables in another region (replicas.py)
"""

import asyncio
import json
import os
import time
from collections import Counter
from typing import Any
from urllib.parse import parse_qs

from zebros.emulator import mappings, replicas, sockets
from zebros.emulator.faults import Faults, WrongRule
from zebros.emulator.patching import module, replace
from zebros.emulator.replicas import Replicas
from zebros.emulator.settings import ACCOUNT
from zebros.emulator.snapshot import Snapshots

_PREFIX = "/_zebros/"
_SOON_S = 5
"""A message that a consumer has sent again returns after a second; gap checks after a minute."""


def apply(snapshots: Snapshots, replicated: Replicas) -> None:
    """Handle these requests before the emulator."""
    app = module("app")
    faults = Faults()

    async def serve(scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not path.startswith((_PREFIX, sockets.PREFIX)):
            if scope["type"] == "http" and not path.startswith("/_ministack/"):
                snapshots.touch()
                await faults.serve(original, scope, receive, send)
            else:
                await original(scope, receive, send)
        elif path == f"{_PREFIX}faults":
            body = await app._read_request_body(receive, scope["method"], {})
            status, document = _set_faults(faults, scope["method"], body)
            await _respond(app, send, status, document)
        elif path.startswith(f"{_PREFIX}replicas"):
            body = await app._read_request_body(receive, scope["method"], {})
            query = parse_qs(scope.get("query_string", b"").decode())
            if not path.endswith("/reads"):
                snapshots.touch()
            asked = (scope["method"], path.removeprefix(_PREFIX), query, body)
            await _respond(app, send, *replicas.answer(replicated, *asked))
        elif path.startswith(_PREFIX):
            answered = await _answer(scope["method"], path, snapshots, replicated.region)
            await _respond(app, send, *answered)
        else:
            body = await app._read_request_body(receive, scope["method"], {})
            answer = await sockets.connection(scope["method"], path, body)
            await app._send_response(send, *answer)

    original = replace(app, "app", serve)


async def _respond(app: Any, send: Any, status: int, document: dict[str, Any]) -> None:
    headers = {"content-type": "application/json"}
    await app._send_response(send, status, headers, json.dumps(document))


def _set_faults(faults: Faults, method: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Show, replace or remove the faults that are injected."""
    try:
        match method:
            case "PUT":
                faults.set(json.loads(body))
            case "DELETE":
                faults.set({"rules": []})
            case "GET":
                pass
            case _:
                return 405, {"error": "The methods are GET, PUT and DELETE."}
    except ValueError as fault:
        reason = str(fault) if isinstance(fault, WrongRule) else "the body is not JSON"
        return 422, {"error": f"{reason}; nothing was changed."}
    return 200, faults.document()


async def _answer(
    method: str, path: str, snapshots: Snapshots, region: str
) -> tuple[int, dict[str, Any]]:
    match method, path.removeprefix(_PREFIX):
        case "GET", "health":
            return 200, {"pid": os.getpid()}
        case "GET", "backlog":
            return 200, backlog(region)
        case "POST", "snapshot":
            saved = await asyncio.to_thread(snapshots.take)
            return (200 if saved else 500), {"saved": saved}
    return 404, {"error": f"There is no {method} {path}."}


def backlog(region: str) -> dict[str, Any]:
    """The unfinished work.

    streams     unprocessed records that pass the filter of a table stream's mapping
    queues      messages by queue name, visible, in flight or visible within seconds, such as those
                of a record with many writers; empty queues are omitted
    delayed     messages that are delayed for longer by queue name, such as gap checks
    executions  running state machine executions
    """
    queues, flows = module("services.sqs"), module("services.stepfunctions")
    with module("core.responses").request_scope(ACCOUNT, region):
        streams = sum(one.outstanding() for one in list(mappings.running.values()))
        waiting, delayed = Counter[str](), Counter[str]()
        now = time.time()
        for queue in list(queues._queues.values()):
            for message in list(queue["messages"]):
                later = message["visible_at"] > now + _SOON_S and message["receive_count"] == 0
                (delayed if later else waiting)[queue["name"]] += 1
        running = sum(one.get("status") == "RUNNING" for one in flows._executions.values())
    return {
        "streams": streams,
        "queues": dict(sorted(waiting.items())),
        "delayed": dict(sorted(delayed.items())),
        "executions": running,
    }
