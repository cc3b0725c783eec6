"""Pipelines, products and opportunities in DynamoDB: keys and mapping, nothing else.

Index keys (each with the tenant in front):
  gsi1  OWNER#<owner>                  <opportunity id>            a user's deals, newest first
  gsi2  ACCOUNT#<account>              <opportunity id>            an account's deals, newest first
  gsi3  STAGE#<pipeline>#<stage>       <close date>#<id>           a board column in closing order
  gsi1  PRODUCTS / PIPELINES           <folded name>#<id>          the catalogue
  BOARD#<pipeline> (table itself)      STAGE#<stage>#<currency>    count and sum of a column
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from kernel.domain.auth import Caller, system
from kernel.domain.clock import Clock
from kernel.domain.dates import NO_DATE, key_range
from kernel.domain.errors import Conflict
from kernel.domain.events import DomainEvent
from kernel.domain.folding import fold
from kernel.storage import cursor
from kernel.storage.dynamo import Action, Add, Item, Table
from kernel.storage.store import Page, Store
from opportunities.events import DEFAULT_PIPELINE, StageKind
from opportunities.model import Opportunity, Pipeline, Product


def _opportunity_index(o: Opportunity) -> Item:
    tenant = f"TENANT#{o.tenant_id}#"
    if o.archived_at:
        return {}
    close = o.closed_on if o.status is not StageKind.OPEN else o.expected_close_on
    keys: Item = {
        "gsi3pk": f"{tenant}STAGE#{o.pipeline_id}#{o.stage}",
        "gsi3sk": f"{close or NO_DATE}#{o.id}",
    }
    if o.owner_id:
        keys |= {"gsi1pk": f"{tenant}OWNER#{o.owner_id}", "gsi1sk": o.id}
    if o.account_id:
        keys |= {"gsi2pk": f"{tenant}ACCOUNT#{o.account_id}", "gsi2sk": o.id}
    return keys


def _product_index(p: Product) -> Item:
    return {
        "gsi1pk": f"TENANT#{p.tenant_id}#PRODUCTS",
        "gsi1sk": f"{fold(p.name)}#{p.id}",
    }


def _pipeline_index(p: Pipeline) -> Item:
    if p.id == DEFAULT_PIPELINE:
        return {}  # lists begin with it, whether it is stored or not
    return {
        "gsi1pk": f"TENANT#{p.tenant_id}#PIPELINES",
        "gsi1sk": f"{fold(p.name)}#{p.id}",
    }


@dataclass(frozen=True, slots=True)
class Column:
    """One stage of a board in one currency (empty: deals without an amount)."""

    stage: str
    currency: str
    count: int
    minor_units: int


class OpportunityRepository:
    """All records of this context in its one table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        self._table = table
        self.opportunities = Store(table, Opportunity, "opportunity", _opportunity_index, clock)
        self.products = Store(table, Product, "product", _product_index, clock)
        self.pipelines = Store(table, Pipeline, "pipeline", _pipeline_index, clock)
        self._now = clock
        self._default_published: set[str] = set()
        """Tenants whose default pipeline is known to be stored: no request asks twice."""

    def pipeline(self, tenant_id: str, pipeline_id: str) -> Pipeline:
        """A pipeline; the default one is never read, as all have the same. Raises NotFound."""
        if pipeline_id == DEFAULT_PIPELINE:
            return Pipeline.default(tenant_id)
        return self.pipelines.get(tenant_id, pipeline_id)

    def add(self, caller: Caller, opportunity: Opportunity, *events: DomainEvent) -> Opportunity:
        """A new opportunity with its events; a tenant's first one publishes the default pipeline.

        Raises Conflict. Docs: docs/adr/0011-the-default-pipeline-is-an-event.md.
        """
        tenant_id = opportunity.tenant_id
        if opportunity.pipeline_id != DEFAULT_PIPELINE or self._has_default(tenant_id):
            return self.save(caller, None, opportunity, *events)
        exists = Conflict(f"There is a pipeline {DEFAULT_PIPELINE} already.")
        try:
            also = self._publish_default(caller, exists)
            saved = self.save(caller, None, opportunity, *events, also=also)
        except Conflict as fault:
            if fault is not exists:
                raise
            # Another request of this tenant was faster.
            saved = self.save(caller, None, opportunity, *events)
        self._default_published.add(tenant_id)
        return saved

    def _has_default(self, tenant_id: str) -> bool:
        """Whether the tenant's default pipeline is stored; it is looked up once per process."""
        if tenant_id not in self._default_published:
            found = self.pipelines.find(tenant_id, DEFAULT_PIPELINE, consistent=False)
            if found is None:
                return False
            self._default_published.add(tenant_id)
        return True

    def _publish_default(self, caller: Caller, exists: Conflict) -> list[Action]:
        """What stores the default pipeline and its event, unless the tenant has it."""
        pipeline, event = Pipeline.publish_default(caller.tenant_id)
        actor = system(caller.tenant_id, correlation_id=caller.correlation_id)
        return self.pipelines.actions(actor, None, pipeline, [event], self._now(), exists=exists)

    def save(
        self,
        caller: Caller,
        before: Opportunity | None,
        after: Opportunity,
        *events: DomainEvent,
        also: Sequence[Action] = (),
    ) -> Opportunity:
        """A deal with its events. Raises StaleVersion, Conflict."""
        return self.opportunities.save(caller, before, after, *events, also=also)

    def of_owner(
        self, tenant_id: str, owner_id: str, limit: int, after: str | None
    ) -> Page[Opportunity]:
        """A user's deals, newest first."""
        return self.opportunities.page(
            tenant_id,
            f"OWNER#{owner_id}",
            index="gsi1",
            limit=limit,
            after=after,
            newest_first=True,
        )

    def of_account(
        self, tenant_id: str, account_id: str, limit: int, after: str | None
    ) -> Page[Opportunity]:
        """An account's deals, newest first."""
        return self.opportunities.page(
            tenant_id,
            f"ACCOUNT#{account_id}",
            index="gsi2",
            limit=limit,
            after=after,
            newest_first=True,
        )

    def of_stage(
        self,
        tenant_id: str,
        pipeline_id: str,
        stage: str,
        closing: tuple[date | None, date | None],
        limit: int,
        after: str | None,
    ) -> Page[Opportunity]:
        """A board column in order of the (expected) close date.

        `closing` is the first and the last day; with either of them undated deals are left out.
        """
        return self.opportunities.page(
            tenant_id,
            f"STAGE#{pipeline_id}#{stage}",
            index="gsi3",
            limit=limit,
            after=after,
            between=key_range(*closing),
        )

    def catalogue(self, tenant_id: str, limit: int, after: str | None) -> Page[Product]:
        """Products by name."""
        return self.products.page(tenant_id, "PRODUCTS", index="gsi1", limit=limit, after=after)

    def pipelines_page(self, tenant_id: str, limit: int, after: str | None) -> Page[Pipeline]:
        """The default pipeline, then the tenant's own by name."""
        own = partial(self.pipelines.page, tenant_id, "PIPELINES", index="gsi1")
        if after is not None:
            return own(limit=limit, after=None if after == _past_default(tenant_id) else after)
        default, page = Pipeline.default(tenant_id), own(limit=max(limit - 1, 1), after=None)
        if limit > 1:
            return Page(items=[default, *page.items], next_cursor=page.next_cursor)
        return Page(items=[default], next_cursor=_past_default(tenant_id) if page.items else None)

    def board(self, tenant_id: str, pipeline_id: str) -> list[Column]:
        """Count and sum per stage and currency: one Query, however many deals there are."""
        columns, after = [], None
        while True:
            found = self._table.query(
                f"TENANT#{tenant_id}#BOARD#{pipeline_id}", prefix="STAGE#", limit=1000, after=after
            )
            columns += [_column(item) for item in found.items]
            if (after := found.last_key) is None:
                return columns


def _past_default(tenant_id: str) -> str | None:
    """The cursor behind the default pipeline, which has no item to go on after."""
    return cursor.encode(tenant_id, "pipelines past the default one", {"id": DEFAULT_PIPELINE})


def _column(item: Item) -> Column:
    _, stage, currency = str(item["sk"]).split("#")
    return Column(stage, currency, int(item.get("deals", 0)), int(item.get("minor_units", 0)))


def board_counter(
    tenant_id: str, pipeline_id: str, stage: str, currency: str, deals: int, minor_units: int
) -> Add:
    """The change of one board column by one deal."""
    return Add(
        f"TENANT#{tenant_id}#BOARD#{pipeline_id}",
        f"STAGE#{stage}#{currency}",
        {"deals": deals, "minor_units": minor_units},
    )
