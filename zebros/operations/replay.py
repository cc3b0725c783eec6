"""Replays archived events on the event bus."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from ulid import ULID

from zebros.client.connection import Deployment
from zebros.errors import BadInput, CliError, Stopped
from zebros.operations.rules import rules

_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """The state of a replay."""

    name: str
    state: str
    """The state of EventBridge, such as RUNNING."""
    share: float | None
    """The replayed part of the period, 0 to 1; None when the platform does not report it."""


def replay(
    deployment: Deployment,
    start: datetime,
    end: datetime,
    consumer: str | None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[ReplayProgress]:
    """Start a replay and yield its progress until it has ended; Ctrl-C cancels it.

    Raises BadInput for an invalid period or consumer, CliError when the replay fails.
    """
    if start >= end:
        raise BadInput(f"The period ends ({end:%Y-%m-%d %H:%M}) before it begins.")
    events = deployment.aws("events")
    archive = events.describe_archive(ArchiveName=deployment.resources.archive())
    destination: dict[str, Any] = {"Arn": archive["EventSourceArn"]}
    if consumer:
        destination["FilterArns"] = [_rule_arn(deployment, consumer)]
    name = f"replay-{ULID()}"
    try:
        events.start_replay(
            ReplayName=name,
            EventSourceArn=_archive_arn(archive),
            EventStartTime=start,
            EventEndTime=end,
            Destination=destination,
        )
    except ClientError as error:
        raise CliError(f"The replay was rejected: {error.response['Error']['Message']}") from error
    try:
        while True:
            description = events.describe_replay(ReplayName=name)
            yield ReplayProgress(name, description["State"], _share(description, start, end))
            if description["State"] in _ENDED:
                break
            pause(1.0)
    except KeyboardInterrupt:
        events.cancel_replay(ReplayName=name)
        raise Stopped(
            f"Replay {name} was cancelled; events that were replayed before have been delivered.",
            hint="Consumers ignore events that they have processed, so it can be repeated.",
        ) from None
    if description["State"] != "COMPLETED":
        reason = description.get("StateReason") or "no reason was given"
        raise CliError(f"Replay {name} ended as {description['State']}: {reason}.")


def _rule_arn(deployment: Deployment, consumer: str) -> str:
    arns = {name: str(rule["Arn"]) for name, rule in rules(deployment)}
    if consumer not in arns:
        raise BadInput(
            f"No rule sends events to {consumer}.", hint=f"There are {', '.join(sorted(arns))}."
        )
    return arns[consumer]


def _archive_arn(archive: dict[str, Any]) -> str:
    if "ArchiveArn" in archive:
        return str(archive["ArchiveArn"])
    # The local platform omits it. It differs from the bus's ARN only in the last part.
    return f"{archive['EventSourceArn'].rpartition(':')[0]}:archive/{archive['ArchiveName']}"


def _share(description: dict[str, Any], start: datetime, end: datetime) -> float | None:
    last = description.get("EventLastReplayedTime")
    if not isinstance(last, datetime):
        return None
    return max(0.0, min(1.0, (last - start) / (end - start)))
