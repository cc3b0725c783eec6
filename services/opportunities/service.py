"""Use cases: check the right, load, decide, commit. One method per thing a user can ask for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from kernel.domain.aggregate import patched
from kernel.domain.auth import Area, Caller, Level, Permission
from kernel.domain.clock import Clock
from kernel.domain.errors import Invalid, NotFound
from kernel.domain.ids import new_id
from kernel.domain.ownership import check_hand_over, must_be_able_to_hand_over, owned
from kernel.storage.external import by_external_id, held, merged
from kernel.storage.store import Page
from opportunities.events import (
    DEFAULT_PIPELINE,
    OpportunityFields,
    PipelineFields,
    ProductFields,
    StageKind,
)
from opportunities.model import Closing, Opportunity, Pipeline, Product
from opportunities.repository import Column, OpportunityRepository


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a deal stands, as far as it is said: its pipeline, its stage and, if closed, how."""

    pipeline_id: str | None = None
    stage: str | None = None
    closing: Closing = field(default_factory=Closing)


class OpportunityService:
    """What users do with pipelines, products and deals."""

    def __init__(self, repository: OpportunityRepository, now: Clock) -> None:
        self._repo, self._now = repository, now

    # -- pipelines ---------------------------------------------------------------------------

    def create_pipeline(self, caller: Caller, fields: PipelineFields) -> Pipeline:
        """Set up a pipeline (settings: full)."""
        caller.must(Level.FULL, Area.SETTINGS)
        pipeline, event = Pipeline.create(
            caller.tenant_id, new_id(), fields, caller.user_id, self._now()
        )
        return self._repo.pipelines.save(caller, None, pipeline, event)

    def pipeline(self, caller: Caller, pipeline_id: str) -> Pipeline:
        """A pipeline."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return self._repo.pipeline(caller.tenant_id, pipeline_id)

    def pipelines(self, caller: Caller, limit: int, cursor: str | None) -> Page[Pipeline]:
        """The tenant's pipelines by name, the default one first."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return self._repo.pipelines_page(caller.tenant_id, limit, cursor)

    def board(self, caller: Caller, pipeline_id: str) -> tuple[Pipeline, list[Column]]:
        """A pipeline and what is in each of its stages."""
        pipeline = self.pipeline(caller, pipeline_id)
        return pipeline, self._repo.board(caller.tenant_id, pipeline.id)

    # -- products ----------------------------------------------------------------------------

    def create_product(self, caller: Caller, fields: ProductFields) -> Product:
        """Add to the catalogue (settings: limited)."""
        caller.must(Level.LIMITED, Area.SETTINGS)
        product, event = Product.create(
            caller.tenant_id, new_id(), fields, caller.user_id, self._now()
        )
        return self._repo.products.save(caller, None, product, event)

    def product(self, caller: Caller, product_id: str) -> Product:
        """A product."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return self._repo.products.get(caller.tenant_id, product_id, consistent=False)

    def products(self, caller: Caller, limit: int, cursor: str | None) -> Page[Product]:
        """The catalogue by name."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return self._repo.catalogue(caller.tenant_id, limit, cursor)

    def product_by_external_id(self, caller: Caller, ref: str) -> Page[Product]:
        """The product another system knows by an id, as a list of one or none."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return by_external_id(self._repo.products, caller.tenant_id, ref)

    def update_product(
        self, caller: Caller, product_id: str, expected: int | None, patch: dict[str, Any]
    ) -> Product:
        """Change a product (settings: limited)."""
        caller.must(Level.LIMITED, Area.SETTINGS)
        before = self._repo.products.get(caller.tenant_id, product_id).expect(expected)
        after, events = before.update(patched(before, patch, ProductFields))
        return self._repo.products.save(caller, before, after, *events) if events else before

    def upsert_product(self, caller: Caller, fields: ProductFields) -> tuple[Product, bool]:
        """Create or change by external id; also says whether it was created."""
        caller.must(Level.LIMITED, Area.SETTINGS)
        found = held(self._repo.products, caller.tenant_id, fields.external_ids)
        if found is None:
            return self.create_product(caller, fields), True
        before = self._repo.products.get(caller.tenant_id, found)
        after, events = before.update(merged(before, fields))
        return (
            self._repo.products.save(caller, before, after, *events) if events else before
        ), False

    # -- opportunities -----------------------------------------------------------------------

    def create(
        self, caller: Caller, fields: OpportunityFields, placement: Placement
    ) -> Opportunity:
        """Open a deal; the caller's, in its pipeline's first stage, unless it says otherwise."""
        caller.must(Level.WRITE, Area.OPPORTUNITIES)
        fields = owned(fields, caller)
        self._check_product(caller, fields, None)
        pipeline = self._named(caller, placement.pipeline_id or DEFAULT_PIPELINE)
        stage = pipeline.stage(placement.stage or pipeline.first(StageKind.OPEN).key)
        deal, events = Opportunity.create(
            caller.tenant_id,
            new_id(),
            fields,
            pipeline,
            stage,
            caller.user_id,
            self._now(),
            placement.closing,
        )
        return self._repo.add(caller, deal, *events)

    def get(self, caller: Caller, opportunity_id: str) -> Opportunity:
        """A deal."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return self._repo.opportunities.get(caller.tenant_id, opportunity_id, consistent=False)

    def of_owner(
        self, caller: Caller, owner_id: str | None, limit: int, cursor: str | None
    ) -> Page[Opportunity]:
        """A user's deals (default: the caller's own), newest first."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return self._repo.of_owner(caller.tenant_id, owner_id or caller.user_id, limit, cursor)

    def of_account(
        self, caller: Caller, account_id: str, limit: int, cursor: str | None
    ) -> Page[Opportunity]:
        """An account's deals, newest first."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return self._repo.of_account(caller.tenant_id, account_id, limit, cursor)

    def of_stage(
        self,
        caller: Caller,
        pipeline_id: str,
        stage: str,
        closing: tuple[date | None, date | None],
        limit: int,
        cursor: str | None,
    ) -> Page[Opportunity]:
        """A board column in closing order."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        first, last = closing
        if first and last and last < first:
            raise Invalid.field("close_to", f"is before close_from ({first})")
        self._named(caller, pipeline_id).stage(stage)
        return self._repo.of_stage(caller.tenant_id, pipeline_id, stage, closing, limit, cursor)

    def by_external_id(self, caller: Caller, ref: str) -> Page[Opportunity]:
        """The deal another system knows by an id, as a list of one or none."""
        caller.must(Level.READ, Area.OPPORTUNITIES)
        return by_external_id(self._repo.opportunities, caller.tenant_id, ref)

    def update(
        self, caller: Caller, opportunity_id: str, expected: int | None, patch: dict[str, Any]
    ) -> Opportunity:
        """Change a deal's fields."""

        def change(deal: Opportunity) -> tuple[Opportunity, list[Any]]:
            fields = patched(deal, patch, OpportunityFields)
            check_hand_over(caller, deal, fields)
            self._check_product(caller, fields, deal)
            return deal.update(fields)

        return self._change(caller, opportunity_id, expected, change)

    def move(
        self, caller: Caller, opportunity_id: str, expected: int | None, stage: str
    ) -> Opportunity:
        """Move a deal to another open stage."""
        return self._change(
            caller,
            opportunity_id,
            expected,
            lambda deal: deal.move(self._pipeline_of(deal).stage(stage), self._now()),
        )

    def win(
        self, caller: Caller, opportunity_id: str, expected: int | None, closed_on: date | None
    ) -> Opportunity:
        """Close a deal in our favour."""

        def change(deal: Opportunity) -> tuple[Opportunity, list[Any]]:
            stage = self._pipeline_of(deal).first(StageKind.WON)
            won, event = deal.win(stage, self._now(), closed_on)
            return won, [event]

        return self._change(caller, opportunity_id, expected, change)

    def lose(
        self,
        caller: Caller,
        opportunity_id: str,
        expected: int | None,
        reason: str,
        closed_on: date | None,
    ) -> Opportunity:
        """Close a deal as lost, with the reason."""

        def change(deal: Opportunity) -> tuple[Opportunity, list[Any]]:
            stage = self._pipeline_of(deal).first(StageKind.LOST)
            lost, event = deal.lose(stage, self._now(), reason, closed_on)
            return lost, [event]

        return self._change(caller, opportunity_id, expected, change)

    def reopen(
        self, caller: Caller, opportunity_id: str, expected: int | None, stage: str | None
    ) -> Opportunity:
        """Open a closed deal again (a permission of its own)."""

        def change(deal: Opportunity) -> tuple[Opportunity, list[Any]]:
            caller.must_be_allowed(Permission.REOPEN_OPPORTUNITY)
            pipeline = self._pipeline_of(deal)
            target = pipeline.stage(stage) if stage else pipeline.first(StageKind.OPEN)
            opened, event = deal.reopen(target, self._now())
            return opened, [event]

        return self._change(caller, opportunity_id, expected, change)

    def reassign(
        self,
        caller: Caller,
        opportunity_id: str,
        expected: int | None,
        owner_id: str,
        team_id: str | None,
        *,
        keeps_team: bool,
    ) -> Opportunity:
        """Give a deal to another owner; one's own deals, or anyone's with the permission."""

        def change(deal: Opportunity) -> tuple[Opportunity, list[Any]]:
            must_be_able_to_hand_over(caller, deal)
            return deal.reassign(owner_id, deal.team_id if keeps_team else team_id)

        return self._change(caller, opportunity_id, expected, change)

    def upsert(
        self, caller: Caller, fields: OpportunityFields, placement: Placement
    ) -> tuple[Opportunity, bool]:
        """Create or change by external id, and bring the deal to the stage its source has it in.

        How a closed deal ended is corrected; reopened, or put into another pipeline, it is not.
        """
        caller.must(Level.WRITE, Area.OPPORTUNITIES)
        found = held(self._repo.opportunities, caller.tenant_id, fields.external_ids)
        if found is None:
            return self.create(caller, fields, placement), True
        before = self._repo.opportunities.get(caller.tenant_id, found).live()
        fields = merged(before, fields)
        check_hand_over(caller, before, fields)
        self._check_product(caller, fields, before)
        if placement.pipeline_id not in (None, before.pipeline_id):
            raise Invalid.field(
                "pipeline_id", f"cannot change; the deal is in {before.pipeline_id}"
            )
        stage = None
        if placement.stage not in (None, before.stage):
            stage = self._pipeline_of(before).stage(placement.stage)
        after, events = before.taken_over(fields, stage, placement.closing, self._now())
        return (self._repo.save(caller, before, after, *events) if events else before), False

    def _change(
        self,
        caller: Caller,
        opportunity_id: str,
        expected: int | None,
        change: Callable[[Opportunity], tuple[Opportunity, list[Any]]],
    ) -> Opportunity:
        caller.must(Level.WRITE, Area.OPPORTUNITIES)
        before = self._repo.opportunities.get(caller.tenant_id, opportunity_id)
        after, events = change(before.expect(expected).live())
        return self._repo.save(caller, before, after, *events) if events else before

    def _named(self, caller: Caller, pipeline_id: str) -> Pipeline:
        """The pipeline a request names in a field: an unknown one is a wrong field, no 404."""
        try:
            return self._repo.pipeline(caller.tenant_id, pipeline_id)
        except NotFound as fault:
            raise Invalid.field("pipeline_id", f"there is no pipeline {pipeline_id}") from fault

    def _pipeline_of(self, deal: Opportunity) -> Pipeline:
        return self._repo.pipeline(deal.tenant_id, deal.pipeline_id)

    def _check_product(
        self, caller: Caller, fields: OpportunityFields, before: Opportunity | None
    ) -> None:
        """A deal names a product of the catalogue; one it had before is not looked up again."""
        wanted = fields.product_id
        if wanted is None or (before is not None and before.product_id == wanted):
            return
        # Most are there; one that seems not to be may have been made a moment ago.
        find = partial(self._repo.products.find, caller.tenant_id, wanted)
        if find(consistent=False) is None and find() is None:
            raise Invalid.field("product_id", f"there is no product {wanted}")
