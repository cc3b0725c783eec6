"""Identifiers: ULIDs (https://github.com/ulid/spec) in 26 capitals, sortable by time."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import StringConstraints
from ulid import ULID

from kernel.domain.patterns import described

PATTERN = described(
    r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$",
    "must be the id of a record, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV",
)
Id = Annotated[str, StringConstraints(pattern=PATTERN)]
"""The identifier of a record of this CRM."""


_MILLISECOND_CHARACTERS = 10
_RANDOM_BITS = 80
_TIME_BYTES = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def new_id() -> str:
    """A new ULID."""
    return str(ULID())


def ids_at(at: datetime, count: int) -> list[str]:
    """New ULIDs of an instant, in increasing order.

    The random part is new for each call. ULID() adds one to its last of the same millisecond, so it
    must not give the first of several here: it would give the second one to somebody else.
    """
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    start = (milliseconds << _RANDOM_BITS) + secrets.randbits(_RANDOM_BITS - 1)
    return [str(ULID.from_int(start + number)) for number in range(count)]


def milliseconds_of(ulid: str) -> int:
    """The milliseconds since 1970 at which a ULID was made."""
    return int.from_bytes(ULID.from_str(ulid).bytes[:_TIME_BYTES])


def time_part(ulid: str) -> str:
    """The milliseconds of a ULID as text that sorts by time."""
    return ulid[:_MILLISECOND_CHARACTERS]
