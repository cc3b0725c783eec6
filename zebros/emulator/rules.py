"""Rules of event buses: dead letters of targets, retries of functions, filtered replays.

Stock faults: an event whose target cannot be reached is logged and forgotten, although the
target has a DeadLetterConfig; a function as target is called once and never again when it
fails; a replay goes to every rule although it was started for some (`Destination.FilterArns`);
every event ever sent is kept in memory beside the archive.

Mended: undeliverable events go to the target's dead-letter queue with the reason in the
attributes that EventBridge uses; functions are called as asynchronous invocations, with their
retries; a replay goes to the rules it names, and says how far it is.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

import hashlib
import json
import logging
import time
from collections import deque
from contextvars import ContextVar
from typing import Any

from zebros.emulator.seams import module, replace

_KEPT = 1_000
_log = logging.getLogger("events")
type Document = dict[str, Any]

_delivering: ContextVar[tuple[Document, Document] | None] = ContextVar("delivering", default=None)
"""(target, rule) of the delivery this thread is at."""


def apply() -> None:
    """Deliver events our way."""
    events, queues = module("services.eventbridge"), module("services.sqs")
    recent: deque[Any] = deque(maxlen=_KEPT)

    def invoke(target: Document, event: Document, rule: Document, *more: Any) -> None:
        if not _wanted(events, event, rule):
            return
        token = _delivering.set((target, rule))
        try:
            stock_invoke(target, event, rule, *more)
        finally:
            _delivering.reset(token)

    def to_queue(spec: Any, payload: str, parameters: Any = None) -> None:
        if queues._queue_by_arn(str(spec)) is None:
            _undeliverable(queues, payload, "NO_RESOURCE", f"The queue {spec} does not exist.")
            return
        stock_to_queue(spec, payload, parameters)

    def to_function(arn: str, payload: str) -> None:
        functions = module("services.lambda_svc")
        record, config, name = functions._get_func_record_for_ref(arn)
        if not record or not config:
            _undeliverable(queues, payload, "NO_RESOURCE", f"The function {name} does not exist.")
            return
        functions.invoke_async_with_retry(
            functions._execution_record_for_config(record, config), json.loads(payload)
        )

    stock_invoke = replace(events, "_invoke_target", invoke)
    stock_to_queue = replace(events, "_dispatch_to_sqs", to_queue)
    replace(events, "_dispatch_to_lambda", to_function)
    replace(events, "_events_log_list", lambda: recent)


def _wanted(events: Any, event: dict[str, Any], rule: dict[str, Any]) -> bool:
    """Whether a replayed event is meant for this rule; live ones are for all."""
    replay = events._replays.get(event["ReplayName"]) if event.get("ReplayName") else None
    if replay is None:
        return True
    replay["EventLastReplayedTime"] = event.get("Time")
    meant = (replay.get("Destination") or {}).get("FilterArns")
    return not meant or rule.get("Arn") in meant


def _undeliverable(queues: Any, payload: str, code: str, message: str) -> None:
    """Put an event into its target's dead-letter queue, if it has one."""
    delivering = _delivering.get()
    if delivering is None:
        return
    target, rule = delivering
    letters = (target.get("DeadLetterConfig") or {}).get("Arn")
    queue = queues._queue_by_arn(letters) if letters else None
    if queue is None:
        _log.warning("An event of rule %s is lost: %s", rule.get("Name"), message)
        return
    now = time.time()
    said = {
        "RULE_ARN": rule.get("Arn", ""),
        "TARGET_ARN": target.get("Arn", ""),
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message,
    }
    attributes = {
        name: {"DataType": "String", "StringValue": value} for name, value in said.items()
    }
    queue["messages"].append(
        {
            "id": queues.new_uuid(),
            "body": payload,
            "md5_body": hashlib.md5(payload.encode(), usedforsecurity=False).hexdigest(),
            "md5_attrs": queues._md5_msg_attrs(attributes),
            "receipt_handle": None,
            "sent_at": now,
            "visible_at": now,
            "receive_count": 0,
            "first_receive_at": None,
            "message_attributes": attributes,
            "sys": {"SenderId": "events", "SentTimestamp": str(int(now * 1000))},
            "group_id": None,
            "dedup_id": None,
            "seq": None,
        }
    )
    queues.esm_wake.set()
