"""Identifiers: ULIDs (https://github.com/ulid/spec) in 26 capitals, sortable by time."""

from typing import Annotated

from pydantic import StringConstraints
from ulid import ULID

PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
Id = Annotated[str, StringConstraints(pattern=PATTERN)]
"""The identifier of a record of this CRM."""


def new_id() -> str:
    """A new ULID."""
    return str(ULID())
