"""The environment of this context's functions and of its worker."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableSettings:
    """For whatever reads report runs."""

    table_name: str


@dataclass(frozen=True, slots=True)
class FilesSettings:
    """For whatever reads or stores finished reports."""

    files_bucket: str


@dataclass(frozen=True, slots=True)
class LakeSettings:
    """For whatever reads or writes the event lake."""

    lake_bucket: str


@dataclass(frozen=True, slots=True)
class WorkflowSettings:
    """For what starts the state machine."""

    state_machine_arn: str
