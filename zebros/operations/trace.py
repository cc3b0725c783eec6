"""The path of an event: request, state, event bus, consumers, notifications, event lake.

It is found by the event's id in the outbox, the functions' logs, the rules on the bus and the lake;
nothing is stored for it.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.contract import contract
from zebros.operations import function_logs, lake
from zebros.operations.dead_letters import DeadLetter, messages_of, reason
from zebros.operations.outbox import Envelope
from zebros.operations.record_events import events_of_record
from zebros.operations.redrive import DeadLetterQueue, dead_letter_queues
from zebros.operations.rules import rules

_BEFORE = timedelta(minutes=1)
"""How long before the event logs are searched."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an event; `at` is None when it has not happened yet."""

    at: datetime | None
    part: str
    text: str
    lag: timedelta | None
    """The time since the commit."""
    event_id: str

    def document(self) -> dict[str, Any]:
        """The step as JSON."""
        return {
            "at": self.at.isoformat() if self.at else None,
            "part": self.part,
            "text": self.text,
            "lag_ms": round(self.lag.total_seconds() * 1000, 1) if self.lag is not None else None,
            "event_id": self.event_id,
        }


@dataclass(frozen=True, slots=True)
class Trace:
    """An event and its steps."""

    event: Envelope
    steps: list[Step]

    def document(self) -> dict[str, Any]:
        """The trace as JSON."""
        return {"event": self.event, "steps": [step.document() for step in self.steps]}


class Traces(NamedTuple):
    """Traces of one record's events."""

    subject: str
    traces: list[Trace]
    """In sequence."""
    unreadable: list[int]
    """The sequences of events in the outbox that cannot be read."""


def traces(deployment: Deployment, tenant: str, target: str, last: int) -> Traces:
    """The traces of a record's `last` events.

    `target` is a subject, a record's id, or the id of the only event to trace. Raises BadInput when
    there are no events.
    """
    subject, events, unreadable = events_of_record(deployment, tenant, target)
    named = [event for event in events if event["id"] == target]
    dead = [queue for queue in dead_letter_queues(deployment) if queue.depth]
    traced = [trace(deployment, event, dead) for event in named or events[-last:]]
    return Traces(subject, traced, [] if named else unreadable)


def trace(deployment: Deployment, event: Envelope, dead: list[DeadLetterQueue]) -> Trace:
    """The steps of an event by time; those that have not happened yet are last.

    `dead` are the dead-letter queues that have messages.
    """
    steps = [
        *_request(deployment, event),
        *_commit(deployment, event),
        *_bus(deployment, event),
        *_consumers(deployment, event, dead),
        *_notifications(deployment, event),
        *_lake(deployment, event),
    ]
    end = datetime.max.replace(tzinfo=_time(event).tzinfo)
    return Trace(event, sorted(steps, key=lambda step: step.at or end))


def _time(event: Envelope) -> datetime:
    return datetime.fromisoformat(event["time"])


def _step(event: Envelope, at: datetime | None, part: str, text: str) -> Step:
    return Step(at, part, text, at - _time(event) if at else None, event["id"])


def _request(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """The request that committed the event; many requests may share a correlation id."""
    correlation = event.get("correlationid")
    if not correlation:
        return
    committed = _time(event)
    for line in function_logs.find(deployment, correlation, committed - _BEFORE, "Api"):
        fields = line.fields
        if fields.get("message") != "request":
            continue
        took = timedelta(milliseconds=float(fields.get("milliseconds") or 0))
        began = line.at - took
        if began - timedelta(milliseconds=5) <= committed <= line.at:
            text = (
                f"{fields.get('method')} {fields.get('path')} by {event.get('actor')}: "
                f"{fields.get('status')} in {took.total_seconds() * 1000:.0f} ms"
            )
            yield _step(event, began, "request", text)


def _commit(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """The state and the event, which were written in one transaction."""
    location = contract().records.get(event["subject"].partition("/")[0])
    table = location.table if location else ""
    name = deployment.resources.tables.get(table, table)
    version = event["data"].get("current", {}).get("version")
    yield _step(event, _time(event), "state", f"version {version} in {name}")
    text = f"{event['type']}, event {event['sequence']} of {event['subject']}{_changed(event)}"
    yield _step(event, _time(event), "event", text)


def _changed(event: Envelope) -> str:
    data = event["data"]
    if data.get("changed"):
        return f": {', '.join(data['changed'])}"
    if data.get("from_stage"):
        current = data.get("current", {})
        return f": {data['from_stage']} to {data.get('to_stage') or current.get('stage')}"
    return ""


def _bus(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """The publication of the event by a relay."""
    for line in function_logs.find(deployment, event["id"], _time(event) - _BEFORE, "Relay"):
        if line.fields.get("level") == "INFO":
            yield _step(event, line.at, "bus", f"published by {line.function}")


def _consumers(
    deployment: Deployment, event: Envelope, dead: list[DeadLetterQueue]
) -> Iterator[Step]:
    """The event's result in each consumer, and the other targets of the rules."""
    since = _time(event) - _BEFORE
    logged: set[str] = set()
    for line in function_logs.find(deployment, event["id"], since, "Events", "Lake"):
        if result := _result(event, line.fields):
            logged.add(line.function)
            text = f"{line.function} ({line.fields.get('consumer')}): {result}"
            yield _step(event, line.at, "consumer", text)
    for queue in dead:
        if message := _dead_letter(deployment, queue, event):
            logged.add(queue.name)
            why = reason(deployment, message) or "its function's log has the reason"
            text = f"{queue.name}: failed, in {queue.name}DeadLetters: {why}"
            yield _step(event, None, "dead-letter", text)
    own = function_logs.functions(deployment)
    for name, target in _matching_rules(deployment, event).items():
        if name in own and name not in logged:
            yield _step(event, None, "consumer", f"{name}: not in its log yet")
        elif name not in own:
            resource = target.rpartition(":")[2]
            yield _step(event, None, "subscriber", f"{name}: sent to {resource}")


def _result(event: Envelope, fields: dict[str, Any]) -> str:
    """What a consumer's log line says about an event; empty when the line is not about it."""
    if fields.get("message") == "event failed" and event["id"] in fields.get("event_ids", ()):
        return f"failed: {fields.get('fault')}"
    if fields.get("event_id") != event["id"] or not fields.get("outcome"):
        return ""
    return f"{fields['outcome']}{', replayed' if fields.get('replayed') else ''}"


def _dead_letter(
    deployment: Deployment, queue: DeadLetterQueue, event: Envelope
) -> DeadLetter | None:
    """The dead-letter message with an event, if there is one."""
    with messages_of(deployment, queue) as found:
        return next((one for one in found if one.event.get("id") == event["id"]), None)


def _matching_rules(deployment: Deployment, event: Envelope) -> dict[str, str]:
    """The targets (ARNs) of the rules that match the event, by consumer."""
    events, bus = deployment.aws("events"), deployment.resources.bus()
    entry = {
        "id": event["id"],
        "account": "000000000000",
        "source": event["source"],
        "time": event["time"],
        "region": deployment.region,
        "resources": [],
        "detail-type": event["type"],
        "detail": event,
    }
    arns: dict[str, str] = {}
    for consumer, rule in rules(deployment):
        pattern = rule.get("EventPattern")
        if not pattern:
            continue
        try:
            test = events.test_event_pattern(EventPattern=pattern, Event=json.dumps(entry))
            targets = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
        except ClientError:
            continue  # the platform cannot test patterns; the other steps are complete
        # The rule of the archive has no function or queue as its target.
        if test["Result"] and targets:
            arns[consumer] = str(targets[0]["Arn"])
    return arns


def _notifications(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """Notifications that the event caused."""
    correlation = event.get("correlationid")
    if not correlation or event["source"] == "zebros.notifications":
        return
    subjects = {
        str(line.fields["subject"])
        for line in function_logs.find(deployment, correlation, _time(event), "Lake")
        if str(line.fields.get("subject", "")).startswith("notification/")
    }
    for subject in sorted(subjects):
        for notification in events_of_record(deployment, event["tenantid"], subject).events:
            if notification.get("causationid") == event["id"]:
                current = notification["data"].get("current", {})
                user = current.get("user_id") or current.get("owner_id") or "someone"
                title = current.get("title") or current.get("text") or ""
                text = f"{notification['type']} to {user}{f': {title}' if title else ''}"
                yield _step(event, _time(notification), "notification", text)


def _lake(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    file = lake.file_of(deployment, event)
    if file is None:
        yield _step(event, None, "lake", "not in a file yet")
        return
    # S3's times are whole seconds, and the file must not seem older than its event.
    yield _step(event, max(file.written_at, _time(event)), "lake", file.key)
