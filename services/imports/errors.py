"""The problem types of this context."""

from kernel.domain.errors import RuleViolation


class ImportEnded(RuleViolation):
    """The import has ended and cannot be cancelled."""

    slug = "import-ended"
    advice = "Read the import, which shows how it ended."
