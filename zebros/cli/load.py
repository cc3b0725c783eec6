"""`zebros load RECORDS FILE`: load a CSV file."""

import hashlib
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.output import document, err, note, out, progress, table
from zebros.client.api import Client
from zebros.client.connection import Connection
from zebros.errors import ApiError, BadInput, CliError, NotReady, Stopped
from zebros.loading import rejects_file
from zebros.loading.api_schema import fetch_schema
from zebros.loading.csv_files import inspect
from zebros.loading.dry_run import DryRun
from zebros.loading.journal import FORMAT, Journal, Reject, remove
from zebros.loading.load import Load
from zebros.loading.map_files import identity_map, read_map
from zebros.loading.mapper import Mapper
from zebros.loading.pipelines import ensure_pipeline
from zebros.loading.record_types import RECORD_TYPES
from zebros.loading.references import References
from zebros.text import count_of

SOME_REJECTED = 3
"""The exit code when some rows were rejected and the others loaded."""
_SHOWN = 10
"""How many rejects are printed; the rejects file contains all."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="load")(load)


def load(
    ctx: typer.Context,
    records: Annotated[str, typer.Argument(help=f"{', '.join(RECORD_TYPES)}.")],
    file: Annotated[Path, typer.Argument(help="The CSV file, with a header row.")],
    map_: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="A TOML file that maps columns to fields."),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(
            "--encoding", metavar="NAME", help="That of the file, such as cp1252, unless UTF-8."
        ),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, change nothing.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="Default: FILE.rejects.csv."),
    ] = None,
    in_flight: Annotated[
        int, typer.Option(min=1, max=16, help="Batch requests at the same time.")
    ] = 4,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start again instead of continuing a stopped load.")
    ] = False,
) -> None:
    """Load a CSV file: create new records, update changed ones, and report rejected rows.

    Rows are recognised by their external id, so a file can be loaded twice, and a load that was
    stopped or killed continues where it was. docs/loading.md describes the map file.
    """
    record_type = RECORD_TYPES.get(records)
    if record_type is None:
        raise BadInput(f"{records} cannot be loaded.", hint=f"Use {', '.join(RECORD_TYPES)}.")
    connection: Connection = ctx.obj
    read = read_map(map_, record_type) if map_ else None
    csv_file = inspect(file, read.encoding if read and encoding is None else encoding)
    mapping = read or identity_map(csv_file.header, record_type, file)
    folders = (file.resolve().parent, *((map_.resolve().parent,) if map_ else ()))
    mapper = Mapper(mapping, record_type, csv_file, folders)
    target = rejects or file.with_name(f"{file.name}.rejects.csv")
    if rejects or not dry:
        sources = [file, *([map_] if map_ else []), *mapper.joined_files]
        rejects_file.check_target(target, sources)
    most = count_of(csv_file.max_rows, "row", "rows")
    note(f"{file}: {csv_file.description}; {most} at most.")
    if dry:
        _dry_run(connection, mapper, rejects)
        return
    client = connection.client(connections=2 * in_flight)
    journal_path = _journal_path(connection, client, mapper, map_)
    if fresh:
        remove(journal_path)
    with client:
        journal = Journal(journal_path)
        try:
            _load(connection, client, mapper, journal, target, in_flight)
        finally:
            journal.close()


def _load(
    connection: Connection,
    client: Client,
    mapper: Mapper,
    journal: Journal,
    target: Path,
    in_flight: int,
) -> None:
    before = journal.counts().rows
    if before:
        rows = count_of(before, "row", "rows")
        note(f"Continuing after {rows} of an earlier run (--fresh starts again).")
    for text in mapper.notes:
        note(text)
    started = time.perf_counter()
    with progress() as bar:
        task = bar.add_task(f"Loading {mapper.record_type.name}", total=mapper.file.max_rows)
        constants: dict[str, Any] = {}
        if mapper.map.pipeline:
            constants["pipeline_id"] = ensure_pipeline(client, mapper.map.pipeline)
        run = Load(
            client,
            mapper,
            journal,
            References(client),
            constants,
            in_flight,
            on_progress=lambda counts: bar.update(task, completed=counts.rows),
        )
        try:
            run.run()
        except CliError as error:
            rejects_file.write(target, mapper.file.header, journal.rejects())
            if not isinstance(error, Stopped):
                count = count_of(journal.counts().rows, "row is", "rows are")
                error.hint += f" {count} done; the same command continues from there."
                error.hint = error.hint.strip()
            raise
    seconds = time.perf_counter() - started
    rejects_file.write(target, mapper.file.header, journal.rejects())
    counts, rejected = journal.counts(), journal.reject_count()
    rate = (counts.rows - before) / seconds if seconds else 0.0
    figures = {
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "rejected": counts.rejected,
        "incomplete": rejected - counts.rejected,
        "seconds": round(seconds, 3),
        "rows_per_second": round(rate, 1),
        "read_as": mapper.file.description,
        "rejects_file": str(target) if rejected else None,
        "rejects": _as_json(islice(journal.rejects(), _SHOWN)),
    }
    journal.discard()
    if connection.json:
        document(figures)
    else:
        _print(figures, rejected)
    if rejected:
        raise typer.Exit(SOME_REJECTED)


def _journal_path(
    connection: Connection, client: Client, mapper: Mapper, map_: Path | None
) -> Path:
    """The journal of this load, identified by file, map, tenant and API."""
    digest = hashlib.sha256()
    for part in (
        str(FORMAT),
        mapper.file.sha256,
        mapper.file.encoding,
        mapper.record_type.name,
        connection.realm,
        client.base,
    ):
        digest.update(part.encode() + b"\n")
    if map_ is not None:
        digest.update(map_.read_bytes())
    return connection.home / "loads" / f"{digest.hexdigest()[:24]}.journal"


def _dry_run(connection: Connection, mapper: Mapper, target: Path | None) -> None:
    """Check the file; rejects are written to `target` only."""
    references: References | None = None
    schema: dict[str, Any] | None = None
    constants: dict[str, Any] = {}
    path = mapper.record_type.path
    try:
        client = connection.client()
        schema = fetch_schema(client, path)
        if mapper.map.pipeline:
            constants["pipeline_id"] = "default"
        client.get(path, limit=1)
        references = References(client)
    except (NotReady, ApiError) as error:
        note(f"{error} References and the API's own limits were not checked.")
    with err().status(f"Checking {mapper.record_type.name}"):
        result = DryRun(mapper, references, schema, constants).run()
    if target is not None:
        written = rejects_file.write(target, mapper.file.header, result.rejects)
        if written < result.rejected:
            note(f"{target} has the first {written:,} of {result.rejected:,}; a load writes all.")
    rejects = _as_json(result.rejects)
    if connection.json:
        document(
            {
                "dry_run": True,
                "ready": result.ready,
                "rejected": result.rejected,
                "notes": result.notes,
                "rejects": rejects,
            }
        )
    else:
        for text in result.notes:
            note(text)
        _print_rejects(rejects[:_SHOWN])
        out().print(
            f"{count_of(result.ready, 'row is', 'rows are')} ready to be loaded, "
            f"{result.rejected:,} would be rejected. Nothing was changed.",
            soft_wrap=True,
        )
    if result.rejected:
        raise typer.Exit(SOME_REJECTED)


def _as_json(rejects: Iterable[Reject]) -> list[dict[str, Any]]:
    return [{"row": reject.row, "reason": reject.reason} for reject in rejects]


def _print_rejects(rejects: list[dict[str, Any]]) -> None:
    if rejects:
        rows = [(f"{reject['row']:,}", reject["reason"]) for reject in rejects]
        table(["row", "rejected because"], rows, right=frozenset({"row"}))


def _print(figures: dict[str, Any], rejected: int) -> None:
    names = ("created", "updated", "unchanged", "rejected")
    columns = [*names, "rows/s"]
    cells = [*(f"{figures[name]:,}" for name in names), f"{figures['rows_per_second']:,.0f}"]
    table(columns, [cells], right=frozenset(columns))
    _print_rejects(figures["rejects"])
    if figures["incomplete"]:
        rows = count_of(figures["incomplete"], "row was", "rows were")
        note(f"{rows} loaded without a reference to another record.")
    if rejected:
        rows = count_of(rejected, "row is", "rows are")
        text = f"{rows} in {figures['rejects_file']} with the reason; correct and load that file."
        err().print(Text(text), soft_wrap=True)
