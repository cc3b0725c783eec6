"""Why a report cannot be created; every message may be shown to the user who requested it.

ReportError
  LakeTooLarge      the company's events do not fit on the worker's disk
  LakeUnreadable    a file of the lake is damaged, or its name is not one of the layout's
  TooComplex        the query needs more memory and disk than allowed
"""


class ReportError(Exception):
    """Base of the expected errors while a report is created."""


class LakeTooLarge(ReportError):
    """The files needed exceed the cache's limit."""


class LakeUnreadable(ReportError):
    """A lake file cannot be read."""


class DiskFull(ReportError):
    """The worker's local disk is full."""


class TooComplex(ReportError):
    """Memory and temporary disk are used up."""
