"""`zebros simulate`: whether the sizes of a phase carry a number of users."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zebros.cli.output import document, out, table
from zebros.cli.templates import TEMPLATE, Set, Template, parameters, reading
from zebros.client.connection import Connection
from zebros.text import count_of

if TYPE_CHECKING:
    from zebros.simulation.system import Result

_SHOWN_PARTS = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="simulate")(simulate)


def simulate(
    ctx: typer.Context,
    phase: Annotated[str, typer.Option(help="mvp, startup, growth or enterprise.")],
    users: Annotated[int, typer.Option(metavar="N", min=1, max=200_000, help="Users at work.")],
    minutes: Annotated[
        float, typer.Option(min=1, max=120, help="Simulated minutes of the busiest hour.")
    ] = 30,
    seed: Annotated[int, typer.Option(help="The same seed gives the same result.")] = 1,
    set_: Set = None,
    template: Template = TEMPLATE,
    work: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Other times and shares of work.")
    ] = None,
) -> None:
    """Simulate the busiest hour of a number of users, with the sizes of the templates.

    Nothing in AWS is called. docs/simulation.md says what the model has, and what it does not.
    """
    connection: Connection = ctx.obj
    given = parameters(set_)
    # Imported here, because they need packages that only a checkout has.
    from zebros.simulation.study import Study
    from zebros.simulation.work import FILE, load_work

    with reading(template):
        study = Study(template, phase, load_work(work or FILE), given, seed)
    found = study.simulate(users, minutes)
    if connection.json:
        document(_document(phase, found))
    else:
        _print(phase, found)


def _document(phase: str, found: "Result") -> dict[str, Any]:
    p50, p95, p99 = found.latency_ms
    return {
        "phase": phase,
        "users": found.users,
        "carries": found.carries,
        "seconds": round(found.seconds, 1),
        "requests": found.requests,
        "latency_ms": {"p50": round(p50), "p95": round(p95), "p99": round(p99)},
        "failed": dict(found.refused),
        "cold_starts": round(found.cold_starts, 4),
        "event_lag_s": {
            "p50": round(found.event_lag_s[0], 2),
            "p95": round(found.event_lag_s[1], 2),
        },
        "report_wait_s": round(found.report_wait_s, 1),
        "workers": found.workers,
        "bottleneck": {"part": found.bottleneck.name, "moved_by": found.bottleneck.moved_by},
        "parts": [
            {"part": one.name, "used": round(one.share, 3), "moved_by": one.moved_by}
            for one in found.parts[:_SHOWN_PARTS]
        ],
    }


def _print(phase: str, found: "Result") -> None:
    p50, p95, p99 = found.latency_ms
    answer = "carries" if found.carries else "does not carry"
    screen = out()
    screen.print(f"Phase {phase} {answer} {count_of(found.users, 'user', 'users')}.")
    screen.print(
        f"{found.requests:,} requests in {found.seconds:,.0f} s: {p50:.0f} ms at the 50th, "
        f"{p95:.0f} at the 95th, {p99:.0f} at the 99th percentile; {found.failed:.2%} failed, "
        f"{found.cold_starts:.1%} of the invocations were cold starts."
    )
    for reason, count in found.refused.items():
        screen.print(f"{count:,} failed: {reason}.")
    screen.print(
        f"From commit to consumer {found.event_lag_s[0]:.1f} s, {found.event_lag_s[1]:.1f} s at "
        f"the 95th percentile; a report waits {found.report_wait_s:.0f} s for one of "
        f"{count_of(found.workers, 'worker', 'workers')}."
    )
    table(
        ("used most", "of all there is", "grows with"),
        [(one.name, f"{one.share:.0%}", one.moved_by) for one in found.parts[:_SHOWN_PARTS]],
        right=frozenset({"of all there is"}),
    )
