"""Rules of event buses: dead-letter queues of targets, filtered replays.

Without this patch: an event whose target queue does not exist is logged and dropped, even if the
target has a DeadLetterConfig; a replay goes to every rule, even if it was started for some
(`Destination.FilterArns`); all events are kept in memory in addition to the archive.

Fix: undeliverable events go to the target's dead-letter queue, with the reason in the same
attributes as in EventBridge; a replay goes to the rules it names, and its progress is recorded;
only the latest events are kept.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
"""

import logging
from collections import deque
from contextvars import ContextVar
from typing import Any

from zebros.emulator.patching import module, replace

_KEPT = 1_000
_log = logging.getLogger("events")
type Document = dict[str, Any]

_delivering: ContextVar[tuple[Document, Document]] = ContextVar("delivering")
"""The target and the rule of this thread's current delivery."""


def apply() -> None:
    """Replace the delivery of events."""
    events, queues = module("services.eventbridge"), module("services.sqs")
    latest: deque[Any] = deque(maxlen=_KEPT)

    def invoke(target: Document, event: Document, rule: Document, *more: Any) -> None:
        if not _wanted(events, event, rule):
            return
        token = _delivering.set((target, rule))
        try:
            original_invoke(target, event, rule, *more)
        finally:
            _delivering.reset(token)

    def to_queue(spec: Any, payload: str, parameters: Any = None) -> None:
        if queues._queue_by_arn(str(spec)) is None:
            _undeliverable(queues, payload, f"The queue {spec} does not exist.")
        else:
            original_to_queue(spec, payload, parameters)

    original_invoke = replace(events, "_invoke_target", invoke)
    original_to_queue = replace(events, "_dispatch_to_sqs", to_queue)
    replace(events, "_events_log_list", lambda: latest)


def _wanted(events: Any, event: Document, rule: Document) -> bool:
    """Whether an event goes to this rule; only replayed ones may be limited to some rules."""
    replay = events._replays.get(event["ReplayName"]) if event.get("ReplayName") else None
    if replay is None:
        return True
    replay["EventLastReplayedTime"] = event.get("Time")
    rules = (replay.get("Destination") or {}).get("FilterArns")
    return not rules or rule.get("Arn") in rules


def _undeliverable(queues: Any, payload: str, message: str) -> None:
    """Put an event into its target's dead-letter queue, if it has one."""
    target, rule = _delivering.get()
    queue = queues._queue_by_arn((target.get("DeadLetterConfig") or {}).get("Arn", ""))
    if queue is None:
        _log.warning("An event of rule %s is lost: %s", rule.get("Name"), message)
        return
    reason = {
        "RULE_ARN": rule.get("Arn", ""),
        "TARGET_ARN": target.get("Arn", ""),
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": message,
    }
    dead_letter = {
        "MessageBody": payload,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": text} for name, text in reason.items()
        },
    }
    queues._act_send_message(dead_letter, queues._queue_url(queue["name"]))
