"""Why a report could not be made; the text of each is fit for the person who asked for it.

ReportError
  ReportCancelled   someone asked the work to stop
  LakeTooLarge      the company's events do not fit into the worker's disk allowance
  LakeUnreadable    a file of the lake is damaged or not what the layout promises
  TooComplex        the query needs more memory and disk than it may have
"""


class ReportError(Exception):
    """Base of what this engine raises on purpose."""


class ReportCancelled(ReportError):
    """The report was cancelled."""

    def __init__(self) -> None:
        super().__init__("The report was cancelled.")


class LakeTooLarge(ReportError):
    """The files needed exceed the cache's bound."""


class LakeUnreadable(ReportError):
    """A lake file cannot be read."""


class TooComplex(ReportError):
    """Memory and temporary disk are used up."""
