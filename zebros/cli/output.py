"""Printing: results to stdout, everything else to stderr."""

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

_WHOLE = 100
"""Numbers from here on are printed without decimal digits."""
_PIPE_WIDTH = 10_000
"""Wide enough that nothing is wrapped or cut in a pipe."""


def out() -> Console:
    """stdout; created each time, because it may have been redirected."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def err() -> Console:
    """stderr, for progress, notes and errors; the terminal wraps long lines."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def note(text: str) -> None:
    """Print information that is not the result to stderr."""
    err().print(Text(text, style="dim"))


def print_error(error: CliError, *, as_json: bool) -> int:
    """Print an error and its hint to stderr; returns its exit code."""
    if as_json:
        sys.stderr.write(json.dumps(error.document(), ensure_ascii=False) + "\n")
        return error.exit_code
    console = err()
    console.print(Text.assemble(("zebros: ", "bold red"), error.message))
    if error.hint:
        console.print(Text(error.hint, style="dim"))
    return error.exit_code


def document(value: Any) -> None:
    """Print a JSON document to stdout, in colour for a terminal."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if sys.stdout.isatty():
        out().print_json(text)
    else:
        sys.stdout.write(text + "\n")


def line(value: Any) -> None:
    """Print a JSON document as one line to stdout, and flush it."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: frozenset[str] = frozenset(),
    title: str | None = None,
) -> None:
    """Print a table to stdout; `right` are the columns that are aligned to the right."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console = out()
    if title:
        console.print(Text(title, style="bold"), soft_wrap=True)
    if not sys.stdout.isatty():  # not padded to the width of the pipe
        console.width = max(console.measure(grid).maximum, 1)
    console.print(grid)


def number(value: float) -> str:
    """A number for people: whole from a hundred on, else with three significant digits."""
    return f"{value:,.0f}" if value >= _WHOLE or value == int(value) else f"{value:,.3g}"


def progress(*, counted: bool = True) -> Progress:
    """A progress bar on stderr, which is removed at the end; nothing is printed to a pipe."""
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
