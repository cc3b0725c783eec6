"""The references of the report measurements, which import almost nothing.

A report's reference does the same work in a plain loop with orjson: it counts every event once,
keeps the last one of each opportunity by sequence, omits archived ones, and sums by owner and
currency. A workbook's reference is `csv.writer` with the same rows.
"""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any


def by_owner(folder: Path) -> dict[str, list[int]]:
    """`owner/currency` -> won, revenue, lost, open, open amount."""
    loads = import_module("orjson").loads
    ids: set[str] = set()
    last: dict[str, tuple[int, Any]] = {}
    position = ("", "")
    for path in sorted(folder.rglob("*.jsonl.gz")):
        with gzip.GzipFile(path) as packed, io.BufferedReader(packed, 1 << 20) as lines:
            for line in lines:
                event = loads(line)
                if event["id"] in ids:
                    continue
                ids.add(event["id"])
                position = max(position, (event["time"], event["id"]))
                subject, sequence = event["subject"], int(event["sequence"])
                if not subject.startswith("opportunity/"):
                    continue
                before = last.get(subject)
                if before is None or before[0] < sequence:
                    deal = event["data"]["current"]
                    amount = deal.get("amount")
                    last[subject] = (
                        sequence,
                        (
                            deal.get("owner_id"),
                            deal["status"],
                            amount["minor_units"] if amount else 0,
                            amount["currency"] if amount else "",
                            deal.get("archived_at"),
                            deal.get("forecast_category"),
                        ),
                    )
    sums: dict[str, list[int]] = {}
    for _, (owner, status, amount, currency, archived, forecast) in last.values():
        if archived or (status == "open" and forecast == "omitted"):
            continue
        row = sums.setdefault(f"{owner}/{currency}", [0, 0, 0, 0, 0])
        if status == "won":
            row[0] += 1
            row[1] += amount
        elif status == "lost":
            row[2] += 1
        else:
            row[3] += 1
            row[4] += amount
    return sums


type LongRow = tuple[str, str, str, int, str, int, date, date]


def long_table(rows: int) -> Iterator[LongRow]:
    """Opportunities as rows: id, owner, stage, minor units, currency, percent, two dates."""
    random, begin = Random(1), date(2024, 1, 1)  # noqa: S311 - the same rows every time
    for n in range(rows):
        first, last = begin + timedelta(n % 700), begin + timedelta(n % 900)
        amount = random.randrange(10_000, 50_000_000)
        yield f"o-{n:08d}", f"u-{n % 250:03d}", "proposal", amount, "EUR", 50, first, last


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["report", folder, out]:
            Path(out).write_text(json.dumps(by_owner(Path(folder))))
        case ["csv", out, rows]:
            with Path(out).open("w", newline="") as file:
                csv.writer(file).writerows(long_table(int(rows)))
