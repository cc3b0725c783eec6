"""The import of a CSV file: mapping rows to batch requests, compared with csv.reader alone."""

import csv
import json
import tempfile
from itertools import batched
from pathlib import Path

from tools.bench.paired import Ratio, calls
from zebros.loading import map_files
from zebros.loading.csv_files import inspect
from zebros.loading.csv_rows import BadRow, rows
from zebros.loading.mapper import MappedRow, Mapper
from zebros.loading.record_types import RECORD_TYPES

ROWS, BUDGET, CHUNK = 100_000, 11.0, 100
_HEADER = ("external_ids.crm", "name", "sector", "website", "employees", "annual_revenue")


def measure(*, count: int = ROWS, pairs: int = 5) -> Ratio:
    """Measure the import of `count` accounts; both programs read the same file."""
    with tempfile.TemporaryDirectory(prefix="zebros-bench-") as folder:
        file = Path(folder) / "accounts.csv"
        with file.open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(_HEADER)
            for n in range(count):
                site = f"https://www.company-{n}.example"
                writer.writerow((f"c{n}", f"Company {n}", "retail", site, n % 5_000, f"{n}.50 USD"))
        return calls(
            f"import of {count:,} rows",
            lambda: _reference(file),
            lambda: _measured(file, count),
            budget=BUDGET,
            pairs=pairs,
        )


def _reference(file: Path) -> None:
    with file.open(encoding="utf-8", newline="") as text:
        for _ in csv.reader(text):
            pass


def _measured(file: Path, count: int) -> None:
    kind, shape = RECORD_TYPES["accounts"], inspect(file)
    mapper = Mapper(map_files.identity_map(shape.header, kind, file), kind, shape, (file.parent,))
    total = 0
    for batch in batched(rows(shape), CHUNK, strict=False):
        items = []
        for row in batch:
            mapped = row if isinstance(row, BadRow) else mapper.map_row(row)
            if not isinstance(mapped, MappedRow):
                raise RuntimeError(f"row {mapped.number} is not mapped")
            items.append(mapped.item)
        total += len(items)
        json.dumps({"items": items}).encode()
    if total != count:
        raise RuntimeError(f"{total} of {count} rows were read")
