"""Structured log lines of functions about an event or a request."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment

_ROLES = ("Api", "Events", "Lake", "Relay", "Steps", "Socket")
_MAX_LINES = 200


@dataclass(frozen=True, slots=True)
class LogLine:
    """One structured log line."""

    function: str
    """Its logical id, such as `OpportunitiesApi`."""
    at: datetime
    fields: dict[str, Any]


def functions(deployment: Deployment, *roles: str) -> dict[str, str]:
    """Names of the stack's functions by logical id, of some roles (default: all)."""
    return {
        logical_id: name
        for logical_id, name in deployment.resources.functions.items()
        if logical_id.endswith(roles or _ROLES)
    }


def find(deployment: Deployment, term: str, since: datetime, *roles: str) -> Iterator[LogLine]:
    """The log lines with `term` of all functions of some roles, function by function."""
    for logical_id, name in functions(deployment, *roles).items():
        yield from islice(_lines(deployment, logical_id, name, term, since), _MAX_LINES)


def _lines(
    deployment: Deployment, function: str, name: str, term: str, since: datetime
) -> Iterator[LogLine]:
    pages = (
        deployment.aws("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=f"/aws/lambda/{name}",
            filterPattern=f'"{term}"',
            startTime=int(since.timestamp() * 1000),
        )
    )
    try:
        for page in pages:
            for event in page.get("events", []):
                fields = _parsed(event["message"])
                if fields is not None and term in event["message"]:
                    yield LogLine(function, _time(fields, event["timestamp"]), fields)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        # The function has never run.


def _parsed(message: str) -> dict[str, Any] | None:
    start = message.find("{")
    if start < 0:
        return None
    try:
        fields = json.loads(message[start:])
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _time(fields: dict[str, Any], received_ms: int) -> datetime:
    """The time in the line, else the time when the log service received it."""
    try:
        at = datetime.fromisoformat(str(fields.get("timestamp")))
    except ValueError:
        at = datetime.fromtimestamp(received_ms / 1000, UTC)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
