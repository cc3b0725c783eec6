"""Batch upserts: up to 100 independent items; an item that fails does not affect the others.

When an item failed that may succeed later, the batch's answer is not stored, so the batch can be
sent again with the same Idempotency-Key.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, StrictBool

from kernel.domain.aggregate import Aggregate
from kernel.domain.errors import (
    MAX_DETAIL,
    MAX_ERRORS,
    MAX_FIELD,
    MAX_MESSAGE,
    MAX_TITLE,
    MAX_TYPE,
    CrmError,
    InternalError,
)
from kernel.domain.events import MAX_EXTERNAL_IDS, MAX_USER_ID, same_id
from kernel.domain.validation import given_by, validate
from kernel.runtime.work import carried
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.models import Body, MultiStatus
from kernel.web.problems import problem_of

LIMIT = 100
_THREADS = 8


class Batch(Body):
    """Records to create or change by external id; each is validated separately."""

    items: list[object] = Field(min_length=1, max_length=LIMIT)
    dry_run: StrictBool = Field(
        False, description="Answer as if the batch were carried out, and change nothing."
    )


class BatchFieldError(BaseModel):
    """A wrong field of one item and how to correct it."""

    field: str = Field(max_length=MAX_FIELD)
    message: str = Field(max_length=MAX_MESSAGE)


class BatchProblem(BaseModel):
    """Why one item was rejected (RFC 9457 members)."""

    type: str = Field(max_length=MAX_TYPE)
    title: str = Field(max_length=MAX_TITLE)
    status: int = Field(ge=400, le=599)
    detail: str = Field(max_length=MAX_DETAIL)
    errors: list[BatchFieldError] = Field(
        default_factory=list, max_length=MAX_ERRORS, exclude_if=lambda v: not v
    )

    @classmethod
    def of(cls, problem: CrmError) -> "BatchProblem":
        """A problem as part of a batch's answer."""
        return cls.model_validate(problem.document())


class BatchResult(BaseModel):
    """The result of one item: 201 created, 200 changed or unchanged, else a problem."""

    index: int = Field(ge=0, le=LIMIT - 1, description="Position in the request, from 0.")
    status: int = Field(ge=200, le=599)
    id: str | None = Field(None, max_length=MAX_USER_ID, description="The record.")
    version: int | None = Field(None, ge=1)
    changed: bool | None = Field(
        None, description="Whether the record is created or differs from before; absent in errors."
    )
    problem: BatchProblem | None = None
    _may_be_sent_again: bool = PrivateAttr(default=False)

    @classmethod
    def failed(cls, index: int, problem: CrmError) -> "BatchResult":
        """The result of an item that failed."""
        result = cls(index=index, status=problem.status, problem=BatchProblem.of(problem))
        result._may_be_sent_again = (
            problem.retryable or problem.lost_race or isinstance(problem, InternalError)
        )
        return result

    @property
    def may_be_sent_again(self) -> bool:
        """Whether the item failed but may succeed when it is sent again unchanged."""
        return self._may_be_sent_again


class BatchResults(MultiStatus):
    """One result per item, in the request's order."""

    results: list[BatchResult] = Field(max_length=LIMIT)

    @property
    def unfinished(self) -> bool:
        """Whether an item failed that may succeed when it is sent again."""
        return any(result.may_be_sent_again for result in self.results)


def external_ids_of(item: object) -> list[tuple[str, str]]:
    """The external ids in an item that is not validated yet."""
    external: Any = item.get("external_ids") if isinstance(item, dict) else None
    if not isinstance(external, dict) or len(external) > MAX_EXTERNAL_IDS:  # rejected later
        return []
    return [(system, same_id(str(value).strip())) for system, value in external.items()]


def upsert_each[M: BaseModel](
    unit: UnitOfWork,
    body: Batch,
    model: type[M],
    upsert: Callable[[UnitOfWork, M], tuple[Aggregate, bool]],
    names: Callable[[object], list[tuple[str, str]]] = external_ids_of,
) -> BatchResults:
    """Validate and upsert every item independently, several at the same time.

    Each has a unit of work of its own, which commits nothing in a dry run. Items about the same
    record must not run concurrently: those that share one of their `names`, directly or through
    other items, run one after the other in their order.
    """

    items, dry_run = body.items, body.dry_run

    def one(index: int) -> BatchResult:
        try:
            item = validate(model, items[index], given_by(unit.principal.country))
            own = unit.for_import(dry_run=dry_run)
            record, created = upsert(own, item)
        except Exception as error:
            return BatchResult.failed(index, problem_of(error))
        status, record_id = (201, None if dry_run else record.id) if created else (200, record.id)
        return BatchResult(
            index=index,
            status=status,
            id=record_id,
            version=record.version,
            changed=own.has_changes,
        )

    def run(indexes: list[int]) -> list[BatchResult]:
        return [one(index) for index in indexes]

    with ThreadPoolExecutor(_THREADS) as pool:
        results = [
            result for group in pool.map(carried(run), _groups(items, names)) for result in group
        ]
    return BatchResults(results=sorted(results, key=lambda result: result.index))


def _groups(
    items: Sequence[object], names_of: Callable[[object], list[tuple[str, str]]] = external_ids_of
) -> list[list[int]]:
    """The items' indexes, those about the same record together."""
    groups: dict[int, list[int]] = {}
    group_of: dict[tuple[str, str], int] = {}
    for index, item in enumerate(items):
        names = names_of(item)
        met = {group_of[name] for name in names if name in group_of}
        groups[index] = sorted([one for group in met for one in groups.pop(group)] + [index])
        if met:  # this item shows that these groups are about the same record
            group_of = {name: index if group in met else group for name, group in group_of.items()}
        group_of |= dict.fromkeys(names, index)
    return list(groups.values())
