"""Pipelines and boards as people read them: from the cache, where there is one.

Nothing here is for decisions, which read the table consistently (`PipelineRepository.by_id`).
"""

from collections.abc import Sequence
from functools import cache

import pydantic

from kernel.cache.reading import CachedReads, Entry
from kernel.domain.money import STORED
from kernel.storage.archived import Archived
from kernel.storage.records import Page
from opportunities.model.pipelines import Pipeline
from opportunities.repository.boards import BoardColumn, BoardRepository
from opportunities.repository.pipelines import PipelineRepository

FIRST_PAGE = 25
"""The page that is cached: the first of the default size, which screens load."""


@cache
def _columns() -> "pydantic.TypeAdapter[list[BoardColumn]]":
    """Made at the first use, because most deployments have no cache."""
    return pydantic.TypeAdapter(list[BoardColumn])


# A changed pipeline is forgotten when it is saved, and a board is behind its opportunities anyway.
# What is stored wrongly is not accepted from the cache, so it is read again each time.
PIPELINE = Entry(
    "pipeline",
    3,
    60,
    lambda one: one.model_dump_json(warnings=False).encode(),
    lambda body: Pipeline.model_validate_json(body, context=STORED),
)
PIPELINES = Entry(
    "pipelines",
    4,
    10,
    lambda page: page.model_dump_json(warnings=False).encode(),
    lambda body: Page[Pipeline].model_validate_json(body, context=STORED),
)
BOARD = Entry(
    "board",
    1,
    5,
    lambda columns: _columns().dump_json(columns),
    lambda body: _columns().validate_json(body),
)


class PipelineReads:
    """Pipelines and boards, at most as old as their entries allow."""

    def __init__(
        self, pipelines: PipelineRepository, boards: BoardRepository, reads: CachedReads
    ) -> None:
        self._pipelines, self._boards, self._reads = pipelines, boards, reads

    def by_id(self, tenant_id: str, pipeline_id: str) -> Pipeline:
        """A pipeline. Raises NotFound."""
        return self._reads.get_or_load(
            PIPELINE,
            tenant_id,
            (pipeline_id,),
            lambda: self._pipelines.shown(tenant_id, pipeline_id),
        )

    def list(
        self,
        tenant_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Pipeline]:
        """The default pipeline, then the tenant's own by name."""
        if cursor is not None or limit != FIRST_PAGE or archived is not Archived.EXCLUDE:
            return self._pipelines.list(tenant_id, limit, cursor, archived)
        return self._reads.get_or_load(
            PIPELINES, tenant_id, (), lambda: self._pipelines.list(tenant_id, limit, None)
        )

    def changed(self, tenant_id: str, pipeline_id: str) -> None:
        """Let a new or changed pipeline be shown at once, in lists as far as their index has it."""
        self._reads.forget(PIPELINES, tenant_id, ())
        self._reads.forget(PIPELINE, tenant_id, (pipeline_id,))

    def columns(self, tenant_id: str, pipeline_id: str) -> Sequence[BoardColumn]:
        """Count and sum per stage and currency."""
        return self._reads.get_or_load(
            BOARD, tenant_id, (pipeline_id,), lambda: self._boards.columns(tenant_id, pipeline_id)
        )
