"""`zebros report NAME`: ask for a report, watch it being made, fetch or show it."""

import csv
import json
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from kernel.domain.money import major
from zebros.cli.output import document, note, out, progress, table
from zebros.client.api import Client
from zebros.client.connection import Connection
from zebros.errors import BadInput, CliError, Stopped

FORMATS = ("json", "csv", "xlsx", "pdf")
_ENDED = frozenset({"completed", "failed", "cancelled"})
_FIRST_POLL_S, _SLOWEST_POLL_S = 0.2, 2.0


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
        str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="The first day counted.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="The last day counted.")
    ] = None,
    currency: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only deals in this currency.")
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", help="json, csv, xlsx or pdf; by default what -o ends in."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to save it.")
    ] = None,
) -> None:
    """Ask for a report, wait for it with a progress bar, and show or save it.

    Without -o a json or csv report is shown as a table. Ctrl-C cancels the report.
    """
    wanted = _format(format_, output)
    connection: Connection = ctx.obj
    asked = {
        "report": name.replace("-", "_"),
        "by": by,
        "from": from_,
        "to": to,
        "currency": currency,
        "format": wanted,
    }
    with connection.client() as client:
        body = {key: value for key, value in asked.items() if value is not None}
        run = client.post("/reports", body)
        started = time.perf_counter()
        run = watch(client, run)
        seconds = time.perf_counter() - started
        _must_be_complete(run)
        if output is not None:
            size = client.download(run["download_url"], output)
            if connection.json:
                document({**run, "file": str(output), "bytes": size, "seconds": round(seconds, 3)})
            else:
                out().print(f"{output} ({size:,} bytes, {seconds:.1f} s)", soft_wrap=True)
            return
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"report.{wanted}"
            client.download(run["download_url"], file)
            _show(connection, file, wanted, run)
    note(f"Report {run['id']}, made in {seconds:.1f} s.")


def _format(given: str | None, output: Path | None) -> str:
    """The format asked for, by name or by what the file ends in.

    Raises BadInput for one there is not, one that no terminal shows, and two that differ.
    """
    ending = output.suffix.lstrip(".").lower() if output else ""
    wanted = given or (ending if ending in FORMATS else "json")
    if wanted not in FORMATS:
        raise BadInput(f"There is no format {wanted}.", hint=f"One of {', '.join(FORMATS)}.")
    if output is None and wanted not in ("json", "csv"):
        raise BadInput(
            f"A {wanted} report needs a file to be saved in.", hint=f"Add -o report.{wanted}."
        )
    if output is not None and output.is_dir():
        raise BadInput(f"{output} is a folder.", hint=f"Name a file: {output / 'report'}.{wanted}.")
    if output is not None and not output.parent.is_dir():
        raise BadInput(f"There is no folder {output.parent} to save the report in.")
    if output is not None and ending and not given and ending not in FORMATS:
        raise BadInput(
            f"There is no format {ending}, in which {output} ends.",
            hint=f"One of {', '.join(FORMATS)}; or say it with --format.",
        )
    if output is not None and ending in FORMATS and ending != wanted:
        raise BadInput(
            f"{output} does not end in {wanted}.",
            hint=f"Add -o {output.with_suffix('.' + wanted)}, or leave out --format.",
        )
    return wanted


def watch(
    client: Client, run: dict[str, Any], pause: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Poll a report run until it has ended; Ctrl-C asks the CRM to cancel it."""
    wait = _FIRST_POLL_S
    with progress(counted=False) as bar:
        task = bar.add_task(_said(run), total=100)
        try:
            while run["status"] not in _ENDED:
                pause(wait)
                wait = min(wait * 1.3, _SLOWEST_POLL_S)
                run = client.get(f"/reports/{run['id']}")
                bar.update(task, description=_said(run), completed=percent(run))
        except KeyboardInterrupt:
            raise _cancelled(client, run) from None
    return run


def _said(run: dict[str, Any]) -> str:
    return str(run.get("progress_text") or "Waiting for a worker")


def percent(run: dict[str, Any]) -> float:
    """How far a run is, 0 to 100, from the figure it carries."""
    done = run.get("progress") or 0
    return min(float(done), 100.0)


def _cancelled(client: Client, run: dict[str, Any]) -> CliError:
    try:
        client.post(f"/reports/{run['id']}/cancel")
    except CliError as trouble:
        return Stopped(
            f"Stopped waiting; report {run['id']} could not be cancelled: {trouble.message}",
            hint=f"`zebros api GET /reports/{run['id']}` shows how it goes.",
        )
    return Stopped(f"Report {run['id']} was cancelled.")


def _must_be_complete(run: dict[str, Any]) -> None:
    if run["status"] == "completed":
        return
    if run["status"] == "cancelled":
        raise CliError(f"Report {run['id']} was cancelled by someone.")
    reason = run.get("reason") or "no reason was given"
    raise CliError(
        f"Report {run['id']} failed: {str(reason).rstrip('.')}.",
        hint=f"`zebros events trace report/{run['id']}` tells its story.",
    )


def _show(connection: Connection, file: Path, wanted: str, run: dict[str, Any]) -> None:
    text = file.read_text(encoding="utf-8-sig")
    if wanted == "csv":
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
        note("Nothing matched: the report is empty.")
    for sentence in content.get("notes", []):
        note(sentence)


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
    return [shown(row.get(column["key"]), column["kind"]) for column in columns]


def shown(value: Any, kind: str) -> str:
    """A value of a JSON report as people read it; its currency has a column of its own."""
    if value is None:
        return ""
    match kind:
        case "money":
            return f"{major(**value):,}"
        case "percent":
            # The file has the ratio with four digits: exact as text, not as a float times 100.
            return f"{Decimal(str(value)) * 100:.2f} %"
        case "int":
            return f"{value:,}"
        case _:
            return str(value)
