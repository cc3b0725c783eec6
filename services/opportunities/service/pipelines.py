"""Use cases of pipelines and boards: check the right, load, decide, commit."""

from collections.abc import Sequence
from typing import Any

from kernel.domain.aggregate import Version
from kernel.domain.clock import Clock
from kernel.domain.errors import (
    Conflict,
    FieldError,
    Invalid,
    RuleViolation,
    StaleVersion,
    UnreadableRecord,
)
from kernel.domain.folding import fold
from kernel.domain.ids import new_id
from kernel.domain.merge_patch import patched_fields
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.storage.archived import Archived
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.context import OPPORTUNITIES, SETTINGS
from opportunities.events.pipelines import DEFAULT_PIPELINE, PipelineFields, Stage, StageKind
from opportunities.model.opportunities import Opportunity
from opportunities.model.pipelines import Pipeline
from opportunities.repository.boards import BoardColumn
from opportunities.repository.cached import PipelineReads
from opportunities.repository.opportunities import OpportunityRepository
from opportunities.repository.pipelines import PipelineRepository

MOVED = 100
"""The opportunities that one request moves to another stage; they take a few seconds."""


class PipelineService:
    """What users do with pipelines."""

    def __init__(
        self,
        pipelines: PipelineRepository,
        opportunities: OpportunityRepository,
        reads: PipelineReads,
        now: Clock,
    ) -> None:
        self._pipelines, self._opportunities, self._reads = pipelines, opportunities, reads
        self._now = now

    def create(self, unit: UnitOfWork, fields: PipelineFields) -> Pipeline:
        """Create a pipeline; needs full rights on settings."""
        unit.principal.require(Level.FULL, SETTINGS)
        change = Pipeline.create(
            unit.tenant_id, new_id(), fields, unit.principal.user_id, self._now()
        )
        self._ensure_name_is_free(None, change.state)
        pipeline = self._pipelines.save(unit, None, change)
        self._reads.changed(unit.tenant_id, pipeline.id)
        return pipeline

    def update(
        self, unit: UnitOfWork, pipeline_id: str, if_match: Version, patch: dict[str, Any]
    ) -> Pipeline:
        """Change a pipeline; needs full rights on settings.

        Raises RuleViolation when a stage that is removed still has opportunities.
        """
        before = self._load(unit, pipeline_id, if_match)
        change = before.update(patched_fields(before, patch, PipelineFields))
        self._ensure_name_is_free(before, change.state)
        for stage in before.without(change.state):
            if self._in_stage(before, stage.key, 1):
                raise RuleViolation(
                    f"Stage {stage.key} still has opportunities; move them first: "
                    f"POST …/{pipeline_id}/stages/{stage.key}/move."
                )
        if pipeline_id == DEFAULT_PIPELINE and change.events:
            self._pipelines.publish_default(unit.request)
        pipeline = self._pipelines.save(unit, before, change)
        self._reads.changed(unit.tenant_id, pipeline.id)
        return pipeline

    def restore(self, unit: UnitOfWork, pipeline_id: str, if_match: Version) -> Pipeline:
        """Restore a pipeline that was archived by a restore of the context."""
        before = self._load(unit, pipeline_id, if_match)
        change = before.restore()
        self._ensure_name_is_free(before, change.state)
        pipeline = self._pipelines.save(unit, before, change)
        self._reads.changed(unit.tenant_id, pipeline.id)
        return pipeline

    def move_opportunities(
        self, unit: UnitOfWork, pipeline_id: str, stage: str, to: str
    ) -> tuple[int, bool]:
        """Move opportunities of one open stage to another; up to MOVED in one request.

        Returns how many were moved, and whether there are more.
        """
        unit.principal.require(Level.FULL, SETTINGS)
        pipeline = self._pipelines.by_id(unit.tenant_id, pipeline_id)
        target = pipeline.stage(to)
        if pipeline.stage(stage).kind is not StageKind.OPEN or target.kind is not StageKind.OPEN:
            raise Invalid.field("to", "opportunities move from one open stage to another")
        if stage == to:
            raise Invalid.field("to", "is the stage that they are in")
        found = self._in_stage(pipeline, stage, MOVED + 1)
        moved = sum(self._move_one(unit, one.id, stage, target) for one in found[:MOVED])
        return moved, len(found) > moved

    def _move_one(self, unit: UnitOfWork, opportunity_id: str, stage: str, target: Stage) -> bool:
        """Move one opportunity; False when somebody else is changing it or has moved it."""
        before = self._opportunities.get(unit.tenant_id, opportunity_id)
        if before.stage != stage or before.status is not StageKind.OPEN:
            return False
        try:
            # Each is a change of its own, so none takes the request's idempotency key.
            change = before.move(target, self._now())
            self._opportunities.save(unit.for_record(), before, change)
        except StaleVersion:
            return False
        return True

    def _in_stage(self, pipeline: Pipeline, stage: str, limit: int) -> Sequence[Opportunity]:
        return self._opportunities.list_by_stage(
            pipeline.tenant_id, pipeline.id, stage, (None, None), limit, None, Archived.INCLUDE
        ).items

    def _load(self, unit: UnitOfWork, pipeline_id: str, if_match: Version) -> Pipeline:
        unit.principal.require(Level.FULL, SETTINGS)
        return self._pipelines.by_id(unit.tenant_id, pipeline_id).ensure_version(if_match)

    def _ensure_name_is_free(self, before: Pipeline | None, after: Pipeline) -> None:
        """Raise Conflict when another pipeline has the name.

        A default pipeline that nobody has changed has its name without an item for it.
        """
        first = Pipeline.default(after.tenant_id)
        if after.id != first.id and fold(after.name) == fold(first.name):
            default = self._pipelines.by_id(after.tenant_id, first.id)
            if fold(default.name) == fold(after.name):
                raise Conflict(
                    f"The default pipeline is called {default.name}; choose another name.",
                    errors=(FieldError("name", "belongs to the default pipeline"),),
                )
        version = (before.version if before else 0) + 1
        self._pipelines.names.ensure_free(before, after.with_changes(version=version))

    def get(self, request: RequestContext, pipeline_id: str) -> Pipeline:
        """A pipeline."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._reads.by_id(request.tenant_id, pipeline_id)

    def list(
        self,
        request: RequestContext,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Pipeline]:
        """The tenant's pipelines by name, the default one first."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._reads.list(request.tenant_id, limit, cursor, archived)

    def board(
        self, request: RequestContext, pipeline_id: str
    ) -> tuple[Pipeline, Sequence[BoardColumn]]:
        """A pipeline and the columns of its board. Raises UnreadableRecord without stages."""
        pipeline = self.get(request, pipeline_id)
        if not pipeline.stages:
            raise UnreadableRecord(f"The stages of pipeline {pipeline_id} cannot be read.")
        return pipeline, self._reads.columns(request.tenant_id, pipeline.id)
