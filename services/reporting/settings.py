"""The environment of this context's functions and of its worker."""

from typing import NamedTuple


class TableSettings(NamedTuple):
    """For functions and workers that read report runs."""

    reporting_table_name: str
    """The name says the context, because one worker has the tables of all contexts."""


class FilesSettings(NamedTuple):
    """For functions and workers that read or store finished reports."""

    files_bucket: str


class LakeSettings(NamedTuple):
    """For functions and workers that read or write the event lake."""

    lake_bucket: str


class TierSettings(NamedTuple):
    """For the function with the state machine's steps: the limits and the queues of the tiers."""

    function_lake_megabytes: int
    """The largest lake, in MB of its files, of which the function makes reports; 0: of none."""
    function_lake_files: int
    standard_lake_megabytes: int
    """The same for a standard worker."""
    standard_lake_files: int
    standard_queue_url: str = ""
    """Empty when no worker is deployed."""
    analytics_queue_url: str = ""


class WorkflowSettings(NamedTuple):
    """For the function that starts the state machine."""

    state_machine_arn: str
    running_reports_standard: int
    """How many reports of one tenant run at a time; the others wait."""
    running_reports_premium: int
    """The same in the plan premium."""
