"""Identifiers: ULIDs (https://github.com/ulid/spec) in 26 capitals, sortable by time."""

from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints
from ulid import ULID

PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
Id = Annotated[str, StringConstraints(pattern=PATTERN)]
"""The identifier of a record of this CRM."""


_MILLISECOND_CHARACTERS = 10


def new_id() -> str:
    """A new ULID."""
    return str(ULID())


def ids_at(at: datetime, count: int) -> list[str]:
    """New ULIDs of an instant, in increasing order."""
    start = int.from_bytes(ULID.from_datetime(at).bytes)
    return [str(ULID.from_int(start + number)) for number in range(count)]


def time_part(ulid: str) -> str:
    """The milliseconds of a ULID as text that sorts by time."""
    return ulid[:_MILLISECOND_CHARACTERS]
