"""A report as CSV (RFC 4180): header, rows, then a totals line per currency.

Lines end with CRLF. The encoding is UTF-8 with a byte order mark, without which Excel shows names
beyond ASCII wrongly; programs decode it as `utf-8-sig`, or use JSON. Amounts are in major units
with the currency's decimal digits.
"""

import csv
from itertools import chain
from pathlib import Path

from reporting.render.cell_format import currency_reader, escape_formula, for_machines, heading
from reporting.report import Report


def render(report: Report, path: Path) -> None:
    """Write the file, row by row."""
    columns, currency_of = report.columns, currency_reader(report)
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow([escape_formula(heading(column)) for column in columns])
        for row in chain(report.rows, report.totals):
            currency = currency_of(row)
            cells = zip(row, columns, strict=True)
            writer.writerow([for_machines(cell, column, currency) for cell, column in cells])
