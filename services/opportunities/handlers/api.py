"""The HTTP face of opportunities: read the request, call one use case, shape the reply."""

from pydantic import BaseModel, Field

from kernel.domain.auth import Caller
from kernel.domain.dates import PlainDate
from kernel.domain.events import Name, UserId
from kernel.domain.ids import Id
from kernel.storage.external import ExternalRef
from kernel.storage.store import Page
from kernel.web.batch import Batch, BatchResults, upsert_each
from kernel.web.http import Api, Body, ListQuery
from opportunities.bootstrap import service, table
from opportunities.events import (
    DEFAULT_PIPELINE,
    OpportunityFields,
    OpportunityState,
    PipelineFields,
    PipelineId,
    PipelineState,
    ProductFields,
    ProductState,
    StageKey,
    StageKind,
)
from opportunities.model import Closing
from opportunities.repository import Column
from opportunities.service import Placement

handler = app = Api("opportunities", table)


class NewOpportunity(OpportunityFields):
    """A deal to open, or to take over from another system as it stands there."""

    pipeline_id: PipelineId = DEFAULT_PIPELINE
    stage: StageKey | None = Field(None, description="Default: the pipeline's first stage.")
    closed_on: PlainDate | None = Field(None, description="For a stage of kind won or lost.")
    lost_reason: Name | None = Field(None, description="Required for a stage of kind lost.")

    def fields(self) -> OpportunityFields:
        """The fields alone, remembering which were given."""
        names = OpportunityFields.model_fields.keys()
        return OpportunityFields.model_construct(
            _fields_set=self.model_fields_set & names, **{n: getattr(self, n) for n in names}
        )

    def placement(self) -> Placement:
        """Where the deal stands; a pipeline that was not named is none, not the default one."""
        named = self.pipeline_id if "pipeline_id" in self.model_fields_set else None
        return Placement(named, self.stage, Closing(self.closed_on, self.lost_reason))


class OpportunityQuery(ListQuery):
    """One of: owner_id, account_id, external_id, or pipeline_id with stage. Default: your own."""

    owner_id: UserId | None = None
    account_id: Id | None = None
    external_id: ExternalRef | None = None
    pipeline_id: PipelineId | None = None
    stage: StageKey | None = None
    close_from: PlainDate | None = None
    close_to: PlainDate | None = None


class CatalogueQuery(ListQuery):
    """The catalogue, or one product by the id another system has for it."""

    external_id: ExternalRef | None = None


class Move(Body):
    """The stage to move to."""

    stage: StageKey


class Win(Body):
    """How a deal was won."""

    closed_on: PlainDate | None = Field(None, description="Default: today (UTC).")


class Lose(Body):
    """How and why a deal was lost."""

    reason: Name
    closed_on: PlainDate | None = Field(None, description="Default: today (UTC).")


class Reopen(Body):
    """Where a reopened deal goes on."""

    stage: StageKey | None = Field(None, description="Default: the pipeline's first stage.")


class NewOwner(Body):
    """Who takes the deal over."""

    owner_id: UserId
    team_id: UserId | None = Field(
        default=None, description="The new team; left out: the same as before, null: none."
    )


class BoardAmount(BaseModel):
    """A sum in one currency; deals without an amount are under the empty currency."""

    currency: str
    count: int
    minor_units: int


class BoardColumn(BaseModel):
    """One stage of a board."""

    stage: str
    name: str
    kind: StageKind
    probability: int
    count: int
    amounts: list[BoardAmount]


class Board(BaseModel):
    """Count and sum per stage; it follows changes within seconds."""

    pipeline_id: str
    name: str
    columns: list[BoardColumn]


@app.post("/pipelines", status=201)
def create_pipeline(caller: Caller, body: PipelineFields) -> PipelineState:
    """Set up a pipeline with its stages."""
    return service().create_pipeline(caller, body)


@app.get("/pipelines")
def list_pipelines(caller: Caller, query: ListQuery) -> Page[PipelineState]:
    """List the pipelines; the first is the one every tenant has."""
    return service().pipelines(caller, query.limit, query.cursor)


@app.get("/pipelines/{pipeline_id}")
def get_pipeline(caller: Caller, pipeline_id: str) -> PipelineState:
    """Get a pipeline."""
    return service().pipeline(caller, pipeline_id)


@app.get("/pipelines/{pipeline_id}/board")
def get_board(caller: Caller, pipeline_id: str) -> Board:
    """Get count and sum of deals per stage."""
    pipeline, columns = service().board(caller, pipeline_id)
    return Board(
        pipeline_id=pipeline.id,
        name=pipeline.name,
        columns=[
            BoardColumn(
                stage=stage.key,
                name=stage.name,
                kind=stage.kind,
                probability=stage.probability,
                **_totals([c for c in columns if c.stage == stage.key]),
            )
            for stage in pipeline.stages
        ],
    )


@app.post("/products", status=201)
def create_product(caller: Caller, body: ProductFields) -> ProductState:
    """Add a product to the catalogue."""
    return service().create_product(caller, body)


@app.get("/products")
def list_products(caller: Caller, query: CatalogueQuery) -> Page[ProductState]:
    """List the catalogue by name, or find a product by external id."""
    query.finds_one("external_id")
    if query.external_id:
        return service().product_by_external_id(caller, query.external_id)
    return service().products(caller, query.limit, query.cursor)


@app.post("/products/batch", status=207)
def upsert_products(caller: Caller, body: Batch) -> BatchResults:
    """Create or change up to 100 products by external id."""
    importer = caller.via("import")
    return upsert_each(
        body.items, ProductFields, lambda item: service().upsert_product(importer, item)
    )


@app.get("/products/{product_id}")
def get_product(caller: Caller, product_id: str) -> ProductState:
    """Get a product."""
    return service().product(caller, product_id)


@app.patch("/products/{product_id}", ProductFields)
def update_product(
    caller: Caller, product_id: str, expected: int | None, patch: dict[str, object]
) -> ProductState:
    """Change a product."""
    return service().update_product(caller, product_id, expected, patch)


@app.post("/opportunities", status=201)
def create_opportunity(caller: Caller, body: NewOpportunity) -> OpportunityState:
    """Open a deal."""
    return service().create(caller, body.fields(), body.placement())


@app.get("/opportunities")
def list_opportunities(caller: Caller, query: OpportunityQuery) -> Page[OpportunityState]:
    """List deals of an owner (yourself by default), of an account, or of a stage by close date."""
    query.one_of("owner_id", "account_id", "external_id", "stage")
    query.finds_one("external_id")
    if query.stage:
        return service().of_stage(
            caller,
            query.pipeline_id or DEFAULT_PIPELINE,
            query.stage,
            (query.close_from, query.close_to),
            query.limit,
            query.cursor,
        )
    query.only_with("stage", "pipeline_id", "close_from", "close_to")
    if query.external_id:
        return service().by_external_id(caller, query.external_id)
    if query.account_id:
        return service().of_account(caller, query.account_id, query.limit, query.cursor)
    return service().of_owner(caller, query.owner_id, query.limit, query.cursor)


@app.post("/opportunities/batch", status=207)
def upsert_opportunities(caller: Caller, body: Batch) -> BatchResults:
    """Create or change up to 100 deals by external id, closed ones included."""
    importer = caller.via("import")
    return upsert_each(
        body.items,
        NewOpportunity,
        lambda item: service().upsert(importer, item.fields(), item.placement()),
    )


@app.get("/opportunities/{opportunity_id}")
def get_opportunity(caller: Caller, opportunity_id: str) -> OpportunityState:
    """Get a deal."""
    return service().get(caller, opportunity_id)


@app.patch("/opportunities/{opportunity_id}", OpportunityFields)
def update_opportunity(
    caller: Caller, opportunity_id: str, expected: int | None, patch: dict[str, object]
) -> OpportunityState:
    """Change fields of a deal; its stage moves by the verbs below."""
    return service().update(caller, opportunity_id, expected, patch)


@app.post("/opportunities/{opportunity_id}/stage")
def move_opportunity(
    caller: Caller, opportunity_id: str, expected: int | None, body: Move
) -> OpportunityState:
    """Move a deal to another open stage."""
    return service().move(caller, opportunity_id, expected, body.stage)


@app.post("/opportunities/{opportunity_id}/won")
def win_opportunity(
    caller: Caller, opportunity_id: str, expected: int | None, body: Win
) -> OpportunityState:
    """Win a deal."""
    return service().win(caller, opportunity_id, expected, body.closed_on)


@app.post("/opportunities/{opportunity_id}/lost")
def lose_opportunity(
    caller: Caller, opportunity_id: str, expected: int | None, body: Lose
) -> OpportunityState:
    """Lose a deal, saying why."""
    return service().lose(caller, opportunity_id, expected, body.reason, body.closed_on)


@app.post("/opportunities/{opportunity_id}/reopen")
def reopen_opportunity(
    caller: Caller, opportunity_id: str, expected: int | None, body: Reopen
) -> OpportunityState:
    """Open a closed deal again."""
    return service().reopen(caller, opportunity_id, expected, body.stage)


@app.post("/opportunities/{opportunity_id}/owner")
def reassign_opportunity(
    caller: Caller, opportunity_id: str, expected: int | None, body: NewOwner
) -> OpportunityState:
    """Give a deal to another owner."""
    keeps_team = "team_id" not in body.model_fields_set
    return service().reassign(
        caller, opportunity_id, expected, body.owner_id, body.team_id, keeps_team=keeps_team
    )


def _totals(columns: list[Column]) -> dict[str, object]:
    return {
        "count": sum(c.count for c in columns),
        "amounts": [
            BoardAmount(currency=c.currency, count=c.count, minor_units=c.minor_units)
            for c in columns
            if c.count
        ],
    }
