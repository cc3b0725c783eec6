"""The people whom an answer names: `include=people` (docs/adr/0043)."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field, create_model

from kernel.domain.events import UserId
from kernel.domain.references import KnownPerson
from kernel.domain.text import MAX_NAME
from kernel.storage.records import MAX_PAGE, Page

_PEOPLE_FIELDS = (
    "owner_id",
    "assignee_id",
    "created_by",
    "updated_by",
    "completed_by",
    "cancelled_by",
    "actor",
)
"""The members of records and of timeline entries that are ids of people."""
MEMBER = "people"


class Include(StrEnum):
    """What an answer has beside its records."""

    PEOPLE = "people"


class PeopleDirectory(Protocol):
    """What a context knows about the people of a tenant."""

    def people(self, tenant_id: str, ids: Iterable[str]) -> Mapping[str, KnownPerson]:
        """The people among ids who are known."""


class PersonSummary(BaseModel):
    """A person whom an answer names."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(max_length=MAX_NAME)
    team_id: UserId | None = None
    active: bool = Field(description="Whether records and tasks may be given to this person.")


def people_of(directory: PeopleDirectory, tenant_id: str, answer: Any) -> dict[str, PersonSummary]:
    """The people of a record or of a page of them, by id: one read for a hundred people."""
    records = answer.items if isinstance(answer, Page) else [answer]
    named = (getattr(one, name, None) for one in records for name in _PEOPLE_FIELDS)
    ids = {one for one in named if one is not None}
    if not ids:
        return {}
    found = directory.people(tenant_id, sorted(ids))
    return {one: PersonSummary.model_construct(**found[one]._asdict()) for one in sorted(found)}


@cache
def with_people(model: type[BaseModel]) -> type[BaseModel]:
    """The model of an answer with its people, made when it is needed first."""
    people = Field(
        None,
        max_length=len(_PEOPLE_FIELDS) * MAX_PAGE,
        description="With `include=people`: the people whom the answer names, by id. Those who "
        "are not in the directory are left out.",
    )
    return create_model(
        f"{model.__name__}WithPeople",
        __base__=model,
        people=(dict[UserId, PersonSummary] | None, people),
    )
