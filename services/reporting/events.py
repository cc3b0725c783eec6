"""The events of this context and the state they carry; the source of the event schemas."""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from kernel.domain.events import DomainEvent, Name, StreamDivergence, StreamGap
from kernel.domain.ids import Id
from kernel.tasks.state import TaskRunState
from reporting.parameters import ReportParameters


class FailureCode(StrEnum):
    """Why a report failed, for programs."""

    BAD_PARAMETERS = "bad_parameters"
    NO_WORKER = "no_worker"
    WORKER_LOST = "worker_lost"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    TOO_MUCH_DATA = "too_much_data"
    UNREADABLE_DATA = "unreadable_data"
    UNKNOWN = "unknown"


class StreamPosition(BaseModel):
    """The events that a report reflects: how many, and the last of them."""

    model_config = ConfigDict(frozen=True)

    events: int = Field(ge=0)
    last_time: AwareDatetime | None = None
    last_id: Id | None = None


class ReportResult(BaseModel):
    """The finished file of a report, and its totals."""

    model_config = ConfigDict(frozen=True)

    file_name: Name
    media_type: Name
    size_bytes: int = Field(ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    rows: int = Field(ge=0, description="Rows of the table, without totals.")
    totals: list[dict[str, int | str]] = Field(
        max_length=5,
        description="The totals of each currency (at most five, those with the most deals first), "
        "by column: counts and minor units as numbers, ratios as text such as 0.6315.",
    )
    more_totals: int | None = Field(
        None,
        ge=1,
        description="How many more currencies have totals, which only the file contains.",
    )
    position: StreamPosition


class ReportRunState(TaskRunState):
    """One request for a report and its result; `owner_id` is the user who requested it."""

    parameters: ReportParameters = Field(description="The requested report.")
    failure: FailureCode | None = None
    outcome: ReportResult | None = Field(None, description="Present when the run is completed.")


class ReportEvent(DomainEvent):
    """Base of the events about a report run."""

    current: ReportRunState


class ReportRequested(ReportEvent, context="reporting"):
    """A user requested a report."""


class ReportStarted(ReportEvent, context="reporting"):
    """A worker began a report run; published for the first attempt only."""


class ReportCompleted(ReportEvent, context="reporting"):
    """A report is ready; `current.outcome` describes its file."""


class ReportFailed(ReportEvent, context="reporting"):
    """A report failed; `current.reason` is a sentence for the user."""


class ReportUpdated(ReportEvent, context="reporting"):
    """An operator restored a report run to an earlier state; `previous` has the other values."""

    changed: list[str] = Field(examples=[["status"]])
    previous: dict[str, object] = Field(examples=[{"status": "failed"}])


class ReportCancelled(ReportEvent, context="reporting"):
    """A user cancelled a report run."""


class StreamGapDetected(StreamGap, context="reporting"):
    """A projection of this context waits for an event that has not arrived."""


class StreamDiverged(StreamDivergence, context="reporting"):
    """A projection of this context has applied events that a restored table no longer has."""
