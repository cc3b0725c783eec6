"""A report as JSON, for programs: rows are objects by column key, amounts are minor units."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from reporting.render.cell_format import currency_reader
from reporting.report import Cell, Column, Kind, Report, Row


def render(report: Report, path: Path) -> None:
    """Write the file, row by row."""
    with path.open("w", encoding="utf-8") as file:
        head = json.dumps(_head(report), ensure_ascii=False, indent=1)
        file.write(head.removesuffix("\n}"))
        _write_rows(file, "rows", report, report.rows)
        _write_rows(file, "totals", report, report.totals)
        file.write("\n}\n")


def _head(report: Report) -> dict[str, Any]:
    position = report.position
    return {
        "report": report.name,
        "title": report.title,
        "tenant": report.tenant,
        "by": report.by,
        "period": {
            "from": report.period.start and report.period.start.isoformat(),
            "to": report.period.end and report.period.end.isoformat(),
            "of": report.date_meaning,
        },
        "currency": report.currency,
        "time_zone": report.time_zone,
        "as_of": report.as_of and report.as_of.isoformat(),
        "position": {
            "events": position.events,
            "last_time": position.last_time and position.last_time.isoformat(),
            "last_id": position.last_id,
        },
        "notes": list(report.notes),
        "columns": [{"key": c.key, "title": c.title, "kind": c.kind} for c in report.columns],
        "row_count": report.row_count,
    }


def _write_rows(file: TextIO, name: str, report: Report, rows: Iterable[Row]) -> None:
    file.write(f',\n "{name}": [')
    between, currency_of = "\n  ", currency_reader(report)
    for row in rows:
        currency = currency_of(row)
        record = {
            c.key: _value(cell, c, currency) for cell, c in zip(row, report.columns, strict=True)
        }
        file.write(between + json.dumps(record, ensure_ascii=False))
        between = ",\n  "
    file.write("\n ]")


def _value(cell: Cell, column: Column, currency: str | None) -> Any:
    if cell is None or column.kind in (Kind.TEXT, Kind.INT):
        return cell
    if column.kind is Kind.MONEY:
        return {"minor_units": cell, "currency": currency} if currency else None
    if column.kind is Kind.PERCENT:
        return float(str(cell))  # four decimals, which a float prints exactly
    return str(cell)
