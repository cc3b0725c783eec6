"""The environment of this context's functions and of its worker."""

from typing import NamedTuple


class TableSettings(NamedTuple):
    """For functions and workers that read imports."""

    imports_table_name: str
    """The name says the context, because one worker has the tables of all contexts."""


class FilesSettings(NamedTuple):
    """For functions and workers that read or store the files of imports."""

    files_bucket: str


class CollectionSettings(NamedTuple):
    """For workers: the functions behind the APIs of the contexts that own the records."""

    customers_api_arn: str
    opportunities_api_arn: str


class QueueSettings(NamedTuple):
    """For the function with the state machine's steps."""

    import_queue_url: str = ""
    """Empty when no worker is deployed."""


class WorkflowSettings(NamedTuple):
    """For the function that starts the state machine."""

    state_machine_arn: str
    running_imports_standard: int
    """How many imports of one tenant run at a time; the others wait."""
    running_imports_premium: int
    """The same in the plan premium."""
