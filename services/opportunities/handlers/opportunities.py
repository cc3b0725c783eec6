"""REST routes of opportunities."""

from pydantic import Field

from kernel.domain.aggregate import Version
from kernel.domain.dates import PlainDate
from kernel.domain.events import Name, UserId
from kernel.domain.ids import Id
from kernel.domain.principal import RequestContext
from kernel.storage.external_ids import ExternalRef
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.models import Body, ListQuery
from kernel.web.routes import Routes
from opportunities.bootstrap import opportunities
from opportunities.events.opportunities import OpportunityFields, OpportunityState
from opportunities.events.pipelines import DEFAULT_PIPELINE, PipelineId, StageKey
from opportunities.model.opportunities import CloseDetails
from opportunities.service.opportunities import Placement

routes = Routes()

_TODAY = "Default: today in the tenant's time zone."


class NewOpportunity(OpportunityFields):
    """An opportunity to create or to import."""

    pipeline_id: PipelineId = DEFAULT_PIPELINE
    stage: StageKey | None = Field(None, description="Default: the pipeline's first stage.")
    closed_on: PlainDate | None = Field(
        None, description=f"For a stage of kind won or lost. {_TODAY}"
    )
    lost_reason: Name | None = Field(None, description="Required for a stage of kind lost.")

    def fields(self) -> OpportunityFields:
        """The opportunity's own fields, still with the set of those that were sent."""
        names = OpportunityFields.model_fields.keys()
        return OpportunityFields.model_construct(
            _fields_set=self.model_fields_set & names, **{n: getattr(self, n) for n in names}
        )

    def placement(self) -> Placement:
        """The requested pipeline, stage and closing details; None for those that were not sent."""
        pipeline_id = self.pipeline_id if "pipeline_id" in self.model_fields_set else None
        return Placement(pipeline_id, self.stage, CloseDetails(self.closed_on, self.lost_reason))


class OpportunityQuery(ListQuery):
    """One of: owner_id, account_id, external_id, or pipeline_id with stage. Default: your own."""

    owner_id: UserId | None = None
    account_id: Id | None = None
    external_id: ExternalRef | None = None
    pipeline_id: PipelineId | None = None
    stage: StageKey | None = None
    close_from: PlainDate | None = None
    close_to: PlainDate | None = None


class MoveOpportunity(Body):
    """The stage to move to."""

    stage: StageKey


class WinOpportunity(Body):
    """How an opportunity was won."""

    closed_on: PlainDate | None = Field(None, description=_TODAY)


class LoseOpportunity(Body):
    """How and why an opportunity was lost."""

    reason: Name
    closed_on: PlainDate | None = Field(None, description=_TODAY)


class ReopenOpportunity(Body):
    """The stage of a reopened opportunity."""

    stage: StageKey | None = Field(None, description="Default: the pipeline's first stage.")


class ReassignOpportunity(Body):
    """The new owner of an opportunity."""

    owner_id: UserId
    team_id: UserId | None = Field(
        default=None, description="The new team. Omitted: no change; null: no team."
    )


@routes.post("/opportunities", status=201)
def create_opportunity(unit: UnitOfWork, body: NewOpportunity) -> OpportunityState:
    """Create an opportunity."""
    return opportunities().create(unit, body.fields(), body.placement())


@routes.get("/opportunities")
def list_opportunities(request: RequestContext, query: OpportunityQuery) -> Page[OpportunityState]:
    """List opportunities of an owner, account or stage."""
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
        )
    query.only_with("stage", "pipeline_id", "close_from", "close_to")
    if query.external_id:
        return opportunities().find_by_external_id(request, query.external_id)
    if query.account_id:
        return opportunities().list_by_account(request, query.account_id, query.limit, query.cursor)
    return opportunities().list_by_owner(request, query.owner_id, query.limit, query.cursor)


@routes.post("/opportunities/batch", status=207)
def upsert_opportunities(unit: UnitOfWork, body: Batch) -> BatchResults:
    """Create or change up to 100 opportunities."""
    return upsert_each(
        unit,
        body,
        NewOpportunity,
        lambda own, item: opportunities().upsert(own, item.fields(), item.placement()),
    )


@routes.get("/opportunities/{opportunity_id}")
def get_opportunity(request: RequestContext, opportunity_id: str) -> OpportunityState:
    """Get an opportunity."""
    return opportunities().get(request, opportunity_id)


@routes.patch("/opportunities/{opportunity_id}", OpportunityFields)
def update_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, patch: dict[str, object]
) -> OpportunityState:
    """Change fields of an opportunity."""
    return opportunities().update(unit, opportunity_id, if_match, patch)


@routes.post("/opportunities/{opportunity_id}/stage")
def move_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: MoveOpportunity
) -> OpportunityState:
    """Move an opportunity to another open stage."""
    return opportunities().move(unit, opportunity_id, if_match, body.stage)


@routes.post("/opportunities/{opportunity_id}/won")
def win_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: WinOpportunity
) -> OpportunityState:
    """Mark an opportunity as won."""
    return opportunities().win(unit, opportunity_id, if_match, body.closed_on)


@routes.post("/opportunities/{opportunity_id}/lost")
def lose_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: LoseOpportunity
) -> OpportunityState:
    """Mark an opportunity as lost, with the reason."""
    return opportunities().lose(unit, opportunity_id, if_match, body.reason, body.closed_on)


@routes.post("/opportunities/{opportunity_id}/reopen")
def reopen_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: ReopenOpportunity
) -> OpportunityState:
    """Reopen a closed opportunity."""
    return opportunities().reopen(unit, opportunity_id, if_match, body.stage)


@routes.post("/opportunities/{opportunity_id}/owner")
def reassign_opportunity(
    unit: UnitOfWork, opportunity_id: str, if_match: Version, body: ReassignOpportunity
) -> OpportunityState:
    """Give an opportunity to another owner."""
    same_team = "team_id" not in body.model_fields_set
    return opportunities().reassign(
        unit, opportunity_id, if_match, body.owner_id, body.team_id, same_team=same_team
    )
