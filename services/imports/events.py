"""The events of this context and the state they carry; the source of the event schemas."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from imports.parameters import ImportParameters
from kernel.domain.events import DomainEvent
from kernel.tasks.state import TaskRunState


class ImportFailureCode(StrEnum):
    """Why an import failed, for programs."""

    BAD_PARAMETERS = "bad_parameters"
    NO_WORKER = "no_worker"
    WORKER_LOST = "worker_lost"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    NOT_ALLOWED = "not_allowed"
    UNREADABLE_FILE = "unreadable_file"
    UNKNOWN = "unknown"


class ImportCounts(BaseModel):
    """What became of the lines of a file."""

    model_config = ConfigDict(frozen=True)

    lines: int = Field(0, ge=0, description="Lines with a record; blank lines are not counted.")
    created: int = Field(0, ge=0)
    updated: int = Field(0, ge=0)
    unchanged: int = Field(0, ge=0, description="Records that had these values already.")
    rejected: int = Field(0, ge=0)


class ImportResult(ImportCounts):
    """What became of the lines of an imported file; of a dry run: what would become of them."""

    rejected_bytes: int | None = Field(
        None,
        ge=0,
        description="The size of the file with the rejected lines; absent when there are none.",
    )


class ImportRunState(TaskRunState):
    """One import of a file and its result; `owner_id` is the user who requested it."""

    parameters: ImportParameters = Field(description="What is imported.")
    failure: ImportFailureCode | None = None
    outcome: ImportResult | None = Field(None, description="Present when the run is completed.")


class ImportEvent(DomainEvent):
    """Base of the events about an import."""

    current: ImportRunState


class ImportRequested(ImportEvent, context="imports"):
    """A user requested an import."""


class ImportStarted(ImportEvent, context="imports"):
    """A worker began an import; published for the first attempt only."""


class ImportCompleted(ImportEvent, context="imports"):
    """Every line of a file was imported or rejected; `current.outcome` has the numbers."""


class ImportFailed(ImportEvent, context="imports"):
    """An import failed; `current.reason` is a sentence for the user.

    Lines before the failure are imported.
    """


class ImportUpdated(ImportEvent, context="imports"):
    """An operator restored an import to an earlier state; `previous` has the other values."""

    changed: list[str] = Field(examples=[["status"]])
    previous: dict[str, object] = Field(examples=[{"status": "failed"}])


class ImportCancelled(ImportEvent, context="imports"):
    """A user cancelled an import. Lines before that are imported."""
