"""What functions wrote into their logs about an event or a request."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment

_ROLES = ("Api", "Events", "Lake", "Relay", "Steps", "Socket")
_MOST = 200


@dataclass(frozen=True, slots=True)
class Line:
    """One structured log line."""

    function: str
    """As in its template."""
    at: datetime
    said: dict[str, Any]


def functions(deployment: Deployment, *roles: str) -> dict[str, str]:
    """Deployed names of the stack's functions by logical id, of some roles (default: all)."""
    return {
        name: value
        for name, value in deployment.resources.functions.items()
        if name.endswith(roles or _ROLES)
    }


def lines(
    deployment: Deployment, function: str, name: str, term: str, since: datetime
) -> Iterator[Line]:
    """The lines of a function's log that hold `term`, from a time on."""
    logs = deployment.aws("logs")
    arguments: dict[str, Any] = {
        "logGroupName": f"/aws/lambda/{name}",
        "filterPattern": f'"{term}"',
        "startTime": int(since.timestamp() * 1000),
        "limit": _MOST,
    }
    count = 0
    while count < _MOST:
        try:
            page = logs.filter_log_events(**arguments)
        except ClientError as fault:
            if fault.response["Error"]["Code"] == "ResourceNotFoundException":
                return  # it has never run
            raise
        for event in page.get("events", []):
            said = _structured(event["message"])
            if said is not None and term in event["message"]:
                count += 1
                yield Line(function, _time(said, event["timestamp"]), said)
        if not page.get("nextToken"):
            return
        arguments["nextToken"] = page["nextToken"]


def _structured(message: str) -> dict[str, Any] | None:
    start = message.find("{")
    if start < 0:
        return None
    try:
        said = json.loads(message[start:])
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _time(said: dict[str, Any], received_ms: int) -> datetime:
    """When the line was written; the log service's own time where the line does not say."""
    try:
        at = datetime.fromisoformat(str(said.get("timestamp")))
    except ValueError:
        at = datetime.fromtimestamp(received_ms / 1000, UTC)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
