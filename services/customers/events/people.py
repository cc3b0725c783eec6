"""The events of people and the state they carry; the source of their schemas."""

from typing import Annotated

from pydantic import Field, StrictBool, StringConstraints

from kernel.domain.events import MAX_USER_ID, DomainEvent, Fields, Name, Snapshot, UserId
from kernel.domain.patterns import described

_PERSON_ID = described(
    rf"^[!\"$-.0-~]([ !\"$-.0-~]{{0,{MAX_USER_ID - 2}}}[!\"$-.0-~])?$",
    f"must be the `sub` of a person's tokens: at most {MAX_USER_ID} ASCII characters, no # or /",
)
PersonId = Annotated[str, StringConstraints(pattern=_PERSON_ID, strip_whitespace=True)]
"""A user as the identity provider knows it: the `sub` of their tokens, ASCII without # and /."""


class PersonFields(Fields):
    """What an administrator may set on a person."""

    name: Name
    team_id: UserId | None = Field(
        None, description="The person's team, which their records have by default."
    )
    active: StrictBool = Field(
        True, description="Whether records and tasks may be given to this person."
    )


class PersonState(Snapshot, PersonFields):
    """A user of the tenant, to whom records belong."""

    id: PersonId


class PersonEvent(DomainEvent):
    """Base of the events about a person."""

    current: PersonState


class PersonAdded(PersonEvent, context="customers"):
    """A person was added to the directory."""


class PersonUpdated(PersonEvent, context="customers"):
    """Fields of a person changed, such as `active`; `previous` has their earlier values."""

    changed: list[str] = Field(examples=[["active"]])
    previous: dict[str, object] = Field(examples=[{"active": True}])
