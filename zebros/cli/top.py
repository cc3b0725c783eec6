"""`zebros top`: the figures of the dashboards, live."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from zebros.cli.output import document, number, out
from zebros.client.connection import STACK, Connection
from zebros.monitoring.cloudwatch import CloudWatch
from zebros.monitoring.figures import Deployed, Figure, figures

_MOST = 6
"""Lines of a figure that are shown; those of idle resources are left out first."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="top")(top)


def top(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Print the figures once.")] = False,
    every: Annotated[
        float, typer.Option(min=0.5, metavar="SECONDS", help="Time between two readings.")
    ] = 5.0,
) -> None:
    """Show the figures of the dashboards, of the last minutes, until Ctrl-C.

    They are read from CloudWatch: the local platform's, or with --stack that of an account.
    """
    connection: Connection = ctx.obj
    try:
        deployment = connection.deployment()
        source = CloudWatch(deployment.aws("cloudwatch"))
        deployed = Deployed(connection.stack or STACK, deployment.resources)
        if connection.json:
            document([_document(one) for one in figures(deployed, source, time.time())])
        elif once:
            _print(out(), figures(deployed, source, time.time()))
        else:
            _follow(deployed, source, every)
    except KeyboardInterrupt:
        return


def _follow(deployed: Deployed, source: CloudWatch, every: float) -> None:
    """Read and show again and again: in place on a terminal, one below the other in a pipe."""
    console = out()
    if not console.is_terminal:
        while True:
            _print(console, figures(deployed, source, time.time()))
            time.sleep(every)
    first = _table(figures(deployed, source, time.time()))
    with Live(first, console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            time.sleep(every)
            live.update(_table(figures(deployed, source, time.time())), refresh=True)


def _print(console: Console, found: list[Figure]) -> None:
    grid = _table(found)
    if not console.is_terminal:
        console.width = max(console.measure(grid).maximum, 1)
    console.print(grid)


def _table(found: list[Figure]) -> RenderableType:
    """A table of each dashboard below the other."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    grid.add_column("figure")
    grid.add_column("of")
    grid.add_column("value", justify="right")
    dashboard = ""
    for figure in found:
        if figure.signal.dashboard != dashboard:
            dashboard = figure.signal.dashboard
            grid.add_row(Text(dashboard, style="bold"), "", "")
        for place, (label, value) in enumerate(_lines(figure)):
            grid.add_row(Text("" if place else f"  {figure.signal.heading}"), Text(label), value)
    stamp = Text(f"{time.strftime('%H:%M:%S')}, the last minutes", style="dim")
    return Group(stamp, grid)


def _lines(figure: Figure) -> list[tuple[str, str]]:
    """The lines that are shown: those with the highest values."""
    lines = list(figure.lines)
    if not any(line.value is not None for line in lines):
        return [("", "-")]
    if len(lines) > _MOST:
        busy = sorted((one for one in lines if one.value), key=lambda one: -(one.value or 0))
        hidden = len(lines) - len(busy[:_MOST])
        shown = [(one.label, _number(one.value)) for one in busy[:_MOST]]
        return [*shown, (f"{hidden} others", _number(0.0 if len(busy) <= _MOST else None))]
    return [(one.label, _number(one.value)) for one in lines]


def _number(value: float | None) -> str:
    return "-" if value is None else number(value)


def _document(figure: Figure) -> dict[str, Any]:
    signal = figure.signal
    return {
        "id": signal.id,
        "dashboard": signal.dashboard,
        "title": signal.title,
        "unit": signal.unit,
        "lines": [{"label": line.label, "value": line.value} for line in figure.lines],
    }
