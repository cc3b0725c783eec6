"""Rows of one file about the same record: only the first one is loaded."""

from zebros.loading.journal import Journal, Reject
from zebros.loading.mapper import MappedRow


def without_duplicates(
    journal: Journal, rows: list[MappedRow], *, by_email: bool
) -> tuple[list[MappedRow], list[Reject]]:
    """The rows that are the first with each of their external ids, and rejects for the others.

    With `by_email` also with each of their e-mail addresses.
    """
    reasons: dict[int, dict[str, str]] = {}
    for row in rows:
        reasons[row.number] = {
            one: f"external_ids: {one} is already the id of row" for one in row.external_ids
        }
        if by_email:  # no external id begins like this
            reasons[row.number] |= {
                f"<{one}>": f"emails: {one} is already in row" for one in row.emails
            }
    first = journal.first_rows([(one, number) for number in reasons for one in reasons[number]])
    kept, rejects = [], []
    for row in rows:
        found = reasons[row.number]
        taken = next((one for one in found if first[one] != row.number), None)
        if taken is None:
            kept.append(row)
        else:
            rejects.append(Reject(row.number, f"{found[taken]} {first[taken]}", row.raw))
    return kept, rejects
