"""Use cases of pipelines and boards: check the right, load, decide, commit."""

from collections.abc import Sequence

from kernel.domain.clock import Clock
from kernel.domain.errors import UnreadableRecord
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.context import OPPORTUNITIES, SETTINGS
from opportunities.events.pipelines import PipelineFields
from opportunities.model.pipelines import Pipeline
from opportunities.repository.boards import BoardColumn
from opportunities.repository.cached import PipelineReads
from opportunities.repository.pipelines import PipelineRepository


class PipelineService:
    """What users do with pipelines."""

    def __init__(self, pipelines: PipelineRepository, reads: PipelineReads, now: Clock) -> None:
        self._pipelines, self._reads, self._now = pipelines, reads, now

    def create(self, unit: UnitOfWork, fields: PipelineFields) -> Pipeline:
        """Create a pipeline; needs full rights on settings."""
        unit.principal.require(Level.FULL, SETTINGS)
        change = Pipeline.create(
            unit.tenant_id, new_id(), fields, unit.principal.user_id, self._now()
        )
        pipeline = self._pipelines.save(unit, None, change)
        self._reads.created(unit.tenant_id)
        return pipeline

    def get(self, request: RequestContext, pipeline_id: str) -> Pipeline:
        """A pipeline."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._reads.by_id(request.tenant_id, pipeline_id)

    def list(self, request: RequestContext, limit: int, cursor: str | None) -> Page[Pipeline]:
        """The tenant's pipelines by name, the default one first."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._reads.list(request.tenant_id, limit, cursor)

    def board(
        self, request: RequestContext, pipeline_id: str
    ) -> tuple[Pipeline, Sequence[BoardColumn]]:
        """A pipeline and the columns of its board. Raises UnreadableRecord without stages."""
        pipeline = self.get(request, pipeline_id)
        if not pipeline.stages:
            raise UnreadableRecord(f"The stages of pipeline {pipeline_id} cannot be read.")
        return pipeline, self._reads.columns(request.tenant_id, pipeline.id)
