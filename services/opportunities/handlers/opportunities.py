"""REST routes of opportunities."""

from typing import Annotated

from pydantic import Field, StringConstraints

from kernel.domain.aggregate import Version
from kernel.domain.dates import BusinessDate, PlainDate
from kernel.domain.events import Name, UserId
from kernel.domain.ids import Id
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import Body, PeopleQuery, RecordQuery
from kernel.web.reassigning import Reassignment, ReassignmentResults, reassign_each
from kernel.web.routes import Routes
from opportunities.bootstrap import opportunities
from opportunities.events.opportunities import (
    OpportunityChanges,
    OpportunityFields,
    OpportunityState,
)
from opportunities.events.pipelines import DEFAULT_PIPELINE, PipelineId
from opportunities.model.opportunities import CloseDetails, own_fields
from opportunities.service.opportunities import Placement

routes = Routes()

StageReference = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""What a request gives as a stage. The pipeline knows its stages and names them in its answer."""
_TODAY = "Default: today in the tenant's time zone."


class NewOpportunity(OpportunityFields):
    """An opportunity to create or to import."""

    pipeline_id: PipelineId = DEFAULT_PIPELINE
    stage: StageReference | None = Field(
        None, description="The key of a stage. Default: the pipeline's first stage."
    )
    closed_on: BusinessDate | None = Field(
        None, description=f"For a stage of kind won or lost. {_TODAY}"
    )
    lost_reason: Name | None = Field(None, description="Required for a stage of kind lost.")

    def fields(self) -> OpportunityFields:
        """The opportunity's own fields, still with the set of those that were sent."""
        return own_fields(self)

    def placement(self) -> Placement:
        """The requested pipeline, stage and closing details; None for those that were not sent."""
        pipeline_id = self.pipeline_id if "pipeline_id" in self.model_fields_set else None
        return Placement(pipeline_id, self.stage, CloseDetails(self.closed_on, self.lost_reason))


class OpportunityQuery(RecordQuery):
    """One of: owner_id, account_id, external_id, or pipeline_id with stage. Default: your own."""

    owner_id: UserId | None = None
    account_id: Id | None = None
    external_id: ExternalRef | None = None
    pipeline_id: PipelineId | None = None
    stage: StageReference | None = None
    close_from: PlainDate | None = None
    close_to: PlainDate | None = None


class MoveOpportunity(Body):
    """The stage to move to."""

    stage: StageReference


class WinOpportunity(Body):
    """How an opportunity was won."""

    closed_on: BusinessDate | None = Field(None, description=_TODAY)


class LoseOpportunity(Body):
    """How and why an opportunity was lost."""

    reason: Name
    closed_on: BusinessDate | None = Field(None, description=_TODAY)


class ReopenOpportunity(Body):
    """The stage of a reopened opportunity."""

    stage: StageReference | None = Field(
        None, description="The key of a stage. Default: the pipeline's first stage."
    )


class ReassignOpportunity(Body):
    """The new owner of an opportunity."""

    owner_id: UserId
    team_id: UserId | None = Field(
        default=None, description="The new team. Omitted: the new owner's; null: no team."
    )


@routes.post("/opportunities", status=201)
def create_opportunity(unit: UnitOfWork, body: NewOpportunity) -> OpportunityState:
    """Create an opportunity.

    It starts in the pipeline's first stage unless `stage` names another. In a stage of kind won
    or lost it is closed at once, on `closed_on` or today.
    """
    return opportunities().create(unit, body.fields(), body.placement())


@routes.get("/opportunities")
def list_opportunities(request: RequestContext, query: OpportunityQuery) -> Page[OpportunityState]:
    """List opportunities of an owner, account or stage.

    One filter at a time. Those of a stage are in the order of their closing days, all others
    newest first.
    """
    query.one_of("owner_id", "account_id", "external_id", "stage")
    query.ensure_no_cursor_with("external_id")
    if query.stage:
        return opportunities().list_by_stage(
            request,
            query.pipeline_id or DEFAULT_PIPELINE,
            query.stage,
            (query.close_from, query.close_to),
            query.limit,
            query.cursor,
            query.archived,
        )
    query.only_with("stage", "pipeline_id", "close_from", "close_to")
    if query.external_id:
        return opportunities().find_by_external_id(request, query.external_id, query.archived)
    if query.account_id:
        return opportunities().list_by_account(
            request, query.account_id, query.limit, query.cursor, query.archived
        )
    return opportunities().list_by_owner(
        request, query.owner_id, query.limit, query.cursor, query.archived
    )


@routes.post("/opportunities/batch", status=207)
def upsert_opportunities(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 opportunities.

    Each item is found by its external ids, created or changed, moved to its stage, and answered
    on its own: one that is rejected does not affect the others. A closed opportunity is not
    reopened.
    """
    return upsert_each(
        unit,
        body,
        NewOpportunity,
        lambda own, item: opportunities().upsert(own, item.fields(), item.placement()),
    )


@routes.post("/opportunities/reassign", status=207)
def reassign_opportunities(unit: UnitOfWork, body: Reassignment) -> ReassignmentResults:
    """Give the open opportunities of a person to another one.

    Up to `limit` of them in one request, each answered on its own; `next_cursor` is there until
    none is left, so the work can be stopped and gone on with. For the records of others it
    needs the permission to reassign. Closed ones stay with whoever closed them.
    """
    page = opportunities().list_to_hand_over(
        unit, body.from_id, body.to_id, body.limit, body.cursor
    )
    patch = body.patch(owner_id=body.to_id)
    return reassign_each(
        page, lambda one: opportunities().update(unit.for_record(), one.id, one.version, patch)
    )


@routes.get("/opportunities/{opportunity_id}")
def get_opportunity(
    request: RequestContext,
    opportunity_id: str,
    query: PeopleQuery,  # noqa: ARG001 - the API adds the people
) -> OpportunityState:
    """Get an opportunity.

    Its amount is in minor units of its currency: 1250 is USD 12.50.
    """
    return opportunities().get(request, opportunity_id)


@routes.patch("/opportunities/{opportunity_id}", OpportunityChanges)
def update_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, patch: dict[str, object]
) -> OpportunityState:
    """Change fields of an opportunity, or correct a closed one.

    A JSON merge patch: fields that are absent stay, and null removes one. The stage has operations
    of its own. Figures, closing day and reason of a closed one need the permission to correct it.
    """
    return opportunities().update(unit, opportunity_id, if_match, patch)


@routes.post("/opportunities/{opportunity_id}/stage")
def move_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: MoveOpportunity
) -> OpportunityState:
    """Move an opportunity to another open stage.

    For stages of kind open; won and lost have operations of their own. The forecast category
    and the probability follow the stage.
    """
    return opportunities().move(unit, opportunity_id, if_match, body.stage)


@routes.post("/opportunities/{opportunity_id}/won")
def win_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: WinOpportunity
) -> OpportunityState:
    """Mark an opportunity as won.

    It moves to the pipeline's stage of kind won and is closed on `closed_on`.
    """
    return opportunities().win(unit, opportunity_id, if_match, body.closed_on)


@routes.post("/opportunities/{opportunity_id}/lost")
def lose_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: LoseOpportunity
) -> OpportunityState:
    """Mark an opportunity as lost, with the reason.

    It moves to the pipeline's stage of kind lost and is closed on `closed_on` with the reason.
    """
    return opportunities().lose(unit, opportunity_id, if_match, body.reason, body.closed_on)


@routes.post("/opportunities/{opportunity_id}/reopen")
def reopen_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: ReopenOpportunity
) -> OpportunityState:
    """Reopen a closed opportunity.

    Needs the permission to reopen. It loses its closing day and reason, and moves to an open
    stage.
    """
    return opportunities().reopen(unit, opportunity_id, if_match, body.stage)


@routes.post("/opportunities/{opportunity_id}/owner")
def reassign_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: ReassignOpportunity
) -> OpportunityState:
    """Give an opportunity to another owner.

    Your own can be given to anyone; another user's needs the permission to reassign. The team
    follows the owner unless `team_id` is sent. Both owners are notified.
    """
    team_sent = "team_id" in body.model_fields_set
    return opportunities().reassign(
        unit, opportunity_id, if_match, body.owner_id, body.team_id, team_sent=team_sent
    )


@routes.post("/opportunities/{opportunity_id}/restore")
def restore_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version
) -> OpportunityState:
    """Restore an archived opportunity.

    It was archived when the context was restored to a time before it. It appears in lists
    again.
    """
    return opportunities().restore(unit, opportunity_id, if_match)


@routes.post("/opportunities/{opportunity_id}/release-external-ids")
def release_external_ids_of_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version
) -> OpportunityState:
    """Release the external ids of an archived opportunity.

    Another record can have them then, for example the one that an import creates. A record that
    is not archived is a 422.
    """
    return opportunities().release_external_ids(unit, opportunity_id, if_match)
