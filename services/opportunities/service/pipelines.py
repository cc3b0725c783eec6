"""Use cases of pipelines and boards: check the right, load, decide, commit."""

from collections.abc import Sequence

from kernel.domain.clock import Clock
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.context import OPPORTUNITIES, SETTINGS
from opportunities.events.pipelines import PipelineFields
from opportunities.model.pipelines import Pipeline
from opportunities.repository.boards import BoardColumn, BoardRepository
from opportunities.repository.pipelines import PipelineRepository


class PipelineService:
    """What users do with pipelines."""

    def __init__(self, pipelines: PipelineRepository, boards: BoardRepository, now: Clock) -> None:
        self._pipelines, self._boards, self._now = pipelines, boards, now

    def create(self, unit: UnitOfWork, fields: PipelineFields) -> Pipeline:
        """Create a pipeline; needs full rights on settings."""
        unit.principal.require(Level.FULL, SETTINGS)
        change = Pipeline.create(
            unit.tenant_id, new_id(), fields, unit.principal.user_id, self._now()
        )
        return self._pipelines.save(unit, None, change)

    def get(self, request: RequestContext, pipeline_id: str) -> Pipeline:
        """A pipeline."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._pipelines.by_id(request.tenant_id, pipeline_id)

    def list(self, request: RequestContext, limit: int, cursor: str | None) -> Page[Pipeline]:
        """The tenant's pipelines by name, the default one first."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._pipelines.list(request.tenant_id, limit, cursor)

    def board(
        self, request: RequestContext, pipeline_id: str
    ) -> tuple[Pipeline, Sequence[BoardColumn]]:
        """A pipeline and the columns of its board."""
        pipeline = self.get(request, pipeline_id)
        return pipeline, self._boards.columns(request.tenant_id, pipeline.id)
