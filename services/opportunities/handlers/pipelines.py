"""REST routes of pipelines and their boards."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from kernel.domain.aggregate import Version
from kernel.domain.events import Name
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.models import Body, RecordQuery
from kernel.web.routes import Routes
from opportunities.bootstrap import pipelines
from opportunities.events.pipelines import (
    MAX_STAGES,
    PipelineFields,
    PipelineId,
    PipelineState,
    Stage,
    StageKey,
    StageKind,
)
from opportunities.repository import boards

routes = Routes()


class BoardAmount(BaseModel):
    """A sum in one currency; opportunities without an amount have the empty currency."""

    currency: str = Field(max_length=3)
    count: int = Field(ge=0)
    minor_units: int


class BoardColumn(BaseModel):
    """One stage of a board."""

    stage: StageKey
    name: Name
    kind: StageKind
    probability: int = Field(ge=0, le=100, description="Chance of winning, percent.")
    count: int = Field(ge=0)
    amounts: list[BoardAmount] = Field(max_length=200, description="One for each currency.")


class Board(BaseModel):
    """Count and sum of opportunities per stage, updated within seconds of a change."""

    pipeline_id: PipelineId
    name: Name
    columns: list[BoardColumn] = Field(max_length=MAX_STAGES)


class MoveOpportunities(Body):
    """To which stage the opportunities of a stage move."""

    to: StageKey = Field(description="The key of another open stage of the pipeline.")


class MovedOpportunities(BaseModel):
    """What was moved."""

    moved: int = Field(ge=0, description="How many were moved.")
    more: bool = Field(description="Whether the stage has more: send the request again.")


@routes.post("/pipelines", status=201)
def create_pipeline(unit: UnitOfWork, body: PipelineFields) -> PipelineState:
    """Create a pipeline with its stages.

    One stage is of kind won, one of kind lost, and at least one is open. Its name is unique.
    """
    return pipelines().create(unit, body)


@routes.get("/pipelines")
def list_pipelines(request: RequestContext, query: RecordQuery) -> Page[PipelineState]:
    """List the pipelines, the default one first.

    Every tenant has the pipeline `default` from the beginning; it is never archived.
    """
    return pipelines().list(request, query.limit, query.cursor, query.archived)


@routes.get("/pipelines/{pipeline_id}")
def get_pipeline(request: RequestContext, pipeline_id: str) -> PipelineState:
    """Get a pipeline.

    With its stages in their order, each with its probability and forecast category.
    """
    return pipelines().get(request, pipeline_id)


@routes.patch("/pipelines/{pipeline_id}", PipelineFields)
def update_pipeline(
    unit: UnitOfWork, pipeline_id: str, if_match: Version, patch: dict[str, object]
) -> PipelineState:
    """Change a pipeline's name or its stages.

    A JSON merge patch; `stages` replaces the whole list. A stage with opportunities cannot be
    removed before they are moved, and a stage keeps its kind. The pipeline `default` can be
    changed, too.
    """
    return pipelines().update(unit, pipeline_id, if_match, patch)


@routes.post("/pipelines/{pipeline_id}/restore")
def restore_pipeline(unit: UnitOfWork, pipeline_id: str, if_match: Version) -> PipelineState:
    """Restore an archived pipeline.

    It was archived when the context was restored to a time before it. It appears in lists
    again, if no other pipeline has its name.
    """
    return pipelines().restore(unit, pipeline_id, if_match)


@routes.post("/pipelines/{pipeline_id}/stages/{stage}/move")
def move_opportunities(
    unit: UnitOfWork, pipeline_id: str, stage: str, body: MoveOpportunities
) -> MovedOpportunities:
    """Move up to 100 opportunities to another open stage.

    Before a stage is removed. Send it again until `more` is false.
    """
    moved, more = pipelines().move_opportunities(unit, pipeline_id, stage, body.to)
    return MovedOpportunities(moved=moved, more=more)


@routes.get("/pipelines/{pipeline_id}/board")
def get_board(request: RequestContext, pipeline_id: str) -> Board:
    """Get count and sum of opportunities per stage.

    The board follows changes within seconds. Sums are by currency; archived opportunities are
    left out.
    """
    pipeline, columns = pipelines().board(request, pipeline_id)
    return Board.model_construct(  # the name of a stored pipeline may be wrong
        pipeline_id=pipeline.id,
        name=pipeline.name,
        columns=[_column(stage, columns) for stage in pipeline.stages],
    )


def _column(stage: Stage, columns: Sequence[boards.BoardColumn]) -> BoardColumn:
    of_stage = [column for column in columns if column.stage == stage.key]
    return BoardColumn.model_construct(
        stage=stage.key,
        name=stage.name,
        kind=stage.kind,
        probability=stage.probability,
        count=sum(column.count for column in of_stage),
        amounts=[
            BoardAmount.model_construct(
                currency=column.currency, count=column.count, minor_units=column.minor_units
            )
            for column in of_stage
            if column.count
        ],
    )
