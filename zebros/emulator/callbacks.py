"""`HeartbeatSeconds` of a `.waitForTaskToken` task, and the token of a task that is retried.

Without this patch: a task whose worker stopped sending heartbeats waits until TimeoutSeconds (about
28 hours by default); and each retry of a task uses the first attempt's token again, so that the
lost worker can end the attempt of its successor.

Fix: a task without a heartbeat for HeartbeatSeconds fails with States.HeartbeatTimeout, and every
attempt has a new token.
https://docs.aws.amazon.com/step-functions/latest/dg/connect-to-resource.html#wait-token-hearbeat
"""

import json
import threading
import time
import uuid
from typing import Any

from zebros.emulator.patching import module, replace

_POLL_S = 0.1


def apply() -> None:
    """Check the heartbeats of waiting tasks and renew the tokens of retries."""
    flows = module("services.stepfunctions")
    used: set[str] = set()

    def invoke(resource: str, task_input: Any, token: str, state: dict[str, Any]) -> Any:
        if token in used:
            fresh = str(uuid.uuid4())
            task_input, token = json.loads(json.dumps(task_input).replace(token, fresh)), fresh
        used.add(token)
        over = threading.Event()
        if allowed := state.get("HeartbeatSeconds"):
            watched = (flows._task_tokens, flows._task_tokens._prefix(), token)
            threading.Thread(
                target=_watch, args=(*watched, float(allowed), over), daemon=True
            ).start()
        try:
            return original(resource, task_input, token, state)
        finally:
            over.set()

    original = replace(flows, "_invoke_with_callback", invoke)


def _watch(
    tokens: Any, scope: tuple[str, str], token: str, allowed: float, over: threading.Event
) -> None:
    """Fail the task after `allowed` seconds without a heartbeat; return when it has ended."""
    last, since = None, time.monotonic()
    while not over.wait(_POLL_S):
        waiting = tokens.get_scoped(*scope, token) or {"heartbeat": last}
        if waiting["heartbeat"] != last:
            last, since = waiting["heartbeat"], time.monotonic()
        if "event" in waiting and time.monotonic() - since > allowed:
            cause = f"No heartbeat for {allowed:g} seconds."
            waiting["error"] = {"Error": "States.HeartbeatTimeout", "Cause": cause}
            waiting["event"].set()
            return
