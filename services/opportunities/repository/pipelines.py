"""Pipelines in DynamoDB: keys and mapping, nothing else.

Index keys, prefixed with the tenant:
  gsi1  PIPELINES  <folded name>#<id>   the tenant's pipelines, by name
"""

from typing import Protocol

from kernel.domain.clock import Clock
from kernel.domain.errors import Conflict, NotFound
from kernel.domain.folding import fold
from kernel.domain.principal import RequestContext, system_request
from kernel.storage import cursor as cursors
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Action, Item, Table
from kernel.storage.unique import UniqueText
from opportunities.events.pipelines import DEFAULT_PIPELINE
from opportunities.model.pipelines import Pipeline


def _index(pipeline: Pipeline) -> Item:
    if pipeline.id == DEFAULT_PIPELINE:
        return {}  # the list adds it in front, whether it is stored or not
    return {
        "gsi1pk": f"TENANT#{pipeline.tenant_id}#PIPELINES",
        "gsi1sk": f"{fold(pipeline.name)}#{pipeline.id}",
    }


def _own_name(pipeline: Pipeline) -> str | None:
    """The name; that of the default pipeline, which need not be stored, is reserved anyway."""
    return pipeline.name if pipeline.id != DEFAULT_PIPELINE else None


class SaveWith[R](Protocol):
    """Saves a record and carries out further actions in the same transaction."""

    def __call__(self, *also: Action) -> R:
        """Save; returns the record as stored."""


class PipelineRepository(RecordStore[Pipeline]):
    """The pipelines in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Pipeline, "pipeline", _index, clock)
        self.names = UniqueText(self, "name", _own_name)
        self.search = self.names
        self._default_stored: set[str] = set()
        """Tenants whose default pipeline is known to be stored."""

    def publish_with[R](self, request: RequestContext, pipeline_id: str, save: SaveWith[R]) -> R:
        """Save a record in a pipeline; the first in a default pipeline also publishes the pipeline.

        Both in one transaction (docs/adr/0011). Raises what `save` raises.
        """
        tenant_id = request.tenant_id
        if pipeline_id != DEFAULT_PIPELINE or self._has_default(tenant_id):
            return save()
        exists = Conflict(f"There is a pipeline {DEFAULT_PIPELINE} already.")
        actor = system_request(tenant_id, correlation_id=request.correlation_id)
        default = Pipeline.publish_default(tenant_id)
        try:
            saved = save(*self.new_record_actions(actor, default, exists))
        except Conflict as fault:
            if fault is not exists:
                raise
            # Another request of this tenant was faster.
            saved = save()
        self._default_stored.add(tenant_id)
        return saved

    def _has_default(self, tenant_id: str) -> bool:
        """Whether the default pipeline is stored; once it is, the process remembers it."""
        if tenant_id not in self._default_stored:
            if self.find(tenant_id, DEFAULT_PIPELINE, consistent=False) is None:
                return False
            self._default_stored.add(tenant_id)
        return True

    def by_id(self, tenant_id: str, pipeline_id: str) -> Pipeline:
        """A pipeline; the default one needs no read. Raises NotFound."""
        if pipeline_id == DEFAULT_PIPELINE:
            return Pipeline.default(tenant_id)
        return self.get(tenant_id, pipeline_id)

    def shown(self, tenant_id: str, pipeline_id: str) -> Pipeline:
        """A pipeline as far as it can be read, for people. Raises NotFound."""
        pipeline = self.show(tenant_id, pipeline_id, consistent=True)
        if pipeline is None:
            raise NotFound(f"There is no {self.record_type} {pipeline_id}.")
        return pipeline

    def list(self, tenant_id: str, limit: int, cursor: str | None) -> Page[Pipeline]:
        """The default pipeline, then the tenant's own by name."""
        if cursor is not None:
            after_default = cursor == _cursor_after_default(tenant_id)
            return self._own(tenant_id, limit, None if after_default else cursor)
        default, own = Pipeline.default(tenant_id), self._own(tenant_id, max(limit - 1, 1), None)
        if limit > 1:
            return Page(items=[default, *own.items], next_cursor=own.next_cursor)
        next_cursor = _cursor_after_default(tenant_id) if own.items else None
        return Page(items=[default], next_cursor=next_cursor)

    def _own(self, tenant_id: str, limit: int, cursor: str | None) -> Page[Pipeline]:
        return self.page(tenant_id, "PIPELINES", index="gsi1", limit=limit, cursor=cursor)


def _cursor_after_default(tenant_id: str) -> str | None:
    """The cursor after the default pipeline, which has no item to continue after."""
    return cursors.encode(tenant_id, "pipelines after the default one", {"id": DEFAULT_PIPELINE})
