"""Gives the records of a person to another one, a page at a time (docs/adr/0040).

Every record is changed by itself, as if it was the only one, so an interrupted call has changed
some records wholly and others not at all. Records that were given away are not listed any more:
the same call, sent again, continues.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import Field

from kernel.domain.aggregate import Aggregate
from kernel.domain.events import UserId
from kernel.runtime.work import carried
from kernel.storage.records import MAX_CURSOR, Page
from kernel.web.batch import BatchResult, BatchResults
from kernel.web.models import Body
from kernel.web.problems import problem_of

_THREADS = 8


class Reassignment(Body):
    """Whose records another person gets."""

    from_id: UserId = Field(description="The person whose records are given away.")
    to_id: UserId = Field(description="The person who gets them.")
    team_id: UserId | None = Field(
        None, description="The records' team. Omitted: the new owner's; null: no team."
    )
    limit: int = Field(50, ge=1, le=100, description="The records of one call, at most.")
    cursor: str | None = Field(
        None, max_length=MAX_CURSOR, description="`next_cursor` of the previous call."
    )

    def patch(self, **fields: Any) -> dict[str, Any]:
        """The merge patch of a record, with the team if it was sent."""
        return {**fields, **({"team_id": self.team_id} if self.team_sent else {})}

    @property
    def team_sent(self) -> bool:
        """Whether the request names a team, or that there is none."""
        return "team_id" in self.model_fields_set


class ReassignmentResults(BatchResults):
    """One result per record of this call; call again with `next_cursor` until there is none."""

    next_cursor: str | None = Field(None, max_length=MAX_CURSOR)


def reassign_each[A: Aggregate](page: Page[A], give: Callable[[A], A]) -> ReassignmentResults:
    """Give away the records of a page, several at the same time.

    One that somebody else has changed since the page was read is a 412: the next call lists it as
    it is then.
    """

    def one(numbered: tuple[int, A]) -> BatchResult:
        index, record = numbered
        try:
            given = give(record)
        except Exception as error:
            failed = BatchResult.failed(index, problem_of(error))
            return failed.model_copy(update={"id": record.id})
        return BatchResult(index=index, status=200, id=given.id, version=given.version)

    records: Sequence[A] = page.items
    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(carried(one), enumerate(records)))
    return ReassignmentResults(results=results, next_cursor=page.next_cursor)
