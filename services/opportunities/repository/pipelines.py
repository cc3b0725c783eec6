"""Pipelines in DynamoDB: keys and mapping, nothing else.

Index keys, prefixed with the tenant:
  gsi1  PIPELINES  <folded name>#<id>   the tenant's pipelines, by name
"""

import builtins
from typing import Protocol

from kernel.domain.clock import Clock
from kernel.domain.errors import Conflict, NotFound, UnreadableRecord
from kernel.domain.folding import fold
from kernel.domain.principal import RequestContext, system_request
from kernel.storage import cursor as cursors
from kernel.storage.archived import Archived
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import Action, Item, Table
from kernel.storage.unique import UniqueText
from kernel.storage.unit_of_work import UnitOfWork
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
    """The name; that of a default pipeline nobody has changed is reserved without an item."""
    return pipeline.name if pipeline.id != DEFAULT_PIPELINE or pipeline.version > 1 else None


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
        if pipeline_id != DEFAULT_PIPELINE or request.tenant_id in self._default_stored:
            return save()
        actions, exists = self._default_actions(request)
        try:
            saved = save(*actions)
        except Conflict as fault:
            if fault is not exists:
                raise
            # Another request of this tenant was faster.
            saved = save()
        self._default_stored.add(request.tenant_id)
        return saved

    def publish_default(self, request: RequestContext) -> None:
        """Publish the default pipeline as it was from the start, unless it is stored already.

        A change of it comes after this, so its history is that of any other pipeline.
        """
        if request.tenant_id in self._default_stored:
            return
        actions, exists = self._default_actions(request)
        try:
            UnitOfWork(request).commit(self.table, actions)
        except Conflict as fault:
            if fault is not exists:
                raise
        self._default_stored.add(request.tenant_id)

    def _default_actions(self, request: RequestContext) -> tuple[list[Action], Conflict]:
        """The writes of the default pipeline, and what they raise when it is stored already."""
        exists = Conflict(f"There is a pipeline {DEFAULT_PIPELINE} already.")
        actor = system_request(request.tenant_id, correlation_id=request.correlation_id)
        default = Pipeline.publish_default(request.tenant_id)
        return self.new_record_actions(actor, default, exists), exists

    def by_id(self, tenant_id: str, pipeline_id: str) -> Pipeline:
        """A pipeline, read consistently; the default one also unstored. Raises NotFound."""
        item = self.table.get(self.key(tenant_id, pipeline_id), "STATE", consistent=True)
        return self.of_item(tenant_id, pipeline_id, item)

    def of_item(self, tenant_id: str, pipeline_id: str, item: Item | None) -> Pipeline:
        """The pipeline in its item, as `by_id` returns it. Raises NotFound."""
        if item is None and pipeline_id == DEFAULT_PIPELINE:
            return Pipeline.default(tenant_id)
        if item is None:
            raise NotFound(f"There is no {self.record_type} {pipeline_id}.")
        if pipeline_id == DEFAULT_PIPELINE:
            self._default_stored.add(tenant_id)
        return self.for_decisions(item)

    def shown(self, tenant_id: str, pipeline_id: str) -> Pipeline:
        """A pipeline as far as it can be read, for people. Raises NotFound."""
        pipeline = self.show(tenant_id, pipeline_id, consistent=True)
        if pipeline is None and pipeline_id == DEFAULT_PIPELINE:
            return Pipeline.default(tenant_id)
        if pipeline is None:
            raise NotFound(f"There is no {self.record_type} {pipeline_id}.")
        return pipeline

    def list(
        self,
        tenant_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Pipeline]:
        """The default pipeline, which is never archived, then the tenant's own by name."""
        if cursor is not None or archived is Archived.ONLY:
            after_default = cursor == _cursor_after_default(tenant_id)
            return self._own(tenant_id, limit, None if after_default else cursor, archived)
        default, own = (
            self._default_in_lists(tenant_id),
            self._own(tenant_id, max(limit - 1, 1), None, archived),
        )
        if limit > 1:
            return Page(items=[*default, *own.items], next_cursor=own.next_cursor)
        next_cursor = _cursor_after_default(tenant_id) if own.items else None
        return Page(items=default, next_cursor=next_cursor)

    def _default_in_lists(self, tenant_id: str) -> "builtins.list[Pipeline]":
        """The default pipeline; left out when it cannot be read, as others are."""
        try:
            return [self.shown(tenant_id, DEFAULT_PIPELINE)]
        except UnreadableRecord:
            return []

    def _own(
        self, tenant_id: str, limit: int, cursor: str | None, archived: Archived
    ) -> Page[Pipeline]:
        return self.page(
            tenant_id, "PIPELINES", index="gsi1", limit=limit, cursor=cursor, archived=archived
        )


def _cursor_after_default(tenant_id: str) -> str | None:
    """The cursor after the default pipeline, which has no item to continue after."""
    return cursors.encode(tenant_id, "pipelines after the default one", {"id": DEFAULT_PIPELINE})
