"""Base models of request bodies, query strings and responses."""

from pydantic import BaseModel, ConfigDict, Field

from kernel.domain.errors import FieldError, Invalid, UnindexedFilter
from kernel.storage.archived import Archived
from kernel.storage.records import MAX_CURSOR, MAX_PAGE
from kernel.web.people import Include


class Body(BaseModel):
    """Base of request bodies: an unknown field is rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MultiStatus(BaseModel):
    """Base of the response of a route that makes many independent changes."""

    @property
    def unfinished(self) -> bool:
        """Whether a change failed that may succeed when the request is sent again."""
        raise NotImplementedError


class Query(BaseModel):
    """Base of query strings: an unknown filter is rejected, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def one_of(self, *names: str) -> None:
        """Raise UnindexedFilter when more than one of these filters is given."""
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1:
            raise UnindexedFilter(
                f"There is no index for {' and '.join(given)} together; give one of them.",
                errors=tuple(FieldError(name, "give only one of these") for name in given),
            )

    def only_with(self, other: str, *names: str) -> None:
        """Raise UnindexedFilter for filters that work only together with `other`."""
        for name in names:
            if getattr(self, name) is not None:
                raise UnindexedFilter(
                    f"{name} filters only together with {other}.",
                    errors=(FieldError(name, f"needs {other}"),),
                )


class PeopleQuery(Query):
    """The query of answers that can have the people whom they name."""

    include: Include | None = Field(
        None,
        description="people: the answer has `people`, with the name, team and activity of "
        "everybody whom it names by id.",
    )


class ListQuery(Query):
    """The query of every list."""

    limit: int = Field(25, ge=1, le=MAX_PAGE, description="Records per page.")
    cursor: str | None = Field(
        None, max_length=MAX_CURSOR, description="`next_cursor` of the previous page."
    )

    def ensure_no_cursor_with(self, name: str) -> None:
        """Raise Invalid for a cursor together with a filter that finds at most one record."""
        if getattr(self, name) is not None and self.cursor is not None:
            raise Invalid.field("cursor", f"must be left out: {name} finds at most one record")


class RecordQuery(ListQuery, PeopleQuery):
    """The query of every list of records that can be archived."""

    archived: Archived = Field(
        Archived.EXCLUDE,
        description="exclude: active records; only: archived ones; include: both, in one order.",
    )
