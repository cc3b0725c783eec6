"""Replaying the archive: past events once more through the bus, marked as replayed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from ulid import ULID

from zebros.client.connection import Deployment
from zebros.errors import BadInput, Stopped, Trouble

_ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class Replayed:
    """How far a replay is."""

    name: str
    state: str
    share: float | None
    """0 to 1 of the period; None where the platform does not say."""


def consumers(deployment: Deployment) -> dict[str, str]:
    """The rules on the bus by the function they feed (`ActivitiesEvents`), as ARNs."""
    events, bus = deployment.aws("events"), deployment.resources.bus()
    feeding = feeders(deployment)
    found: dict[str, str] = {}
    arguments: dict[str, Any] = {"EventBusName": bus}
    while True:
        page = events.list_rules(**arguments)
        for rule in page.get("Rules", []):
            found[feeding.get(rule["Name"], rule["Name"])] = rule["Arn"]
        if "NextToken" not in page:
            return found
        arguments["NextToken"] = page["NextToken"]


def feeders(deployment: Deployment) -> dict[str, str]:
    """The function (`ActivitiesEvents`) that each rule of the stack feeds, by the rule's name.

    Rules of others, such as partners' and those of `zebros events tail`, are not among them.
    """
    rules = deployment.resources.rules
    return {name: logical_id.removesuffix("Rule") for logical_id, name in rules.items()}


def replay(
    deployment: Deployment,
    start: datetime,
    end: datetime,
    consumer: str | None,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Replayed]:
    """Start a replay and tell how it goes until it has ended; Ctrl-C cancels it.

    Raises BadInput for a period or consumer that cannot be, Trouble when the replay fails.
    """
    if start >= end:
        raise BadInput(f"The period ends ({end:%Y-%m-%d %H:%M}) before it begins.")
    events = deployment.aws("events")
    archive = events.describe_archive(ArchiveName=deployment.resources.archive())
    destination: dict[str, Any] = {"Arn": archive["EventSourceArn"]}
    if consumer:
        known = consumers(deployment)
        if consumer not in known:
            raise BadInput(
                f"No rule feeds {consumer}.", hint=f"There are {', '.join(sorted(known))}."
            )
        destination["FilterArns"] = [known[consumer]]
    name = f"replay-{ULID()}"
    try:
        events.start_replay(
            ReplayName=name,
            EventSourceArn=_archive_arn(archive),
            EventStartTime=start,
            EventEndTime=end,
            Destination=destination,
        )
    except ClientError as fault:
        raise Trouble(f"The replay was refused: {fault.response['Error']['Message']}") from fault
    try:
        while True:
            told = events.describe_replay(ReplayName=name)
            yield Replayed(name, told["State"], _share(told, start, end))
            if told["State"] in _ENDED:
                break
            pause(1.0)
    except KeyboardInterrupt:
        events.cancel_replay(ReplayName=name)
        raise Stopped(
            f"Replay {name} was cancelled; what it had sent stays sent.",
            hint="Consumers recognise what they have had already: replaying again does no harm.",
        ) from None
    if told["State"] != "COMPLETED":
        reason = told.get("StateReason") or "no reason was given"
        raise Trouble(f"Replay {name} ended as {told['State']}: {reason}.")


def _archive_arn(archive: dict[str, Any]) -> str:
    if "ArchiveArn" in archive:
        return str(archive["ArchiveArn"])
    # The bus's ARN, `…:event-bus/<name>`, differs from its archive's in the last part alone.
    return f"{archive['EventSourceArn'].rpartition(':')[0]}:archive/{archive['ArchiveName']}"


def _share(told: dict[str, Any], start: datetime, end: datetime) -> float | None:
    last = told.get("EventLastReplayedTime")
    if not isinstance(last, datetime):
        return None
    return max(0.0, min(1.0, (last - start) / (end - start)))
