"""`HeartbeatSeconds` of a `.waitForTaskToken` task, and the token of a task that is tried again.

Stock faults: a task whose worker went silent waits until TimeoutSeconds (about 28 hours by
default), because heartbeats are recorded and never missed; and each retry of a task hands out
the first attempt's token again, so that a worker given up for lost can answer in the name of
its successor.

Mended: a task without a heartbeat for HeartbeatSeconds fails with States.HeartbeatTimeout, and
every attempt has a token of its own.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#wait-token-hearbeat
"""

import threading
import time
import uuid
from collections import OrderedDict
from typing import Any

from zebros.emulator.seams import module, replace

_LOOK_S = 0.1
_REMEMBERED = 10_000
"""Tokens kept to tell a second attempt from a first one; a retry comes minutes later at most."""


def apply() -> None:
    """Watch the heartbeats of waiting tasks and renew their tokens."""
    flows = module("services.stepfunctions")
    spent: OrderedDict[str, None] = OrderedDict()

    def invoke(resource: str, given: Any, token: str, state: dict[str, Any]) -> Any:
        if token in spent:
            fresh = str(uuid.uuid4())
            given, token = _renamed(given, token, fresh), fresh
        else:
            spent[token] = None
            if len(spent) > _REMEMBERED:
                spent.popitem(last=False)
        allowed = state.get("HeartbeatSeconds")
        if not allowed:
            return stock(resource, given, token, state)
        over = threading.Event()
        scope = flows._task_tokens._prefix()
        watch = threading.Thread(
            target=_watch,
            args=(flows._task_tokens, scope, token, float(allowed), over),
            name="heartbeat",
            daemon=True,
        )
        watch.start()
        try:
            return stock(resource, given, token, state)
        finally:
            over.set()

    stock = replace(flows, "_invoke_with_callback", invoke)


def _watch(
    tokens: Any, scope: tuple[str, str], token: str, allowed: float, over: threading.Event
) -> None:
    """Fail the task when `allowed` seconds pass without a heartbeat; end when it is over."""
    heard: Any = None
    since = time.monotonic()
    while not over.wait(_LOOK_S):
        waiting = tokens.get_scoped(*scope, token)
        if waiting is None:
            continue
        if waiting["heartbeat"] != heard:
            heard, since = waiting["heartbeat"], time.monotonic()
        if time.monotonic() - since > allowed and not waiting["event"].is_set():
            waiting["error"] = {
                "Error": "States.HeartbeatTimeout",
                "Cause": f"No heartbeat for {allowed:g} seconds.",
            }
            waiting["event"].set()
            return


def _renamed(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, dict):
        return {key: _renamed(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, old, new) for inner in value]
    return value
