"""One story of a record: request, state change, fact, bus, consumers, notification, lake file.

Nothing is kept for this: the story is put together from the table's outbox, the functions' logs,
the rules on the bus and the lake, which all know the fact by its id.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.operations import facts, logs
from zebros.operations.facts import Envelope
from zebros.operations.replay import consumer_of

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
    """All that became of one fact."""

    fact: Envelope
    steps: list[Step]


def stories(deployment: Deployment, tenant: str, target: str, last: int) -> tuple[str, list[Story]]:
    """The subject, and the stories of its latest facts in sequence.

    `target` is a subject, a record's id or a fact's id; of a fact, its story alone is told.
    Raises BadInput when nothing is known of it.
    """
    subject, known = facts.of_record(deployment, tenant, target)
    named = [fact for fact in known if fact["id"] == target]
    return subject, [story(deployment, fact) for fact in named or known[-last:]]


def story(deployment: Deployment, fact: Envelope) -> Story:
    """What became of one fact, in the order it happened; what is still to come stands last."""
    steps = [
        *_request(deployment, fact),
        *_commit(deployment, fact),
        *_bus(deployment, fact),
        *_consumers(deployment, fact),
        *_notifications(deployment, fact),
        *_lake(deployment, fact),
    ]
    late = datetime.max.replace(tzinfo=_time(fact).tzinfo)
    return Story(fact, sorted(steps, key=lambda step: step.at or late))


def _time(fact: Envelope) -> datetime:
    return datetime.fromisoformat(fact["time"])


def _step(fact: Envelope, at: datetime | None, part: str, said: str) -> Step:
    return Step(at, part, said, at - _time(fact) if at else None, fact["id"])


def _request(deployment: Deployment, fact: Envelope) -> Iterator[Step]:
    """The request during which the fact was committed; a correlation id may span many requests."""
    correlation = fact.get("correlationid")
    if not correlation:
        return
    since = _time(fact) - _BEFORE
    for function, name in logs.functions(deployment, "Api").items():
        for line in logs.lines(deployment, function, name, correlation, since):
            if line.said.get("message") != "request":
                continue
            took = timedelta(milliseconds=float(line.said.get("milliseconds") or 0))
            began = line.at - took
            if began - timedelta(milliseconds=5) <= _time(fact) <= line.at:
                said = (
                    f"{line.said.get('method')} {line.said.get('path')} by {fact.get('actor')}: "
                    f"{line.said.get('status')} in {took.total_seconds() * 1000:.0f} ms"
                )
                yield _step(fact, began, "request", said)


def _commit(deployment: Deployment, fact: Envelope) -> Iterator[Step]:
    """State and fact, which one transaction wrote."""
    kind = fact["subject"].partition("/")[0]
    _, table = facts.CONTEXTS.get(kind, ("", ""))
    current = fact["data"].get("current", {})
    name = deployment.outputs.get(f"{table}Name", table)
    yield _step(fact, _time(fact), "state", f"version {current.get('version')} in {name}")
    yield _step(
        fact,
        _time(fact),
        "fact",
        f"{fact['type']}, fact {fact['sequence']} of {fact['subject']}{_changed(fact)}",
    )


def _changed(fact: Envelope) -> str:
    data = fact["data"]
    if data.get("changed"):
        return f": {', '.join(data['changed'])}"
    if data.get("from_stage"):
        current = data.get("current", {})
        return f": {data['from_stage']} to {data.get('to_stage') or current.get('stage')}"
    return ""


def _bus(deployment: Deployment, fact: Envelope) -> Iterator[Step]:
    """When a relay handed the fact to the bus."""
    since = _time(fact) - _BEFORE
    for function, name in logs.functions(deployment, "Relay").items():
        for line in logs.lines(deployment, function, name, fact["id"], since):
            if line.said.get("level") == "INFO":
                yield _step(fact, line.at, "bus", f"handed to the bus by {function}")


def _consumers(deployment: Deployment, fact: Envelope) -> Iterator[Step]:
    """What each consumer did with the fact, and which rules' consumers have not had it."""
    since = _time(fact) - _BEFORE
    heard: set[str] = set()
    for function, name in logs.functions(deployment, "Events", "Lake").items():
        for line in logs.lines(deployment, function, name, fact["id"], since):
            outcome = line.said.get("outcome")
            if line.said.get("event_id") != fact["id"] or not outcome:
                continue
            heard.add(function)
            again = ", replayed" if line.said.get("replayed") else ""
            yield _step(
                fact,
                line.at,
                "consumer",
                f"{function} ({line.said.get('consumer')}): {outcome}{again}",
            )
    own = logs.functions(deployment)
    for name, arn in _matching_rules(deployment, fact).items():
        if name in own and name not in heard:
            yield _step(fact, None, "consumer", f"{name}: no sign of it (yet)")
        elif name not in own:
            yield _step(fact, None, "subscriber", f"{name}: goes to {arn.rpartition(':')[2]}")


def _matching_rules(deployment: Deployment, fact: Envelope) -> dict[str, str]:
    """Consumers whose rule the fact matches, by function or rule, with what the rule feeds."""
    events, bus = deployment.aws("events"), deployment.output("BusName")
    event = {
        "id": fact["id"],
        "account": "000000000000",
        "source": fact["source"],
        "time": fact["time"],
        "region": deployment.region,
        "resources": [],
        "detail-type": fact["type"],
        "detail": fact,
    }
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
            found[consumer_of(rule["Name"])] = str(targets[0]["Arn"])
    return found


def _notifications(deployment: Deployment, fact: Envelope) -> Iterator[Step]:
    """Notifications that this fact caused."""
    correlation = fact.get("correlationid")
    lake = logs.functions(deployment, "Lake")
    if not correlation or fact["source"] == "zebros.notifications":
        return
    subjects = {
        str(line.said["subject"])
        for function, name in lake.items()
        for line in logs.lines(deployment, function, name, correlation, _time(fact))
        if str(line.said.get("subject", "")).startswith("notification/")
    }
    for subject in sorted(subjects):
        _, sent = facts.of_record(deployment, fact["tenantid"], subject)
        for one in sent:
            if one.get("causationid") == fact["id"]:
                current = one["data"].get("current", {})
                to = current.get("user_id") or current.get("owner_id") or "someone"
                title = current.get("title") or current.get("text") or ""
                said = f"{one['type']} to {to}{f': {title}' if title else ''}"
                yield _step(fact, _time(one), "notification", said)


def _lake(deployment: Deployment, fact: Envelope) -> Iterator[Step]:
    place = facts.located(deployment, fact)
    if place is None:
        yield _step(fact, None, "lake", "not in a file (yet)")
        return
    # The store tells whole seconds: never show the file as older than its fact.
    yield _step(fact, max(place.written_at, _time(fact)), "lake", place.key)
