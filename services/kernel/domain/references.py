"""References of a record to records of other contexts and to people, and their faults."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kernel.domain.errors import FieldError, Invalid
from kernel.domain.folding import fold

PERSON = "person"
_SUGGESTIONS = 3
_LIKENESS = 0.6
"""The least ratio of equal characters of a name that is suggested."""


class Reference(NamedTuple):
    """A field of a request, and the record that it names."""

    field: str
    record_type: str
    id: str


class KnownPerson(NamedTuple):
    """What a context knows about a person, to show with what is theirs."""

    name: str
    team_id: str | None
    active: bool


class Named(NamedTuple):
    """A person to suggest."""

    id: str
    name: str


def refuse(faults: Iterable[tuple[Reference, str | None]]) -> None:
    """Raise Invalid with a message for each field that has a fault."""
    wrong = tuple(FieldError(one.field, fault) for one, fault in faults if fault)
    if wrong:
        raise Invalid("; ".join(f"{one.field}: {one.message}" for one in wrong), errors=wrong)


def no_such_person(wanted: str, people: Sequence[Named]) -> str:
    """The message for an unknown person, with those whose id or name is much like it."""
    from difflib import get_close_matches  # only here: most requests name people who exist

    ids: dict[str, Named] = {}
    for one in people:
        ids |= dict.fromkeys((fold(one.id), fold(one.name), *fold(one.name).split()), one)
    found = get_close_matches(fold(wanted), ids, n=_SUGGESTIONS, cutoff=_LIKENESS)
    named = list(dict.fromkeys(f"{ids[key].id} ({ids[key].name})" for key in found))
    suggestion = f"; did you mean {' or '.join(named)}?" if named else ""
    return f"there is no person {wanted}{suggestion}"


def not_active(wanted: str) -> str:
    """The message for a person who has left."""
    return f"{wanted} is not active any more; name another person"
