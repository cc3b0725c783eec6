"""Rows of one file about the same record, or with a text of it: only the first one is loaded."""

import unicodedata

from zebros.loading.journal import Journal, Reject
from zebros.loading.mapper import MappedRow


def without_duplicates(
    journal: Journal, rows: list[MappedRow], *, by_email: bool
) -> tuple[list[MappedRow], list[Reject]]:
    """The rows that are the first with each of their external ids, and rejects for the others.

    Also with their product code, and with `by_email` with each of their e-mail addresses.
    """
    reasons: dict[int, dict[str, str]] = {}
    for row in rows:
        reasons[row.number] = {
            one: f"external_ids: {one} is already the id of row" for one in row.external_ids
        }
        if code := row.item.get("code"):
            reasons[row.number][f"<code {folded(code)}>"] = f"code: {code} is already that of row"
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


def without_known_twice(
    journal: Journal, rows: list[MappedRow], records: dict[int, str]
) -> tuple[list[MappedRow], list[Reject]]:
    """The rows that are the first of their stored record, and rejects for the others.

    They have no id in common: the record has both. `records` are the ids of records by row.
    """
    named = {number: f"<record {record}>" for number, record in records.items()}
    first = journal.first_rows([(one, number) for number, one in named.items()])
    kept, rejects = [], []
    for row in rows:
        before = first.get(named.get(row.number, ""), row.number)
        if before == row.number:
            kept.append(row)
        else:
            reason = (
                f"external_ids: the record {records[row.number]} is already that of row {before}"
            )
            rejects.append(Reject(row.number, reason, row.raw))
    return kept, rejects


def folded(code: str) -> str:
    """A code as the CRM compares it: case, accents and spaces do not count."""
    apart = unicodedata.normalize("NFKD", code).casefold()
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).split())
