"""One story of a record: request, state change, event, bus, consumers, notification, lake file.

Nothing is kept for this: the story is put together from the table's outbox, the functions' logs,
the rules on the bus and the lake, which all know the event by its id.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.operations import events, logs
from zebros.operations.events import Envelope
from zebros.operations.replay import feeders

_BEFORE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened; `at` is None for what has not happened (yet)."""

    at: datetime | None
    part: str
    said: str
    lag: timedelta | None
    """Since the state was committed."""
    event_id: str

    def document(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "at": self.at.isoformat() if self.at else None,
            "part": self.part,
            "said": self.said,
            "lag_ms": round(self.lag.total_seconds() * 1000, 1) if self.lag is not None else None,
            "event_id": self.event_id,
        }


@dataclass(frozen=True, slots=True)
class Story:
    """All that became of one event."""

    event: Envelope
    steps: list[Step]


def stories(deployment: Deployment, tenant: str, target: str, last: int) -> tuple[str, list[Story]]:
    """The subject, and the stories of its latest events in sequence.

    `target` is a subject, a record's id or an event's id; of an event, its story alone is told.
    Raises BadInput when nothing is known of it.
    """
    subject, known = events.of_record(deployment, tenant, target)
    named = [event for event in known if event["id"] == target]
    return subject, [story(deployment, event) for event in named or known[-last:]]


def story(deployment: Deployment, event: Envelope) -> Story:
    """What became of one event, in the order it happened; what is still to come stands last."""
    steps = [
        *_request(deployment, event),
        *_commit(deployment, event),
        *_bus(deployment, event),
        *_consumers(deployment, event),
        *_notifications(deployment, event),
        *_lake(deployment, event),
    ]
    late = datetime.max.replace(tzinfo=_time(event).tzinfo)
    return Story(event, sorted(steps, key=lambda step: step.at or late))


def _time(event: Envelope) -> datetime:
    return datetime.fromisoformat(event["time"])


def _step(event: Envelope, at: datetime | None, part: str, said: str) -> Step:
    return Step(at, part, said, at - _time(event) if at else None, event["id"])


def _request(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """The request during which the event was committed; a correlation id may span many requests."""
    correlation = event.get("correlationid")
    if not correlation:
        return
    since = _time(event) - _BEFORE
    for function, name in logs.functions(deployment, "Api").items():
        for line in logs.lines(deployment, function, name, correlation, since):
            if line.said.get("message") != "request":
                continue
            took = timedelta(milliseconds=float(line.said.get("milliseconds") or 0))
            began = line.at - took
            if began - timedelta(milliseconds=5) <= _time(event) <= line.at:
                said = (
                    f"{line.said.get('method')} {line.said.get('path')} by {event.get('actor')}: "
                    f"{line.said.get('status')} in {took.total_seconds() * 1000:.0f} ms"
                )
                yield _step(event, began, "request", said)


def _commit(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """State and event, which one transaction wrote."""
    kind = event["subject"].partition("/")[0]
    _, table = events.CONTEXTS.get(kind, ("", ""))
    current = event["data"].get("current", {})
    name = deployment.resources.tables.get(table, table)
    yield _step(event, _time(event), "state", f"version {current.get('version')} in {name}")
    yield _step(
        event,
        _time(event),
        "event",
        f"{event['type']}, event {event['sequence']} of {event['subject']}{_changed(event)}",
    )


def _changed(event: Envelope) -> str:
    data = event["data"]
    if data.get("changed"):
        return f": {', '.join(data['changed'])}"
    if data.get("from_stage"):
        current = data.get("current", {})
        return f": {data['from_stage']} to {data.get('to_stage') or current.get('stage')}"
    return ""


def _bus(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """When a relay handed the event to the bus."""
    since = _time(event) - _BEFORE
    for function, name in logs.functions(deployment, "Relay").items():
        for line in logs.lines(deployment, function, name, event["id"], since):
            if line.said.get("level") == "INFO":
                yield _step(event, line.at, "bus", f"handed to the bus by {function}")


def _consumers(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """What each consumer did with the event, and which rules' consumers have not had it."""
    since = _time(event) - _BEFORE
    heard: set[str] = set()
    for function, name in logs.functions(deployment, "Events", "Lake").items():
        for line in logs.lines(deployment, function, name, event["id"], since):
            outcome = line.said.get("outcome")
            if line.said.get("event_id") != event["id"] or not outcome:
                continue
            heard.add(function)
            again = ", replayed" if line.said.get("replayed") else ""
            yield _step(
                event,
                line.at,
                "consumer",
                f"{function} ({line.said.get('consumer')}): {outcome}{again}",
            )
    own = logs.functions(deployment)
    for name, arn in _matching_rules(deployment, event).items():
        if name in own and name not in heard:
            yield _step(event, None, "consumer", f"{name}: no sign of it (yet)")
        elif name not in own:
            yield _step(event, None, "subscriber", f"{name}: goes to {arn.rpartition(':')[2]}")


def _matching_rules(deployment: Deployment, cloud_event: Envelope) -> dict[str, str]:
    """Consumers whose rule the event matches, by function or rule, with what the rule feeds."""
    events, bus = deployment.aws("events"), deployment.resources.bus()
    event = {
        "id": cloud_event["id"],
        "account": "000000000000",
        "source": cloud_event["source"],
        "time": cloud_event["time"],
        "region": deployment.region,
        "resources": [],
        "detail-type": cloud_event["type"],
        "detail": cloud_event,
    }
    feeding = feeders(deployment)
    found: dict[str, str] = {}
    for rule in events.list_rules(EventBusName=bus).get("Rules", []):
        pattern = rule.get("EventPattern")
        if not pattern:
            continue
        try:
            matches = events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
            targets = events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
        except ClientError:
            continue  # not every platform can be asked; the story is told without it
        # A rule without a target of ours is the archive's own.
        if matches["Result"] and targets:
            found[feeding.get(rule["Name"], rule["Name"])] = str(targets[0]["Arn"])
    return found


def _notifications(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    """Notifications that this event caused."""
    correlation = event.get("correlationid")
    lake = logs.functions(deployment, "Lake")
    if not correlation or event["source"] == "zebros.notifications":
        return
    subjects = {
        str(line.said["subject"])
        for function, name in lake.items()
        for line in logs.lines(deployment, function, name, correlation, _time(event))
        if str(line.said.get("subject", "")).startswith("notification/")
    }
    for subject in sorted(subjects):
        _, sent = events.of_record(deployment, event["tenantid"], subject)
        for one in sent:
            if one.get("causationid") == event["id"]:
                current = one["data"].get("current", {})
                to = current.get("user_id") or current.get("owner_id") or "someone"
                title = current.get("title") or current.get("text") or ""
                said = f"{one['type']} to {to}{f': {title}' if title else ''}"
                yield _step(event, _time(one), "notification", said)


def _lake(deployment: Deployment, event: Envelope) -> Iterator[Step]:
    place = events.located(deployment, event)
    if place is None:
        yield _step(event, None, "lake", "not in a file (yet)")
        return
    # The store tells whole seconds: never show the file as older than its event.
    yield _step(event, max(place.written_at, _time(event)), "lake", place.key)
