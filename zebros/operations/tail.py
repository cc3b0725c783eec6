"""Following events as they happen: a queue and a rule of our own on the bus, removed at the end."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from ulid import ULID

from zebros.client.connection import Deployment

PREFIX = "zebros-tail-"
_RETENTION_S = "300"
_STALE = timedelta(hours=1)
_LONG_POLL_S = 1


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events to follow; what is empty does not narrow."""

    tenant: str | None = None
    types: Sequence[str] = ()
    contexts: Sequence[str] = ()
    subjects: Sequence[str] = ()
    """`opportunity/<id>`."""
    live_only: bool = False
    """Leave out what comes from an archive."""

    def pattern(self) -> dict[str, Any]:
        """As an EventBridge event pattern."""
        sources = [f"zebros.{context}" for context in self.contexts]
        pattern: dict[str, Any] = {"source": sources or [{"prefix": "zebros."}]}
        if self.types:
            pattern["detail-type"] = list(self.types)
        detail: dict[str, Any] = {}
        if self.tenant:
            detail["tenantid"] = [self.tenant]
        if self.subjects:
            detail["subject"] = list(self.subjects)
        if detail:
            pattern["detail"] = detail
        if self.live_only:
            pattern["replay-name"] = [{"exists": False}]
        return pattern


@dataclass(slots=True)
class Tap:
    """A queue that gets what the filter lets through."""

    sqs: Any
    url: str
    _seen: set[str] = field(default_factory=set)

    def events(self) -> list[dict[str, Any]]:
        """Envelopes that came within a second, oldest first; `replayed` marks what was replayed."""
        got = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=_LONG_POLL_S
        ).get("Messages", [])
        events = []
        for message in got:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            replay = body.get("replay-name")
            # SQS may hand a message out twice; a replay may rightly bring an event again.
            name = f"{body['detail'].get('id')} {replay}"
            if name not in self._seen:
                self._seen.add(name)
                events.append({**body["detail"], **({"replayed": replay} if replay else {})})
        return sorted(events, key=lambda event: str(event.get("time")))


@contextmanager
def tapped(deployment: Deployment, wanted: Filter) -> Iterator[Tap]:
    """A Tap on the stack's bus for as long as the block lasts. Nothing of it stays behind."""
    events, sqs = deployment.aws("events"), deployment.aws("sqs")
    bus = deployment.resources.bus()
    _sweep(events, sqs, bus)
    name = f"{PREFIX}{ULID()}".lower()
    url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": _RETENTION_S})[
        "QueueUrl"
    ]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        rule = events.put_rule(
            Name=name, EventBusName=bus, EventPattern=json.dumps(wanted.pattern())
        )["RuleArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnEquals": {"aws:SourceArn": rule}},
            },
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "tail", "Arn": arn}])
        yield Tap(sqs, url)
    finally:
        _remove(events, sqs, bus, name, url)


def _remove(events: Any, sqs: Any, bus: str, name: str, url: str | None) -> None:
    """Remove a tap; what a platform that has gone cannot remove, a later `tail` sweeps away."""
    with suppress(BotoCoreError):
        with suppress(ClientError):
            events.remove_targets(Rule=name, EventBusName=bus, Ids=["tail"])
        with suppress(ClientError):
            events.delete_rule(Name=name, EventBusName=bus)
        with suppress(ClientError):
            sqs.delete_queue(QueueUrl=url or sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _sweep(events: Any, sqs: Any, bus: str) -> None:
    """Remove what a killed `tail` left behind; the ULID in the name says when it began."""
    for rule in events.list_rules(EventBusName=bus, NamePrefix=PREFIX).get("Rules", []):
        with suppress(ValueError):
            began = ULID.from_str(rule["Name"].removeprefix(PREFIX).upper()).datetime
            if datetime.now(UTC) - began > _STALE:
                _remove(events, sqs, bus, rule["Name"], None)
