"""How commands speak: results on stdout, everything said about them on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from zebros.errors import CliError

_PIPE_WIDTH = 10_000
"""A pipe has no width: nothing is wrapped or cut for it."""


def out() -> Console:
    """stdout; made anew each time, so that redirection (and a test's capture) is seen."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def err() -> Console:
    """stderr, for progress, notes and faults; prose is wrapped by the terminal alone."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(sentence: str) -> None:
    """Something worth knowing that is not the result."""
    err().print(Text(sentence, style="dim"))


def complain(trouble: CliError, *, as_json: bool) -> None:
    """One sentence on stderr, and what to do about it."""
    if as_json:
        sys.stderr.write(json.dumps(trouble.document(), ensure_ascii=False) + "\n")
        return
    console = err()
    console.print(Text.assemble(("zebros: ", "bold red"), trouble.message))
    if trouble.hint:
        console.print(Text(trouble.hint, style="dim"))


def document(value: Any) -> None:
    """A JSON document on stdout: coloured for a terminal, plain for a pipe."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if sys.stdout.isatty():
        out().print_json(text)
    else:
        sys.stdout.write(text + "\n")


def line(value: Any) -> None:
    """One JSON document on one line, at once: for streams of them."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: frozenset[str] = frozenset(),
    title: str | None = None,
) -> None:
    """A table on stdout; `right` names the columns that hold figures."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = out()
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    if not sys.stdout.isatty():  # as wide as it needs to be, not padded to the pipe's width
        console.width = max(console.measure(grid).maximum, 1)
    console.print(grid)


def progress(*, counted: bool = True) -> Progress:
    """A progress bar on stderr; it leaves nothing behind, and a pipe sees none of it."""
    figures = [MofNCompleteColumn(), TimeRemainingColumn()] if counted else [TaskProgressColumn()]
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        *figures,
        TimeElapsedColumn(),
        console=err(),
        transient=True,
    )
