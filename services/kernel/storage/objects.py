"""Objects in S3: what its errors mean, and links to them that need no token."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_CONFLICT = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})


def is_absent(fault: ClientError) -> bool:
    """Whether there is no such object."""
    return fault.response["Error"]["Code"] in _ABSENT


def is_conflict(fault: ClientError) -> bool:
    """Whether the object is another one than a conditional write expects."""
    return fault.response["Error"]["Code"] in _CONFLICT


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that works without a token until it expires."""

    url: str
    expires_at: datetime


def presigned(s3: Any, operation: str, params: dict[str, Any], seconds: int, now: datetime) -> Link:
    """A link for one operation, such as `get_object`, made without a call to S3."""
    url = s3.generate_presigned_url(operation, Params=params, ExpiresIn=seconds)
    return Link(str(url), now + timedelta(seconds=seconds))
