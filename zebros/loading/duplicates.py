"""Rows of one file that share an external id: only the first one is loaded."""

from zebros.loading.journal import Journal, Reject
from zebros.loading.mapper import MappedRow


def without_duplicates(
    journal: Journal, rows: list[MappedRow]
) -> tuple[list[MappedRow], list[Reject]]:
    """The rows that are the first with each of their external ids, and rejects for the others."""
    first = journal.first_rows([(one, row.number) for row in rows for one in row.external_ids])
    kept, rejects = [], []
    for row in rows:
        taken = next((one for one in row.external_ids if first[one] != row.number), None)
        if taken is None:
            kept.append(row)
        else:
            reason = f"external_ids: {taken} is already the id of row {first[taken]}"
            rejects.append(Reject(row.number, reason, row.raw))
    return kept, rejects
