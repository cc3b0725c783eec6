"""`zebros load KIND FILE`: a CSV file into the CRM, row by row accounted for."""

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.output import document, err, note, out, progress, table
from zebros.client.api import Client
from zebros.client.connection import Connection
from zebros.errors import BadInput, NotReady, Refused, Stopped, Trouble
from zebros.loading import maps, rejects
from zebros.loading.check import dry_run, fetch_schema
from zebros.loading.files import Shape, inspect
from zebros.loading.journal import LAYOUT, Counts, Journal, Reject, remove
from zebros.loading.mapping import Mapper
from zebros.loading.pipelines import ensure_pipeline
from zebros.loading.records import KINDS, Kind
from zebros.loading.references import References
from zebros.loading.run import Load
from zebros.words import counted

SOME_REJECTED = 3
"""The exit code when good rows landed and others did not."""
_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="load")(load)


def load(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(help=f"{', '.join(KINDS)}.")],
    file: Annotated[Path, typer.Argument(help="The CSV file, with a header row.")],
    map_: Annotated[
        Path | None,
        typer.Option("--map", metavar="FILE", help="Which column is which field (TOML)."),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, write nothing.")
    ] = False,
    rejects_file: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="Default: FILE.rejects.csv."),
    ] = None,
    in_flight: Annotated[
        int, typer.Option(min=1, max=16, help="Batch calls at the same time.")
    ] = 4,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew instead of going on after a stop.")
    ] = False,
) -> None:
    """Load a CSV file: create what is new, change what changed, say what was rejected and why.

    Rows are recognised by their external id, so loading a file twice does no harm, and a load that
    was stopped or killed goes on where it was. See docs/loading.md for the map file.
    """
    wanted = KINDS.get(kind)
    if wanted is None:
        raise BadInput(f"{kind} cannot be loaded.", hint=f"What can: {', '.join(KINDS)}.")
    connection: Connection = ctx.obj
    shape = inspect(file)
    map_read = maps.read(map_, wanted) if map_ else maps.identity(shape.header, wanted, file)
    folders = (file.resolve().parent, *((map_.resolve().parent,) if map_ else ()))
    mapper = Mapper(map_read, wanted, shape, folders)
    target = rejects_file or file.with_name(f"{file.name}.rejects.csv")
    if rejects_file or not dry:
        rejects.check_target(target, [file, *([map_] if map_ else []), *mapper.joined])
    note(f"{file}: {shape.description}; {counted(shape.rows_at_most, 'row', 'rows')} or fewer.")
    if dry:
        _forecast(connection, mapper, rejects_file)
        return
    client = connection.client(connections=2 * in_flight)
    journal_path = _journal_path(connection, client, shape, map_, wanted)
    if fresh:
        remove(journal_path)
    with client:
        journal = Journal(journal_path)
        try:
            _carry_out(connection, client, mapper, journal, target, in_flight)
        finally:
            journal.close()


def _carry_out(
    connection: Connection,
    client: Client,
    mapper: Mapper,
    journal: Journal,
    target: Path,
    in_flight: int,
) -> None:
    before = journal.counts().rows
    if before:
        rows = counted(before, "row", "rows")
        note(f"Going on after {rows} of an earlier run (--fresh begins anew).")
    for sentence in mapper.notes:
        note(sentence)
    started = time.perf_counter()
    with progress() as bar:
        task = bar.add_task(f"Loading {mapper.kind.name}", total=mapper.shape.rows_at_most)
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
        except Trouble as trouble:
            raise _with_progress(trouble, journal, mapper, target) from trouble
    seconds = time.perf_counter() - started
    counts, in_all = journal.counts(), journal.rejects_in_all()
    rejects.write(target, mapper.shape.header, journal.rejects())
    some = [reject for reject, _ in zip(journal.rejects(), range(_SHOWN), strict=False)]
    journal.discard()
    _report(connection, mapper, counts, in_all, some, target, seconds, counts.rows - before)
    if in_all:
        raise typer.Exit(SOME_REJECTED)


def _journal_path(
    connection: Connection, client: Client, shape: Shape, map_: Path | None, kind: Kind
) -> Path:
    """One journal per file, map, tenant and CRM: another file or a mended map is another load."""
    digest = hashlib.sha256()
    for part in (str(LAYOUT), shape.sha256, kind.name, connection.realm, client.base):
        digest.update(part.encode() + b"\n")
    if map_ is not None:
        digest.update(map_.read_bytes())
    return connection.home / "loads" / f"{digest.hexdigest()[:24]}.journal"


def _with_progress(trouble: Trouble, journal: Journal, mapper: Mapper, target: Path) -> Trouble:
    """The same trouble, saying what is safe already and how to go on."""
    counts = journal.counts()
    rejects.write(target, mapper.shape.header, journal.rejects())
    if isinstance(trouble, Stopped):
        return trouble
    rows = counted(counts.rows, "row is", "rows are")
    again = f"{rows} accounted for; the same command goes on from there."
    trouble.hint = f"{trouble.hint} {again}".strip()
    return trouble


def _forecast(connection: Connection, mapper: Mapper, target: Path | None) -> None:
    """The dry run's answer. Only an explicit --rejects writes a file."""
    references: References | None = None
    schema: dict[str, Any] | None = None
    constants: dict[str, Any] = {}
    try:
        client = connection.client()
        schema = fetch_schema(client, mapper.kind.path)
        if mapper.map.pipeline:
            constants["pipeline_id"] = "default"
        client.get(mapper.kind.path, limit=1)
        references = References(client)
    except (NotReady, Refused) as fault:
        note(f"{fault} References and the API's own limits were not checked.")
    with err().status(f"Checking {mapper.kind.name}"):
        forecast = dry_run(mapper, references, schema, constants)
    if target is not None:
        written = rejects.write(target, mapper.shape.header, forecast.rejects)
        if written < forecast.rejected:
            note(f"{target} has the first {written:,} of {forecast.rejected:,}; a load has all.")
    if connection.json:
        document(
            {
                "dry_run": True,
                "ready": forecast.ready,
                "rejected": forecast.rejected,
                "notes": forecast.notes,
                "rejects": [{"row": r.row, "reason": r.reason} for r in forecast.rejects],
            }
        )
    else:
        for sentence in forecast.notes:
            note(sentence)
        _show_rejects(forecast.rejects[:_SHOWN])
        out().print(
            f"{counted(forecast.ready, 'row is', 'rows are')} ready to be loaded, "
            f"{forecast.rejected:,} would be rejected. Nothing was written.",
            soft_wrap=True,
        )
    if forecast.rejected:
        raise typer.Exit(SOME_REJECTED)


def _show_rejects(some: Iterable[Reject]) -> None:
    rows = [(f"{reject.row:,}", reject.reason) for reject in some]
    if rows:
        table(["row", "rejected because"], rows, right=frozenset({"row"}))


def _report(
    connection: Connection,
    mapper: Mapper,
    counts: Counts,
    rejected: int,
    some: list[Reject],
    target: Path,
    seconds: float,
    this_time: int,
) -> None:
    rate = this_time / seconds if seconds else 0.0
    incomplete = rejected - counts.rejected
    if connection.json:
        figures = {
            "created": counts.created,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "rejected": counts.rejected,
            "incomplete": incomplete,
            "seconds": round(seconds, 3),
            "rows_per_second": round(rate, 1),
            "read_as": mapper.shape.description,
            "rejects_file": str(target) if rejected else None,
            "rejects": [{"row": r.row, "reason": r.reason} for r in some],
        }
        document(figures)
        return
    table(
        ["created", "updated", "unchanged", "rejected", "rows/s"],
        [
            (
                f"{counts.created:,}",
                f"{counts.updated:,}",
                f"{counts.unchanged:,}",
                f"{counts.rejected:,}",
                f"{rate:,.0f}",
            )
        ],
        right=frozenset({"created", "updated", "unchanged", "rejected", "rows/s"}),
    )
    _show_rejects(some)
    if incomplete:
        rows = counted(incomplete, "row", "rows")
        note(f"{rows} landed without a record that was referred to.")
    if rejected:
        more = counted(rejected, "row is", "rows are")
        err().print(
            Text(f"{more} in {target} with the reason; mend it and load that file."), soft_wrap=True
        )
