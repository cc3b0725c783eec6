"""Batch upserts: up to 100 items, each on its own; one bad item never takes the others along.

Nor does one that failed: what landed is told, and what failed for now can be sent again, alone or
with the whole batch: under the same Idempotency-Key too, for such an answer is not kept.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from kernel.aggregate import Aggregate, invalid
from kernel.errors import CrmError
from kernel.faults import explained
from kernel.http import Body, ManyResults

LIMIT = 100
_THREADS = 8
_FOR_NOW = frozenset(
    f"urn:zebros:problem:{slug}"
    # The two in the middle: another request came first. An upsert has not seen any version, and
    # finds the record that has its external id by now.
    for slug in ("busy", "stale-version", "duplicate-external-id", "not-ready", "internal")
)
"""Problems of an item that may be gone when it is sent again as it is."""


class Batch(Body):
    """Records to create or change by external id; each is checked on its own."""

    items: list[object] = Field(min_length=1, max_length=LIMIT)


class BatchProblem(BaseModel):
    """Why one item was not taken (RFC 9457 members)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = Field(default_factory=list, exclude_if=lambda v: not v)


class BatchResult(BaseModel):
    """What became of one item: 201 created, 200 changed or as it was, else a problem."""

    index: int = Field(description="Position in the request, from 0.")
    status: int
    id: str | None = None
    version: int | None = None
    problem: BatchProblem | None = None


class BatchResults(ManyResults):
    """One result per item, in the request's order."""

    results: list[BatchResult]

    @property
    def unfinished(self) -> bool:
        """Whether an item failed for now."""
        return any(result.problem and result.problem.type in _FOR_NOW for result in self.results)


def upsert_each[M: BaseModel](
    items: Sequence[object], model: type[M], upsert: Callable[[M], tuple[Aggregate, bool]]
) -> BatchResults:
    """Validate and upsert every item on its own, several at a time.

    Items that name the same record must not run at the same time, so a batch keeps the order of
    items with a common external id by running them in one go.
    """

    def one(index: int, item: object) -> BatchResult:
        try:
            try:
                wanted = model.model_validate(item)
            except ValidationError as fault:
                raise invalid(fault) from fault
            record, created = upsert(wanted)
        except Exception as failure:
            told = explained(failure)
            return BatchResult(index=index, status=told.status, problem=_problem(told))
        return BatchResult(
            index=index, status=201 if created else 200, id=record.id, version=record.version
        )

    groups: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(_same_record(index, item), []).append(index)

    def run(indexes: list[int]) -> list[BatchResult]:
        return [one(index, items[index]) for index in indexes]

    with ThreadPoolExecutor(_THREADS) as pool:
        results = [result for group in pool.map(run, groups.values()) for result in group]
    return BatchResults(results=sorted(results, key=lambda result: result.index))


def _same_record(index: int, item: object) -> str:
    """Items with the same first external id are about the same record."""
    external: Any = item.get("external_ids") if isinstance(item, dict) else None
    if isinstance(external, dict) and external:
        system = min(map(str, external))
        return f"{system}:{external.get(system)}"
    return f"#{index}"


def _problem(fault: CrmError) -> BatchProblem:
    return BatchProblem(
        type=fault.type,
        title=fault.title,
        status=fault.status,
        detail=fault.detail,
        errors=[{"field": e.field, "message": e.message} for e in fault.errors],
    )
