"""What a stored record has beside its model, and where it differs from it.

A record is read although a field of it is wrong, and it is written back by releases that do not
know all of its fields (docs/adr/0028). What such a read sets aside is an `Aside`, under the name
ASIDE among the record's extra attributes. The usual record has none.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel

ASIDE = "$aside"
"""No field of a model has such a name."""


_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Nested(NamedTuple):
    """A field inside of a value that the value's model does not know."""

    path: tuple[str | int, ...]
    """From the record to the field."""
    value: Any


class Aside(NamedTuple):
    """What one stored record has beside its model."""

    refused: Mapping[str, Any] = _NOTHING
    """Optional fields with a value that the model refuses, as stored; the record has defaults."""
    wrong: Mapping[str, str] = _NOTHING
    """Required fields without a valid value, and the kind of each error."""
    nested: tuple[Nested, ...] = ()
    entries_missing: bool = False
    """Whether an earlier release stored it, without all items by which it is found or unique."""


def with_entries_missing[A: BaseModel](record: A) -> A:
    """The record of an earlier release, without all items by which it is found or unique."""
    aside = aside_of(record) or Aside()
    return record.model_copy(update={ASIDE: aside._replace(entries_missing=True)})


def has_entries_missing(record: BaseModel) -> bool:
    """Whether not all items by which a record is found or unique are there."""
    aside = aside_of(record)
    return aside is not None and aside.entries_missing


def aside_of(record: BaseModel) -> Aside | None:
    """What was set aside when a record was read."""
    extra = record.__pydantic_extra__
    aside = extra.get(ASIDE) if extra else None
    return aside if isinstance(aside, Aside) else None
