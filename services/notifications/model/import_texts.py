"""The texts of notifications about imports that have ended."""

from notifications.incoming import EndedImport


def import_text(ended: EndedImport) -> str:
    """What became of an import, in one sentence."""
    what = "test import" if ended.parameters.dry_run else "import"
    name = f"Your {what} of {ended.parameters.record_type}"
    if ended.outcome is None:
        return f"{name} failed: {ended.reason or 'the reason is not known'}"
    lines = _lines(ended.outcome.lines)
    if not ended.outcome.rejected:
        return f"{name} is complete: {lines}"
    return f"{name} is complete: {lines}, of which {ended.outcome.rejected:,} were rejected"


def _lines(count: int) -> str:
    return f"{count:,} {'line' if count == 1 else 'lines'}"
