"""`zebros load RECORDS FILE`: load a CSV file."""

import hashlib
import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.output import document, err, note, out, progress, table
from zebros.client.api import Client, StaticToken
from zebros.client.connection import Connection
from zebros.errors import BadInput, CliError, NotReady, Stopped
from zebros.loading import rejects_file
from zebros.loading.contact_points import is_country
from zebros.loading.csv_files import inspect
from zebros.loading.dry_run import AnyReference, DryRun, NewPipeline
from zebros.loading.journal import FORMAT, Journal, remove
from zebros.loading.load import Load
from zebros.loading.map_files import identity_map, read_map
from zebros.loading.mapper import Mapper
from zebros.loading.pipelines import ensure_pipeline, find_pipeline
from zebros.loading.record_types import RECORD_TYPES
from zebros.loading.references import References
from zebros.loading.suggested_map import SuggestedMap, guessed_type
from zebros.text import count_of

SOME_REJECTED = 3
"""The exit code when some rows were rejected and the others loaded."""
_SHOWN, _LISTED = 10, 1000
"""How many rejects are printed, and listed in JSON; the rejects file contains all."""
_OUTCOMES = ("created", "updated", "unchanged", "skipped", "rejected")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="load")(load)


def load(
    ctx: typer.Context,
    records: Annotated[str, typer.Argument(help=f"{', '.join(RECORD_TYPES)}.")],
    file: Annotated[
        Path | None, typer.Argument(help="The CSV file, with a header row.", show_default=False)
    ] = None,
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
    country: Annotated[
        str | None,
        typer.Option(
            "--country", metavar="CODE", help="Of telephone numbers without a country code."
        ),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, change nothing.")
    ] = False,
    suggest: Annotated[
        bool, typer.Option("--suggest-map", help="Print a map for the file, with comments.")
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

    Rows are recognised by their external id, contacts also by their e-mail address, so a file can
    be loaded twice, and a load that was stopped or killed continues where it was. docs/loading.md
    describes the map file.
    """
    if suggest:
        _suggest(ctx.obj, records, file, encoding)
        return
    if file is None:
        raise BadInput("Name the CSV file to load.", hint="zebros load accounts accounts.csv")
    record_type = RECORD_TYPES.get(records)
    if record_type is None:
        raise BadInput(f"{records} cannot be loaded.", hint=f"Use {', '.join(RECORD_TYPES)}.")
    connection: Connection = ctx.obj
    read = read_map(map_, record_type) if map_ else None
    csv_file = inspect(file, read.encoding if read and encoding is None else encoding)
    mapping = read or identity_map(csv_file.header, record_type, file)
    folders = (file.resolve().parent, *((map_.resolve().parent,) if map_ else ()))
    if country is not None and not is_country(country):
        raise BadInput(f"{country!r} is not an ISO 3166 country code.", hint="Use US or DE.")
    mapper = Mapper(mapping, record_type, csv_file, folders, country)
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


def _suggest(connection: Connection, records: str, file: Path | None, encoding: str | None) -> None:
    """Print a map for a file; without a record type, that of most of its columns."""
    csv_file = inspect(Path(records) if file is None else file, encoding)
    if file is not None and records not in RECORD_TYPES:
        raise BadInput(f"{records} cannot be loaded.", hint=f"Use {', '.join(RECORD_TYPES)}.")
    record_type = RECORD_TYPES.get(records) or guessed_type(csv_file.header)
    text = SuggestedMap(csv_file, record_type, encoding).text()
    if connection.json:
        document({"record": record_type.name, "map": text})
    else:
        out().print(Text(text), soft_wrap=True, end="")


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
    figures = _figures(journal, mapper)
    rate = (journal.counts().rows - before) / seconds if seconds else 0.0
    incomplete = figures["rejected"] + figures["incomplete"]
    figures |= {
        "seconds": round(seconds, 3),
        "rows_per_second": round(rate, 1),
        "read_as": mapper.file.description,
        "notes": mapper.notes,
        "rejects_file": str(target) if incomplete else None,
    }
    journal.discard()
    if connection.json:
        document(figures)
    else:
        _print(figures)
    if incomplete:
        raise typer.Exit(SOME_REJECTED)


def _figures(journal: Journal, mapper: Mapper) -> dict[str, Any]:
    """The outcome of a load or of a dry run."""
    counts = journal.counts()
    rejects = islice(journal.rejects(), _LISTED)
    return {
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "skipped": counts.skipped,
        "rejected": counts.rejected,
        "incomplete": journal.incomplete(),
        "named_by_another_field": dict(mapper.named_by),
        "rejects": [{"row": one.row, "reason": one.reason} for one in rejects],
    }


def _journal_path(
    connection: Connection, client: Client, mapper: Mapper, map_: Path | None
) -> Path:
    """The journal of this load, identified by file, map, tenant and API."""
    digest = hashlib.sha256()
    for part in (
        str(FORMAT),
        mapper.file.sha256,
        mapper.file.encoding,
        mapper.country or "",
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
    run = _prepared_dry_run(connection, mapper)
    try:
        with err().status(f"Checking {mapper.record_type.name}"):
            run.run()
        if target is not None:
            rejects_file.write(target, mapper.file.header, run.journal.rejects())
        figures = _figures(run.journal, mapper)
    finally:
        run.journal.close()
    ready = figures["created"] + figures["updated"] + figures["unchanged"]
    notes = mapper.notes + run.notes
    if connection.json:
        document({"dry_run": True, "ready": ready, **figures, "notes": notes})
    else:
        for text in notes:
            note(text)
        if not run.offline:
            _print_counts(figures, _OUTCOMES)
        _print_rejects(figures)
        out().print(
            f"{count_of(ready, 'row is', 'rows are')} ready to be loaded, "
            f"{figures['rejected']:,} would be rejected. Nothing was changed.",
            soft_wrap=True,
        )
    if figures["rejected"] or figures["incomplete"]:
        raise typer.Exit(SOME_REJECTED)


def _prepared_dry_run(connection: Connection, mapper: Mapper) -> DryRun:
    """The dry run by the API, or by the file and its map alone when no API answers."""
    try:
        client = connection.client()
        client.get(mapper.record_type.path, limit=1)
    except NotReady as error:
        note(f"{error} References and the API's own rules were not checked.")
        nobody = Client("http://127.0.0.1", StaticToken(""))
        return DryRun(nobody, mapper, Journal(None), AnyReference(nobody), offline=True)
    run = DryRun(client, mapper, Journal(None), References(client))
    if pipeline := mapper.map.pipeline:
        if (pipeline_id := find_pipeline(client, pipeline)) is not None:
            run.constants["pipeline_id"] = pipeline_id
        else:
            run.new_pipeline = NewPipeline.of(client, pipeline)
    return run


def _print_counts(figures: dict[str, Any], names: tuple[str, ...]) -> None:
    shown = [name for name in names if name != "skipped" or figures[name]]
    columns = [name.replace("rows_per_second", "rows/s") for name in shown]
    table(columns, [[f"{figures[name]:,.0f}" for name in shown]], right=frozenset(columns))


def _print_rejects(figures: dict[str, Any]) -> None:
    if rejects := figures["rejects"][:_SHOWN]:
        rows = [(f"{reject['row']:,}", reject["reason"]) for reject in rejects]
        table(["row", "rejected because"], rows, right=frozenset({"row"}))
    for name, count in figures["named_by_another_field"].items():
        contacts = count_of(count, "contact", "contacts")
        note(f"{contacts} without a last name: new ones are named by {name}.")
    if figures["incomplete"]:
        rows_ = count_of(figures["incomplete"], "row is", "rows are")
        note(f"{rows_} loaded without a value or a reference, as listed.")


def _print(figures: dict[str, Any]) -> None:
    _print_counts(figures, (*_OUTCOMES, "rows_per_second"))
    _print_rejects(figures)
    if incomplete := figures["rejected"] + figures["incomplete"]:
        rows = count_of(incomplete, "row is", "rows are")
        text = f"{rows} in {figures['rejects_file']} with the reason; correct and load that file."
        err().print(Text(text), soft_wrap=True)
