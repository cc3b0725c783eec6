"""Pipelines in DynamoDB: keys and mapping, nothing else.

Index keys, with the tenant in front:
  gsi1  PIPELINES  <folded name>#<id>   the tenant's pipelines, by name
"""

from kernel.domain.clock import Clock
from kernel.domain.folding import fold
from kernel.storage import cursor as cursors
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Item, Table
from opportunities.events.pipelines import DEFAULT_PIPELINE
from opportunities.model.pipelines import Pipeline


def _index(pipeline: Pipeline) -> Item:
    return {
        "gsi1pk": f"TENANT#{pipeline.tenant_id}#PIPELINES",
        "gsi1sk": f"{fold(pipeline.name)}#{pipeline.id}",
    }


class PipelineRepository(RecordStore[Pipeline]):
    """The pipelines in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, Pipeline, "pipeline", _index, clock)

    def named(self, tenant_id: str, pipeline_id: str) -> Pipeline:
        """A pipeline; the default one needs no item. Raises NotFound."""
        if pipeline_id == DEFAULT_PIPELINE:
            return Pipeline.default(tenant_id)
        return self.get(tenant_id, pipeline_id)

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
