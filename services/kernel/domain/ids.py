"""Identifiers: ULIDs (https://github.com/ulid/spec) in 26 capitals, sortable by time."""

from typing import Annotated

from pydantic import StringConstraints
from ulid import ULID

PATTERN = r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$"
Id = Annotated[str, StringConstraints(pattern=PATTERN)]
"""An identifier of a record of ours."""


def new_id() -> str:
    """A fresh ULID."""
    return str(ULID())
