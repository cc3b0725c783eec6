"""Batch upserts: up to 100 items, each on its own; one bad item never takes the others along.

Nor does one that failed: what landed is told, and what failed for now can be sent again, alone or
with the whole batch: under the same Idempotency-Key too, for such an answer is not kept.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from kernel.domain.aggregate import Aggregate, invalid
from kernel.domain.errors import CrmError
from kernel.domain.events import MAX_EXTERNAL_IDS
from kernel.web.faults import explained
from kernel.web.http import Body, ManyResults

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

    Items that name the same record must not run at the same time: those with an external id in
    common, also by way of others, run one after the other, as they came.
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

    def run(indexes: list[int]) -> list[BatchResult]:
        return [one(index, items[index]) for index in indexes]

    with ThreadPoolExecutor(_THREADS) as pool:
        results = [result for group in pool.map(run, _groups(items)) for result in group]
    return BatchResults(results=sorted(results, key=lambda result: result.index))


def _groups(items: Sequence[object]) -> list[list[int]]:
    """The items' indexes, those about the same record together."""
    groups: dict[int, list[int]] = {}
    group_of: dict[tuple[str, str], int] = {}
    for index, item in enumerate(items):
        names = _names(item)
        met = {group_of[name] for name in names if name in group_of}
        groups[index] = sorted([one for group in met for one in groups.pop(group)] + [index])
        if met:  # what may have been apart until now is about one record: this item says so
            group_of = {name: index if group in met else group for name, group in group_of.items()}
        group_of |= dict.fromkeys(names, index)
    return list(groups.values())


def _names(item: object) -> list[tuple[str, str]]:
    """How other systems call the record of an item that nobody has checked yet."""
    external: Any = item.get("external_ids") if isinstance(item, dict) else None
    if not isinstance(external, dict) or len(external) > MAX_EXTERNAL_IDS:  # it will be refused
        return []
    return [(system, str(value).strip()) for system, value in external.items()]


def _problem(fault: CrmError) -> BatchProblem:
    return BatchProblem(
        type=fault.type,
        title=fault.title,
        status=fault.status,
        detail=fault.detail,
        errors=[{"field": e.field, "message": e.message} for e in fault.errors],
    )
