"""Rows of one file with the same external id: only the first one is loaded."""

from zebros.loading.journal import Journal, Reject
from zebros.loading.mapper import MappedRow


def without_duplicates(
    journal: Journal, rows: list[MappedRow]
) -> tuple[list[MappedRow], list[Reject]]:
    """The rows that are the first with their external id, and rejects for the others."""
    first = journal.first_rows([(row.external_id, row.number) for row in rows])
    rejects = [
        Reject(
            row.number,
            f"external_ids: {row.external_id} is already the id of row {first[row.external_id]}",
            row.raw,
        )
        for row in rows
        if first[row.external_id] != row.number
    ]
    return [row for row in rows if first[row.external_id] == row.number], rejects
