"""`zebros import RECORDS FILE`: import a file of JSON Lines in the background."""

import gzip
import json
import time
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.load import SOME_REJECTED
from zebros.cli.output import document, err, note, out, progress, table
from zebros.cli.task_runs import RunKind, check_completed, watch
from zebros.client.api import Client
from zebros.client.connection import Connection
from zebros.errors import BadInput
from zebros.loading import rejects_file
from zebros.loading.batch_sender import reason_of
from zebros.text import count_of

IMPORT = RunKind("import", "/imports")
RECORDS = ("accounts", "contacts", "products", "opportunities")
_COUNTS = ("lines", "created", "updated", "unchanged", "rejected")
_SHOWN = 10
"""How many rejected lines are printed; the file has all."""
_GZIP = b"\x1f\x8b"
_PEEKED = 100_000
"""How many bytes of the first line are looked at; a longer one is rejected by the import."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import")(import_file)


def import_file(
    ctx: typer.Context,
    records: Annotated[str, typer.Argument(help=f"{', '.join(RECORDS)}.")],
    file: Annotated[Path, typer.Argument(help="A file of JSON Lines; it may end in .gz.")],
    match_by: Annotated[
        str | None,
        typer.Option("--match-by", metavar="email", help="Find contacts by e-mail too."),
    ] = None,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, change nothing.")
    ] = False,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", metavar="FILE", help="Default: FILE.rejected.jsonl."),
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the import is requested.")
    ] = False,
) -> None:
    """Import a file with one JSON object on each line, in the background.

    Each object is what the API takes in a batch of such records. A worker imports them; records
    with external ids are recognised, so a file can be imported again. Ctrl-C cancels the import.
    For CSV files there is `zebros load`.
    """
    if records not in RECORDS:
        raise BadInput(f"{records} cannot be imported.", hint=f"Use {', '.join(RECORDS)}.")
    _check_first_line(file)
    target = rejects or file.with_name(f"{file.name}.rejected.jsonl")
    rejects_file.check_target(target, [file])
    connection: Connection = ctx.obj
    with connection.client() as client:
        body = {"record_type": records, "match_by": match_by, "dry_run": dry}
        body = {name: value for name, value in body.items() if value not in (None, False)}
        run = client.post("/imports", {"upload_id": _upload(client, file), **body})
        if detach:
            _print_requested(connection, run)
            return
        started = time.perf_counter()
        run = watch(client, IMPORT, run)
        seconds = time.perf_counter() - started
        check_completed(IMPORT, run)
        rejected = run["outcome"]["rejected"]
        if rejected:
            client.download(run["rejected_url"], target)
    if connection.json:
        done = {"seconds": round(seconds, 3), "rejected_file": str(target) if rejected else None}
        document({**run, **done})
    else:
        _print(run, target, seconds)
    if rejected:
        raise typer.Exit(SOME_REJECTED)


def _check_first_line(path: Path) -> None:
    """Raise BadInput for a file that cannot be read, is empty, or does not begin with an object."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            lines = iter(lambda: file.readline(_PEEKED), b"")
            first = next((line for line in lines if line.strip()), None)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(f"{path} cannot be read: {reason}.") from error
    if first is None:
        raise BadInput(f"{path} has no line with a record.")
    if not first.lstrip(b"\xef\xbb\xbf \t").startswith(b"{"):
        raise BadInput(
            f"{path} does not have a JSON object on each line.",
            hint="`zebros load` loads CSV files.",
        )


def _upload(client: Client, file: Path) -> str:
    """Upload a file; returns the id of the upload."""
    size = file.stat().st_size
    upload = client.post("/imports/uploads", {"size_bytes": size})
    with progress(counted=False) as bar:
        task = bar.add_task(f"Uploading {file.name}", total=size)
        client.upload(
            upload["url"], file, upload["headers"], lambda sent: bar.update(task, completed=sent)
        )
    return str(upload["upload_id"])


def _print_requested(connection: Connection, run: dict[str, Any]) -> None:
    if connection.json:
        document(run)
        return
    out().print(str(run["id"]))
    note(f"`zebros api GET /imports/{run['id']}` shows its progress.")


def _print(run: dict[str, Any], target: Path, seconds: float) -> None:
    outcome = run["outcome"]
    rows = [[f"{outcome[name]:,}" for name in _COUNTS]]
    table(_COUNTS, rows, right=frozenset(_COUNTS))
    if outcome["rejected"]:
        rows = [[f"{line:,}", reason] for line, reason in islice(_reasons(target), _SHOWN)]
        table(["line", "rejected because"], rows, right=frozenset({"line"}))
        count = count_of(outcome["rejected"], "line is", "lines are")
        err().print(Text(f"{count} in {target} with the reason."), soft_wrap=True)
    what = "Nothing was changed: dry run" if run["parameters"]["dry_run"] else "Import"
    note(f"{what} {run['id']}, {seconds:.1f} s.")


def _reasons(file: Path) -> Iterator[tuple[int, str]]:
    """Each rejected line's number and why it was rejected."""
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            one = json.loads(line)
            yield int(one["line"]), reason_of(one["problem"], int(one["problem"]["status"]))
