"""Follows events with a temporary queue and rule on the event bus."""

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
_ABANDONED_AFTER = timedelta(hours=1)
_LONG_POLL_S = 1


@dataclass(frozen=True, slots=True)
class Filter:
    """The events to follow; an empty attribute matches all."""

    tenant: str | None = None
    types: Sequence[str] = ()
    contexts: Sequence[str] = ()
    subjects: Sequence[str] = ()
    """`opportunity/<id>`."""
    live_only: bool = False
    """Whether to omit replayed events."""

    def pattern(self) -> dict[str, Any]:
        """The filter as an EventBridge event pattern."""
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
class Subscription:
    """A queue with the events that match a filter."""

    sqs: Any
    url: str
    _received: set[str] = field(default_factory=set)

    def events(self) -> list[dict[str, Any]]:
        """Events received within a second, oldest first; replayed ones have `replayed`."""
        messages = self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, WaitTimeSeconds=_LONG_POLL_S
        ).get("Messages", [])
        events = []
        for message in messages:
            self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
            body = json.loads(message["Body"])
            replay = body.get("replay-name")
            # SQS may deliver a message twice; a replay may contain an event again.
            key = f"{body['detail'].get('id')} {replay}"
            if key not in self._received:
                self._received.add(key)
                events.append({**body["detail"], **({"replayed": replay} if replay else {})})
        return sorted(events, key=lambda event: str(event.get("time")))


@contextmanager
def subscribe(deployment: Deployment, filter_: Filter) -> Iterator[Subscription]:
    """Subscribe to the stack's bus; queue and rule are deleted at the end of the block."""
    events, sqs = deployment.aws("events"), deployment.aws("sqs")
    bus = deployment.resources.bus()
    _remove_abandoned(events, sqs, bus)
    name = f"{PREFIX}{ULID()}".lower()
    url = sqs.create_queue(QueueName=name, Attributes={"MessageRetentionPeriod": _RETENTION_S})[
        "QueueUrl"
    ]
    try:
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        rule = events.put_rule(
            Name=name, EventBusName=bus, EventPattern=json.dumps(filter_.pattern())
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
        yield Subscription(sqs, url)
    finally:
        _remove(events, sqs, bus, name, url)


def _remove(events: Any, sqs: Any, bus: str, name: str, url: str | None) -> None:
    """Delete queue and rule; if the platform does not answer, a later `tail` deletes them."""
    with suppress(BotoCoreError):
        with suppress(ClientError):
            events.remove_targets(Rule=name, EventBusName=bus, Ids=["tail"])
        with suppress(ClientError):
            events.delete_rule(Name=name, EventBusName=bus)
        with suppress(ClientError):
            sqs.delete_queue(QueueUrl=url or sqs.get_queue_url(QueueName=name)["QueueUrl"])


def _remove_abandoned(events: Any, sqs: Any, bus: str) -> None:
    """Delete queues and rules of `tail` commands that were killed, by the time in their ULID."""
    for rule in events.list_rules(EventBusName=bus, NamePrefix=PREFIX).get("Rules", []):
        with suppress(ValueError):
            began = ULID.from_str(rule["Name"].removeprefix(PREFIX).upper()).datetime
            if datetime.now(UTC) - began > _ABANDONED_AFTER:
                _remove(events, sqs, bus, rule["Name"], None)
