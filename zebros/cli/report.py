"""`zebros report NAME`: request a report, wait for it, print or save it."""

import csv
import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from zebros.cli.output import document, note, out, table
from zebros.cli.task_runs import RunKind, check_completed, watch
from zebros.client.connection import Connection
from zebros.errors import BadInput
from zebros.money import major

FORMATS = ("json", "csv", "xlsx", "pdf")
REPORT = RunKind("report", "/reports")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="report")(report)


def report(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="pipeline_by_stage, win_rate or sales_performance.")],
    by: Annotated[
        str | None,
        typer.Option(help="Group by owner, team, region, product, sector, month, stage or none."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day.")
    ] = None,
    period: Annotated[
        str | None,
        typer.Option(help="today, this_month, last_quarter …, in place of --from and --to."),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Such as Europe/Berlin; default: the tenant's."),
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only opportunities in this currency.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="json, csv, xlsx or pdf; default: as -o ends."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="The file to save.")
    ] = None,
) -> None:
    """Request a report, wait for it, and print or save it.

    Without -o a json or csv report is printed as a table. Ctrl-C cancels the report.
    """
    file_format = choose_format(format_, output)
    connection: Connection = ctx.obj
    parameters = {
        "report": name.replace("-", "_"),
        "by": by,
        "from": from_,
        "to": to,
        "period": period,
        "time_zone": time_zone,
        "currency": currency,
        "format": file_format,
    }
    with connection.client() as client:
        body = {key: value for key, value in parameters.items() if value is not None}
        run = client.post("/reports", body)
        started = time.perf_counter()
        run = watch(client, REPORT, run)
        seconds = time.perf_counter() - started
        check_completed(REPORT, run)
        if output is not None:
            size = client.download(run["download_url"], output)
            if connection.json:
                document({**run, "file": str(output), "bytes": size, "seconds": round(seconds, 3)})
            else:
                out().print(f"{output} ({size:,} bytes, {seconds:.1f} s)", soft_wrap=True)
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"report.{file_format}"
            client.download(run["download_url"], file)
            _print_file(connection, file, file_format, run)
    note(f"Report {run['id']}, created in {seconds:.1f} s.")


def choose_format(name: str | None, output: Path | None) -> str:
    """The format by its name, or by how the file ends.

    Raises BadInput for an unknown format, one that cannot be printed, or two different ones.
    """
    ending = output.suffix.lstrip(".").lower() if output else ""
    chosen = name or (ending if ending in FORMATS else "json")
    if chosen not in FORMATS:
        raise BadInput(f"There is no format {chosen}.", hint=f"One of {', '.join(FORMATS)}.")
    if output is not None:
        _check_output(output, ending, name, chosen)
    elif chosen not in ("json", "csv"):
        raise BadInput(
            f"A {chosen} report needs a file to be saved in.", hint=f"Add -o report.{chosen}."
        )
    return chosen


def _check_output(output: Path, ending: str, name: str | None, chosen: str) -> None:
    """Raise BadInput unless a report of the chosen format can be saved in the file."""
    if output.is_dir():
        raise BadInput(f"{output} is a folder.", hint=f"Name a file: {output / 'report'}.{chosen}.")
    if not output.parent.is_dir():
        raise BadInput(f"There is no folder {output.parent} to save the report in.")
    if ending and not name and ending not in FORMATS:
        raise BadInput(
            f"There is no format {ending}, in which {output} ends.",
            hint=f"One of {', '.join(FORMATS)}; or name it with --format.",
        )
    if ending in FORMATS and ending != chosen:
        raise BadInput(
            f"{output} does not end in {chosen}.",
            hint=f"Add -o {output.with_suffix('.' + chosen)}, or leave out --format.",
        )


def _print_file(connection: Connection, file: Path, file_format: str, run: dict[str, Any]) -> None:
    text = file.read_text(encoding="utf-8-sig")
    if file_format == "csv":
        lines = list(csv.reader(text.splitlines()))
        header, rows = (lines[0], lines[1:]) if lines else ([], [])
        if connection.json:
            document({**run, "rows": [dict(zip(header, row, strict=False)) for row in rows]})
        else:
            table(header, rows)
        return
    content: dict[str, Any] = json.loads(text)
    if connection.json:
        document(content)
        return
    columns = content["columns"]
    table(
        [column["title"] for column in columns],
        [
            *(_cells(row, columns) for row in content["rows"]),
            *(_cells(row, columns) for row in content.get("totals", []) if content["rows"]),
        ],
        right=frozenset(one["title"] for one in columns if one["kind"] not in ("text", "date")),
        title=_title(content),
    )
    if not content["rows"]:
        note("No opportunity matches: the report is empty.")
    for text in content.get("notes", []):
        note(text)


def _title(content: dict[str, Any]) -> str:
    """`Win rate by region, 2017-01-01 to 2017-12-31`."""
    period = content.get("period") or {}
    days = [day for day in (period.get("from"), period.get("to")) if day]
    if len(days) == 2:
        return f"{content['title']}, {days[0]} to {days[1]}"
    if days:
        return f"{content['title']}, {'from' if period.get('from') else 'until'} {days[0]}"
    return str(content["title"])


def _cells(row: dict[str, Any], columns: list[dict[str, str]]) -> list[str]:
    return [format_value(row.get(column["key"]), column["kind"]) for column in columns]


def format_value(value: Any, kind: str) -> str:
    """A value of a JSON report as text; the currency of money has its own column."""
    if value is None:
        return ""
    match kind:
        case "money":
            return f"{major(**value):,}"
        case "percent":
            # The ratio has four digits: exact as text, but not as a float times 100.
            return f"{Decimal(str(value)) * 100:.2f} %"
        case "int":
            return f"{value:,}"
        case _:
            return str(value)
