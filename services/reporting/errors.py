"""The problem types of this context."""

from kernel.domain.errors import RuleViolation


class ReportEnded(RuleViolation):
    """The report run has ended and cannot be cancelled."""

    slug = "report-ended"
    advice = "Read the report run, which shows how it ended."
