"""The events of pipelines and the state they carry; the source of their schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from kernel.domain.events import DomainEvent, Fields, Name, Snapshot
from kernel.domain.folding import fold
from kernel.domain.patterns import described
from kernel.domain.text import is_stored

_STAGE_KEY = described(
    r"^[a-z][a-z0-9_]{0,39}$",
    "must be the key of a stage, such as closed_won: a to z first, then also digits and "
    "underscores, at most 40 characters",
)
_PIPELINE_ID = described(
    r"^(default|[0-7][0-9A-HJKMNP-TV-Z]{25})$",
    "must be the id of a pipeline: default, or one such as 01ARZ3NDEKTSV4RRFFQ69G5FAV",
)
StageKey = Annotated[str, StringConstraints(pattern=_STAGE_KEY)]
PipelineId = Annotated[str, StringConstraints(pattern=_PIPELINE_ID)]
DEFAULT_PIPELINE = "default"
MAX_STAGES = 20


class StageKind(StrEnum):
    """Whether opportunities in a stage are open, won or lost."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


class ForecastCategory(StrEnum):
    """How an opportunity counts in a forecast; omitted ones do not count."""

    PIPELINE = "pipeline"
    BEST_CASE = "best_case"
    COMMIT = "commit"
    CLOSED = "closed"
    OMITTED = "omitted"


class Stage(BaseModel):
    """One step of a pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: StageKey
    name: Name
    probability: int = Field(strict=True, ge=0, le=100, description="Chance of winning, percent.")
    kind: StageKind = StageKind.OPEN
    forecast_category: ForecastCategory = ForecastCategory.PIPELINE


class PipelineFields(Fields):
    """What a caller may set on a pipeline."""

    name: Name
    stages: list[Stage] = Field(min_length=3, max_length=MAX_STAGES)

    @field_validator("stages")
    @classmethod
    def _complete(cls, stages: list[Stage], info: ValidationInfo) -> list[Stage]:
        keys = [stage.key for stage in stages]
        if len(set(keys)) != len(keys):
            raise ValueError("every key must be unique")
        kinds = [stage.kind for stage in stages]
        if kinds.count(StageKind.WON) != 1 or kinds.count(StageKind.LOST) != 1:
            raise ValueError("exactly one must be of kind won and one of kind lost")
        if StageKind.OPEN not in kinds:
            raise ValueError("at least one must be of kind open")
        if not is_stored(info):
            _ensure_meaningful(stages)
        return stages


def _ensure_meaningful(stages: list[Stage]) -> None:
    """Raise ValueError for what a release before accepted, and stored pipelines may have."""
    names: dict[str, str] = {}
    for stage in stages:
        certain = {StageKind.WON: 100, StageKind.LOST: 0}.get(stage.kind)
        if certain is not None and stage.probability != certain:
            raise ValueError(
                f"{stage.key} is of kind {stage.kind}, so its probability must be {certain}"
            )
        other = names.setdefault(fold(stage.name), stage.key)
        if other != stage.key:
            raise ValueError(f"{other} and {stage.key} have the same name")


class PipelineState(Snapshot, PipelineFields):
    """A sales pipeline: the ordered stages of opportunities."""

    id: PipelineId


class PipelineCreated(DomainEvent, context="opportunities"):
    """A pipeline was created. The default one is published with its first opportunity."""

    current: PipelineState


class PipelineUpdated(DomainEvent, context="opportunities"):
    """A pipeline was changed, or restored to an earlier state; `previous` has the other values."""

    current: PipelineState
    changed: list[str] = Field(examples=[["name"]])
    previous: dict[str, object] = Field(examples=[{"name": "Sales"}])
