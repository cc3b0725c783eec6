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
_RANK_BITS = 31
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
    return _from(at, secrets.randbits(_RANDOM_BITS - 1), count)


def last_ids_at(at: datetime, count: int, rank: int) -> list[str]:
    """New ULIDs of an instant, in increasing order, after all that `ids_at` gives for it.

    Those of a higher `rank` (below 2**31) are after those of a lower one.
    """
    random = secrets.randbits(_RANDOM_BITS - 1 - _RANK_BITS - 1)
    highest = 1 << (_RANDOM_BITS - 1) | rank << (_RANDOM_BITS - 1 - _RANK_BITS)
    return _from(at, highest + random, count)


def _from(at: datetime, first: int, count: int) -> list[str]:
    """The ULIDs of an instant whose part after the time is `first` and the numbers after it."""
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    start = (milliseconds << _RANDOM_BITS) + first
    return [str(ULID.from_int(start + number)) for number in range(count)]


def id_before(ulid: str, by: int) -> str:
    """The ULID that is `by` before another one, as those of one change follow each other."""
    return str(ULID.from_int(int.from_bytes(ULID.from_str(ulid).bytes) - by))


def milliseconds_of(ulid: str) -> int:
    """The milliseconds since 1970 at which a ULID was made."""
    return int.from_bytes(ULID.from_str(ulid).bytes[:_TIME_BYTES])


def time_part(ulid: str) -> str:
    """The milliseconds of a ULID as text that sorts by time."""
    return ulid[:_MILLISECOND_CHARACTERS]
