"""Reports compared with references: a million events, and a hundred thousand rows of XLSX.

`python -m tools.bench.reports [--events N] [--rows N] [--pairs N]`. The reference of a report does
the same work with orjson and plain Python, in a temporary environment, with the same files; that of
a workbook is `csv.writer` with the same rows. CPU and peak memory are those of the whole process.
"""

import argparse
import gzip
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from subprocess import run
from typing import Any

from reporting.lake.cache import LakeFiles
from reporting.parameters import ReportParameters
from reporting.report import Column, Kind, Period, Position, Report, Row
from tools.bench.paired import Ratio, memory, processes
from tools.bench.reports_reference import long_table

EVENTS, EVENTS_PER_OPPORTUNITY, ROWS, PAIRS = 1_000_000, 5, 100_000, 5
REPORT_BUDGET, XLSX_BUDGET = 0.5, 12.0
REPORT_MEGABYTES, XLSX_MEGABYTES = 256.0, 64.0
_ORJSON = "orjson==3.13.0"
"""Of the reference. Another version would change the ratio."""
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BEGIN = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_STAGES = [
    ("lead", "Lead", 10, "open", "pipeline"),
    ("qualified", "Qualified", 25, "open", "pipeline"),
    ("proposal", "Proposal", 50, "open", "best_case"),
    ("negotiation", "Negotiation", 75, "open", "commit"),
    ("won", "Won", 100, "won", "closed"),
    ("lost", "Lost", 0, "lost", "omitted"),
]


def measure(*, events: int = EVENTS, rows: int = ROWS, pairs: int = PAIRS) -> list[Ratio]:
    """Measure both; at the default sizes a pair takes a minute."""
    with tempfile.TemporaryDirectory(prefix="zebros-bench-") as name:
        folder, environment = Path(name), dict(os.environ)
        ours = [sys.executable, "-m", "tools.bench.reports", "--do"]
        # In separate processes, because a child's peak memory includes its parent's at the start.
        run([*ours, "lake", name, str(events)], check=True)
        python, reference = _reference_python(folder), ["-m", "tools.bench.reports_reference"]
        report = processes(
            f"report over {events:,} events",
            [python, *reference, "report", name, f"{name}/a"],
            [*ours, "report", name, f"{name}/b"],
            environment,
            budget=REPORT_BUDGET,
            pairs=pairs,
        )
        if json.loads((folder / "a").read_text()) != json.loads((folder / "b").read_text()):
            raise RuntimeError("the report and its reference disagree")
        workbook = processes(
            f"XLSX of {rows:,} rows",
            [python, *reference, "csv", f"{name}/rows.csv", str(rows)],
            [*ours, "xlsx", name, str(rows)],
            environment,
            budget=XLSX_BUDGET,
            pairs=pairs,
        )
    return [
        report,
        memory(report, REPORT_MEGABYTES),
        workbook,
        memory(workbook, XLSX_MEGABYTES),
    ]


def _reference_python(folder: Path) -> str:
    uv = str(Path(sys.executable).with_name("uv"))
    home = folder / "reference"
    run([uv, "venv", "--quiet", "--python", sys.executable, str(home)], check=True)
    python = str(home / "bin" / "python")
    run([uv, "pip", "install", "--quiet", "--python", python, _ORJSON], check=True)
    return python


def make_lake(root: Path, events: int) -> None:
    """Write `events` events about a fifth as many opportunities, 5,000 to a file."""
    random = Random(7)  # noqa: S311 - the same lake every time
    folder = root / "tenant=acme" / "context=opportunities" / "date=2026-03-01"
    folder.mkdir(parents=True)
    deals = [_ulid(random, number) for number in range(max(events // EVENTS_PER_OPPORTUNITY, 1))]
    for first in range(0, events, 5_000):
        lines = (_event(random, deals, n) for n in range(first, min(first + 5_000, events)))
        body = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines)
        (folder / f"{first:09d}.jsonl.gz").write_bytes(gzip.compress(f"{body}\n".encode(), 5))


def _event(random: Random, deals: list[str], number: int) -> dict[str, object]:
    index, sequence = number % len(deals), number // len(deals) + 1
    stage, name, probability, status, forecast = random.choice(_STAGES)
    day = f"2026-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"
    current = {
        "id": deals[index],
        "version": sequence,
        "created_at": "2026-01-01T08:00:00.000Z",
        "created_by": "u-1",
        "updated_at": "2026-02-01T08:00:00.000Z",
        "updated_by": "u-1",
        "owner_id": f"u-{index % 250:03d}",
        "team_id": f"t-{index % 12}",
        "name": f"Deal {index} of a company",
        "account_id": deals[index % 5_000 % len(deals)],
        "amount": {
            "minor_units": random.randrange(10_000, 50_000_000),
            "currency": "USD" if index % 4 else "EUR",
        },
        "product_id": deals[index % 20 % len(deals)],
        "expected_close_on": day,
        "opened_on": "2026-01-02",
        "region": "North",
        "pipeline_id": "default",
        "stage": stage,
        "stage_name": name,
        "status": status,
        "probability": probability,
        "forecast_category": forecast,
        "stage_entered_at": "2026-02-01T08:00:00.000Z",
    }
    return {
        "specversion": "1.0",
        "id": _ulid(random, number),
        "source": "zebros.opportunities",
        "type": "OpportunityUpdated",
        "subject": f"opportunity/{deals[index]}",
        # Later events are later: the last event of an opportunity is the latest by time.
        "time": (_BEGIN + timedelta(milliseconds=number)).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        "dataschema": "urn:zebros:schema:opportunities/OpportunityUpdated.v1",
        "tenantid": "acme",
        "sequence": str(sequence),
        "sequencetype": "Integer",
        "correlationid": _ulid(random, number),
        "actor": "u-1",
        "origin": "api",
        "data": {
            "current": current if status == "open" else current | {"closed_on": day},
            "changed": ["amount"],
            "previous": {"amount": {"minor_units": 1, "currency": "USD"}},
        },
    }


def _ulid(random: Random, number: int) -> str:
    tail = "".join(random.choices(_ALPHABET, k=16))
    return f"01K{number:07d}{tail}"


def make_report(root: Path, out: Path) -> None:
    """Write sales performance by owner, in the format of the reference."""
    from reporting.query.compute import compute  # DuckDB is imported only where it is measured

    paths = tuple(sorted(root.rglob("*.jsonl.gz")))
    files = LakeFiles("acme", root.resolve(), paths)
    report = compute(files, ReportParameters(report="sales_performance"))
    totals = {f"{r[0]}/{r[1]}": [r[2], r[3], r[5], r[6], r[7]] for r in report.rows}
    out.write_text(json.dumps(totals))


class _Rows(Sequence[Row]):
    """Rows made on demand, so that only the writer's memory is measured."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: object) -> Any:
        raise NotImplementedError  # the writers only iterate

    def __iter__(self) -> Iterator[Row]:
        return long_table(self._count)


def write_xlsx(path: Path, rows: int) -> None:
    """Write the same rows with the CRM's writer."""
    from reporting.render.xlsx_file import render

    kinds = {
        "id": Kind.TEXT,
        "owner": Kind.TEXT,
        "stage": Kind.TEXT,
        "amount": Kind.MONEY,
        "currency": Kind.TEXT,
        "probability": Kind.INT,
        "created": Kind.DATE,
        "close": Kind.DATE,
    }
    report = Report(
        name="sales_performance",
        title="Sales performance",
        tenant="acme",
        by="owner",
        date_meaning="closing date",
        period=Period(),
        as_of=None,
        columns=tuple(Column(name, name.title(), kind) for name, kind in kinds.items()),
        rows=_Rows(rows),  # type: ignore[arg-type] # a sequence will do
        totals=(),
        charts=(),
        position=Position(),
    )
    render(report, path)


def main() -> None:
    """Print the ratios; in a child process, do one part of the work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--do", nargs=3, metavar=("WHAT", "FOLDER", "ARGUMENT"))
    arguments = parser.parse_args()
    match arguments.do:
        case ["lake", folder, events]:
            make_lake(Path(folder), int(events))
        case ["report", folder, out]:
            make_report(Path(folder), Path(out))
        case ["xlsx", folder, rows]:
            write_xlsx(Path(folder) / "rows.xlsx", int(rows))
        case _:
            for ratio in measure(
                events=arguments.events, rows=arguments.rows, pairs=arguments.pairs
            ):
                print(ratio.line(), flush=True)


if __name__ == "__main__":
    main()
