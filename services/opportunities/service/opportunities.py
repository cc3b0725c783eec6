"""Use cases of opportunities: check the right, load, decide, commit."""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from kernel.domain.aggregate import Change, Mended, Version
from kernel.domain.clock import Clock
from kernel.domain.errors import Invalid, NotFound
from kernel.domain.events import Fields
from kernel.domain.ids import new_id
from kernel.domain.merge_patch import patched_fields
from kernel.domain.ownership import People, ensure_may_change, ensure_may_hand_over, with_owner
from kernel.domain.permissions import Level
from kernel.domain.principal import Principal, RequestContext
from kernel.domain.references import Reference
from kernel.domain.time_zones import today
from kernel.storage.archived import Archived
from kernel.storage.external_ids import find_by_external_ids, page_by_external_id, upserted_fields
from kernel.storage.records import Page
from kernel.storage.references import References
from kernel.storage.table import Item
from kernel.storage.unit_of_work import UnitOfWork
from opportunities.context import CHANGE_CLOSED, OPPORTUNITIES
from opportunities.events.opportunities import (
    OpportunityChanges,
    OpportunityCorrected,
    OpportunityFields,
)
from opportunities.events.pipelines import DEFAULT_PIPELINE, StageKind
from opportunities.model.opportunities import CloseDetails, Opportunity, own_fields
from opportunities.model.pipelines import Pipeline
from opportunities.repository.opportunities import OpportunityRepository
from opportunities.repository.pipelines import PipelineRepository
from opportunities.repository.products import ProductRepository

_REFERENCES = {"account_id": "account", "contact_id": "contact"}
"""The fields that name records of other contexts, and their types."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The pipeline, stage and closing details in a request; None for those that were not sent."""

    pipeline_id: str | None = None
    stage: str | None = None
    close_details: CloseDetails = field(default_factory=CloseDetails)


class OpportunityService:
    """What users do with opportunities."""

    def __init__(
        self,
        opportunities: OpportunityRepository,
        pipelines: PipelineRepository,
        products: ProductRepository,
        references: References,
        now: Clock,
    ) -> None:
        self._opportunities, self._pipelines, self._products = opportunities, pipelines, products
        self._references, self._now = references, now

    def create(
        self, unit: UnitOfWork, fields: OpportunityFields, placement: Placement
    ) -> Opportunity:
        """Create an opportunity; by default the caller owns it and it is in the first stage."""
        unit.principal.require(Level.WRITE, OPPORTUNITIES)
        pipeline_id = placement.pipeline_id or DEFAULT_PIPELINE
        # One read has the records that the fields refer to, and the pipeline.
        pk = self._pipelines.key(unit.tenant_id, pipeline_id)
        read = self._references.together_with(pk, "STATE")
        fields = self._checked(unit, fields, None, people=read)
        pipeline = self._pipeline(unit.tenant_id, pipeline_id, read.item)
        if pipeline.archived_at is not None:
            reason = f"{pipeline.described()} takes no opportunities. {pipeline.how_to_go_on()}"
            raise Invalid.field("pipeline_id", reason)
        stage = pipeline.stage(placement.stage or pipeline.first_stage(StageKind.OPEN).key)
        now = self._now()
        change = Opportunity.create(
            unit.tenant_id,
            new_id(),
            fields,
            pipeline,
            stage,
            unit.principal.user_id,
            now,
            today(now, unit.principal.time_zone),
            placement.close_details,
        )
        save = partial(self._opportunities.save, unit, None, change)
        if unit.dry_run:
            return save()
        return self._pipelines.publish_with(unit.request, pipeline.id, save)

    def get(self, request: RequestContext, opportunity_id: str) -> Opportunity:
        """An opportunity."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._opportunities.get(request.tenant_id, opportunity_id, consistent=False)

    def list_by_owner(
        self,
        request: RequestContext,
        owner_id: str | None,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Opportunity]:
        """A user's opportunities (default: the caller's own), newest first."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        owner = owner_id or request.principal.user_id
        return self._opportunities.list_by_owner(request.tenant_id, owner, limit, cursor, archived)

    def list_to_hand_over(
        self, unit: UnitOfWork, from_id: str, to_id: str, limit: int, cursor: str | None
    ) -> Page[Opportunity]:
        """A user's open opportunities that the caller may give to another person.

        Closed ones stay with who closed them: reports credit them.
        """
        unit.principal.require(Level.WRITE, OPPORTUNITIES)
        ensure_may_hand_over(unit.principal, self._references, from_id, to_id)
        page = self._opportunities.list_by_owner(unit.tenant_id, from_id, limit, cursor)
        return Page(
            items=[one for one in page.items if one.status is StageKind.OPEN],
            next_cursor=page.next_cursor,
        )

    def list_by_account(
        self,
        request: RequestContext,
        account_id: str,
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Opportunity]:
        """An account's opportunities, newest first."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return self._opportunities.list_by_account(
            request.tenant_id, account_id, limit, cursor, archived
        )

    def list_by_stage(
        self,
        request: RequestContext,
        pipeline_id: str,
        stage: str,
        closing: tuple[date | None, date | None],
        limit: int,
        cursor: str | None,
        archived: Archived = Archived.EXCLUDE,
    ) -> Page[Opportunity]:
        """A stage's opportunities in closing order."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        first, last = closing
        if first and last and last < first:
            raise Invalid.field("close_to", f"is before close_from ({first})")
        self._pipeline(request.tenant_id, pipeline_id).stage(stage)
        return self._opportunities.list_by_stage(
            request.tenant_id, pipeline_id, stage, closing, limit, cursor, archived
        )

    def find_by_external_id(
        self, request: RequestContext, ref: str, archived: Archived = Archived.EXCLUDE
    ) -> Page[Opportunity]:
        """The opportunity that has an external id, as a page of one or none."""
        request.principal.require(Level.READ, OPPORTUNITIES)
        return page_by_external_id(self._opportunities, request.tenant_id, ref, archived)

    def update(
        self, unit: UnitOfWork, opportunity_id: str, if_match: Version, patch: dict[str, Any]
    ) -> Opportunity:
        """Change an opportunity's fields."""
        before = self._load(unit, opportunity_id, if_match, mend=OpportunityChanges)
        changes = patched_fields(before, patch, OpportunityChanges)
        fields = self._checked(unit, own_fields(changes), before, patch)
        details = CloseDetails.corrected(changes, before.status)
        day = today(self._now(), unit.principal.time_zone)
        change = before.update(fields, day, details)
        _ensure_may_correct(unit.principal, change)
        return self._opportunities.save(unit, before, change)

    def move(
        self, unit: UnitOfWork, opportunity_id: str, if_match: Version, stage: str
    ) -> Opportunity:
        """Move an opportunity to another open stage."""
        before = self._load(unit, opportunity_id, if_match)
        change = before.move(self._pipeline_of(before).stage(stage), self._now())
        return self._opportunities.save(unit, before, change)

    def win(
        self,
        unit: UnitOfWork,
        opportunity_id: str,
        if_match: Version,
        closed_on: date | None,
    ) -> Opportunity:
        """Mark an opportunity as won, by default today."""
        before = self._load(unit, opportunity_id, if_match)
        stage, now = self._pipeline_of(before).first_stage(StageKind.WON), self._now()
        day = today(now, unit.principal.time_zone)
        return self._opportunities.save(unit, before, before.win(stage, now, day, closed_on))

    def lose(
        self,
        unit: UnitOfWork,
        opportunity_id: str,
        if_match: Version,
        reason: str,
        closed_on: date | None,
    ) -> Opportunity:
        """Mark an opportunity as lost, by default today, with the reason."""
        before = self._load(unit, opportunity_id, if_match)
        stage, now = self._pipeline_of(before).first_stage(StageKind.LOST), self._now()
        day = today(now, unit.principal.time_zone)
        change = before.lose(stage, now, reason, day, closed_on)
        return self._opportunities.save(unit, before, change)

    def reopen(
        self, unit: UnitOfWork, opportunity_id: str, if_match: Version, stage: str | None
    ) -> Opportunity:
        """Reopen a closed opportunity; needs the permission to do so."""
        before = self._load(unit, opportunity_id, if_match)
        unit.principal.require_permission(CHANGE_CLOSED)
        pipeline = self._pipeline_of(before)
        target = pipeline.stage(stage) if stage else pipeline.first_stage(StageKind.OPEN)
        return self._opportunities.save(unit, before, before.reopen(target, self._now()))

    def reassign(
        self,
        unit: UnitOfWork,
        opportunity_id: str,
        if_match: Version,
        owner_id: str,
        team_id: str | None,
        *,
        team_sent: bool,
    ) -> Opportunity:
        """Give an opportunity to another person, by default with that person's team."""
        before = self._load(unit, opportunity_id, if_match)
        sent: dict[str, Any] = {"owner_id": owner_id}
        sent |= {"team_id": team_id} if team_sent else {}
        fields = Fields.model_construct(_fields_set=set(sent), **sent)
        fields = with_owner(fields, unit.principal, self._references, before)
        same = fields.owner_id == before.owner_id and not team_sent
        change = before.reassign(owner_id, before.team_id if same else fields.team_id)
        return self._opportunities.save(unit, before, change)

    def restore(self, unit: UnitOfWork, opportunity_id: str, if_match: Version) -> Opportunity:
        """Restore an opportunity that was archived by a restore of the context."""
        before = self._archived(unit, opportunity_id, if_match)
        return self._opportunities.save(unit, before, before.restore())

    def release_external_ids(
        self, unit: UnitOfWork, opportunity_id: str, if_match: Version
    ) -> Opportunity:
        """Give up the external ids of an archived opportunity, for another one to have them."""
        before = self._archived(unit, opportunity_id, if_match)
        return self._opportunities.save(unit, before, before.release_external_ids())

    def upsert(
        self, unit: UnitOfWork, fields: OpportunityFields, placement: Placement
    ) -> tuple[Opportunity, bool]:
        """Create or change by external id, and move to the imported stage.

        Also updates closing details; never reopens, and never moves to another pipeline.
        """
        unit.principal.require(Level.WRITE, OPPORTUNITIES)
        existing_id = find_by_external_ids(self._opportunities, unit.tenant_id, fields.external_ids)
        if existing_id is None:
            return self.create(unit, fields, placement), True
        before = self._load(unit, existing_id, None, mend=OpportunityFields)
        fields = upserted_fields(before, fields)
        fields = self._checked(unit, fields, before)
        if placement.pipeline_id not in (None, before.pipeline_id):
            raise Invalid.field(
                "pipeline_id", f"cannot change; the opportunity is in {before.pipeline_id}"
            )
        stage = None
        if placement.stage not in (None, before.stage):
            stage = self._pipeline_of(before).stage(placement.stage)
        now = self._now()
        day = today(now, unit.principal.time_zone)
        change = before.apply_import(fields, stage, placement.close_details, now, day)
        _ensure_may_correct(unit.principal, change)
        return self._opportunities.save(unit, before, change), False

    def _archived(self, unit: UnitOfWork, opportunity_id: str, if_match: Version) -> Opportunity:
        unit.principal.require(Level.WRITE, OPPORTUNITIES)
        opportunity = self._opportunities.get(unit.tenant_id, opportunity_id)
        ensure_may_change(unit.principal, opportunity)
        return opportunity.ensure_version(if_match)

    def _load(
        self, unit: UnitOfWork, opportunity_id: str, if_match: Version, *, mend: Mended = None
    ) -> Opportunity:
        unit.principal.require(Level.WRITE, OPPORTUNITIES)
        opportunity = self._opportunities.get(unit.tenant_id, opportunity_id, mend=mend)
        ensure_may_change(unit.principal, opportunity)
        return opportunity.ensure_version(if_match).ensure_active()

    def _pipeline(
        self, tenant_id: str, pipeline_id: str, item: Callable[[], Item | None] | None = None
    ) -> Pipeline:
        """The pipeline that a request's field names, in its item if that is read already.

        Raises Invalid for an unknown one.
        """
        try:
            if item is None:
                return self._pipelines.by_id(tenant_id, pipeline_id)
            return self._pipelines.of_item(tenant_id, pipeline_id, item())
        except NotFound as error:
            raise Invalid.field("pipeline_id", f"there is no pipeline {pipeline_id}") from error

    def _pipeline_of(self, opportunity: Opportunity) -> Pipeline:
        return self._pipelines.by_id(opportunity.tenant_id, opportunity.pipeline_id)

    def _checked(
        self,
        unit: UnitOfWork,
        fields: OpportunityFields,
        before: Opportunity | None,
        sent: Container[str] | None = None,
        people: People | None = None,
    ) -> OpportunityFields:
        """The fields with their owner's team. Raises Invalid for what cannot be referred to.

        What is unchanged is not read.
        """
        self._check_product(unit.tenant_id, fields, before)
        named = (
            Reference(field, record_type, record_id)
            for field, record_type in _REFERENCES.items()
            if (record_id := getattr(fields, field)) is not None
            and (before is None or getattr(before, field) != record_id)
        )
        people = people or self._references
        return with_owner(fields, unit.principal, people, before, named, sent)

    def _check_product(
        self, tenant_id: str, fields: OpportunityFields, before: Opportunity | None
    ) -> None:
        """Raise Invalid for a product that is not there or not active.

        An unchanged one is not read: it may have become inactive since.
        """
        product_id = fields.product_id
        if product_id is None or (before is not None and before.product_id == product_id):
            return
        # Read consistently only when the product cannot be used: it may be new, or active again.
        find = partial(self._products.find, tenant_id, product_id)
        product = find(consistent=False)
        if product is None or not product.usable:
            product = find()
        if product is None:
            raise Invalid.field("product_id", f"there is no product {product_id}")
        if not product.usable:
            state = "archived" if product.archived_at is not None else "not active"
            raise Invalid.field("product_id", f"product {product_id} ({product.name}) is {state}")


def _ensure_may_correct(principal: Principal, change: Change[Opportunity]) -> None:
    """Raise PermissionDenied for a correction of closed figures by a role that may not."""
    for event in change.events:
        if isinstance(event, OpportunityCorrected):
            principal.require_permission(CHANGE_CLOSED, *event.changed)
