"""The environment of this context's functions and of its worker."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableSettings:
    """For functions and workers that read report runs."""

    reporting_table_name: str
    """The name says the context, because one worker has the tables of all contexts."""


@dataclass(frozen=True, slots=True)
class FilesSettings:
    """For functions and workers that read or store finished reports."""

    files_bucket: str


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """For functions and workers that read or write the event lake."""

    lake_bucket: str


@dataclass(frozen=True, slots=True)
class WorkflowSettings:
    """For the function that starts the state machine."""

    state_machine_arn: str
