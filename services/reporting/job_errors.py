"""Why a report cannot be made; the text of each is fit for the person who asked for it.

ReportError
  LakeTooLarge      the company's events do not fit on the worker's disk
  LakeUnreadable    a file of the lake is damaged, or its name is not one of the layout's
  TooComplex        the query needs more memory and disk than it may have
"""


class ReportError(Exception):
    """Base of what is raised on purpose while a report is made."""


class LakeTooLarge(ReportError):
    """The files needed exceed the cache's limit."""


class LakeUnreadable(ReportError):
    """A lake file cannot be read."""


class TooComplex(ReportError):
    """Memory and temporary disk are used up."""
