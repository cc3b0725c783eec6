"""`zebros region`: which of two regions writes, and moves of writes between them."""

import getpass
import os
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zebros.cli.output import document, note, out, table
from zebros.client.connection import STACK, Connection
from zebros.errors import BadInput, CliError, Stopped
from zebros.local.home import Home
from zebros.regions.pair import Network, Pair
from zebros.text import count_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zebros.regions.moves import Moves, Outcome
    from zebros.regions.region import Region
    from zebros.regions.replication import WriteAtStake

_Primary = Annotated[
    str,
    typer.Option(
        envvar="ZEBROS_PRIMARY",
        metavar="REGION",
        help="Where RegionRole is primary; two local platforms know it.",
    ),
]
_Secondary = Annotated[
    str,
    typer.Option(
        envvar="ZEBROS_SECONDARY",
        metavar="REGION",
        help="Where it is secondary; two local platforms know it.",
    ),
]
_Epoch = Annotated[
    int | None,
    typer.Option(min=0, metavar="N", help="Refuse, unless this is the epoch (region status)."),
]
_Window = Annotated[
    int,
    typer.Option(
        min=1, max=1380, metavar="MINUTES", help="How long ago both regions were surely the same."
    ),
]
_MIN_WAIT_S = 50


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Two regions: which one writes, and moves of writes between them (docs/runbook.md).",
    )
    for command in (status, failover, failback, rejoin, cancel, stakes, network):
        group.command()(command)
    app.add_typer(group, name="region")


def status(ctx: typer.Context, primary: _Primary = "", secondary: _Secondary = "") -> None:
    """Print which region writes, how far the last move is, and where relays run."""
    from zebros.regions.moves import status as status_of

    connection, primary, secondary = _names(ctx, primary, secondary)
    regions = _regions(connection, primary, secondary)
    found = status_of(_fences(connection, primary, secondary), regions)
    if connection.json:
        document(found)
        return
    writer = f"{found['writer']} writes" if found["state"] == "open" else "no region writes"
    out().print(f"Epoch {found['epoch']}: {writer}.", soft_wrap=True)
    if found["began_at"]:
        began = f"The last move, from {found['source']} to {found['writer']}, began"
        end = "has no steps left" if found["finished"] else "has steps left: run it again"
        by = f" by {found['operator']}" if found["operator"] else ""
        out().print(f"{began} at {found['began_at']}{by}, and {end}.", soft_wrap=True)
    if found["lost"]:
        out().print(f"{found['source']} was lost: `zebros region rejoin` takes it back.")
    rows = [(n, "no answer" if r is None else str(r)) for n, r in found["relays"].items()]
    table(("region", "streams that its relays read"), rows)


def failover(
    ctx: typer.Context,
    primary: _Primary = "",
    secondary: _Secondary = "",
    to: Annotated[str, typer.Option(metavar="REGION", help="The region that is to write.")] = "",
    lost: Annotated[
        bool,
        typer.Option("--lost", help="Do not wait for the writes of the region that writes now."),
    ] = False,
    epoch: _Epoch = None,
    window: _Window = 60,
    wait: Annotated[
        int,
        typer.Option(min=_MIN_WAIT_S, max=3600, metavar="SECONDS", help="While nobody writes."),
    ] = _MIN_WAIT_S,
) -> None:
    """Let the other region write; by default the secondary.

    Ctrl-C stops it, and the same command continues, also on another machine.
    """
    connection, primary, secondary = _names(ctx, primary, secondary)
    _move(
        connection,
        primary,
        secondary,
        to or secondary,
        lost=lost,
        epoch=epoch,
        window=window,
        wait=wait,
    )


def failback(
    ctx: typer.Context,
    primary: _Primary = "",
    secondary: _Secondary = "",
    epoch: _Epoch = None,
    window: _Window = 60,
) -> None:
    """Let the primary write again, when it has everything that the secondary wrote."""
    connection, primary, secondary = _names(ctx, primary, secondary)
    _move(
        connection,
        primary,
        secondary,
        primary,
        lost=False,
        epoch=epoch,
        window=window,
        wait=_MIN_WAIT_S,
    )


def rejoin(
    ctx: typer.Context, primary: _Primary = "", secondary: _Secondary = "", window: _Window = 60
) -> None:
    """Take a region back that was lost, and print the writes of it that are at stake."""
    connection, primary, secondary = _names(ctx, primary, secondary)
    regions = _regions(connection, primary, secondary)
    with _stoppable("rejoin"):
        outcome = _moves(connection, regions, primary, secondary, window).rejoin()
    _print(connection, outcome)


def stakes(
    ctx: typer.Context, primary: _Primary = "", secondary: _Secondary = "", window: _Window = 60
) -> None:
    """Print the writes that the region which wrote before had acknowledged and the other lacks."""
    connection, primary, secondary = _names(ctx, primary, secondary)
    regions = _regions(connection, primary, secondary)
    found = _moves(connection, regions, primary, secondary, window).at_stake()
    if connection.json:
        document([one.document() for one in found])
    else:
        _print_stakes(found)


def cancel(ctx: typer.Context, primary: _Primary = "", secondary: _Secondary = "") -> None:
    """Stop a move whose next region has not written yet; the one before writes again."""
    connection, primary, secondary = _names(ctx, primary, secondary)
    regions = _regions(connection, primary, secondary)
    fence = _moves(connection, regions, primary, secondary, 60).cancel()
    if connection.json:
        document(asdict(fence))
    else:
        out().print(f"{fence.writer} writes again (epoch {fence.epoch}).")


def network(
    ctx: typer.Context,
    cut: Annotated[
        str, typer.Option(metavar="REGION", help="Cut a region off from the other and the witness.")
    ] = "",
    heal: Annotated[bool, typer.Option("--heal", help="Connect it again.")] = False,
    delay: Annotated[
        tuple[float, float] | None,
        typer.Option(metavar="MIN MAX", help="Seconds until an item arrives in the other region."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the delays.")] = None,
) -> None:
    """Print or change the network between two local platforms."""
    connection: Connection = ctx.obj
    pair = _pair(connection)
    if cut and heal:
        raise BadInput("A region is cut off (--cut) or connected again (--heal), not both.")
    if cut and cut not in pair.homes():
        raise BadInput(
            f"There is no region {cut} here.", hint=f"There are {' and '.join(pair.homes())}."
        )
    before = pair.network()
    after = Network(
        *(delay or (before.shortest_s, before.longest_s)),
        seed=before.seed if seed is None else seed,
        cut="" if heal else cut or before.cut,
    )
    if after != before:
        pair.write_network(after)
    under_way = pair.under_way()
    if connection.json:
        document({**asdict(after), "under_way": under_way})
        return
    state = f"{after.cut} is cut off" if after.cut else "both regions are connected"
    out().print(f"Items arrive after {after.shortest_s:g} to {after.longest_s:g} s; {state}.")
    table(("from region", "items under way"), [(n, str(count)) for n, count in under_way.items()])


def _move(
    connection: Connection,
    primary: str,
    secondary: str,
    target: str,
    *,
    lost: bool,
    epoch: int | None,
    window: int,
    wait: int,
) -> None:
    regions = _regions(connection, primary, secondary)
    moves = _moves(connection, regions, primary, secondary, window, wait)
    with _stoppable("move"):
        outcome = moves.move(target, lost=lost, epoch=epoch)
    _print(connection, outcome)


@contextmanager
def _stoppable(what: str) -> "Iterator[None]":
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(
            f"The {what} is stopped.",
            hint="The same command continues it; `zebros region status` shows where it is.",
        ) from None


def _names(ctx: typer.Context, primary: str, secondary: str) -> tuple[Connection, str, str]:
    """The names of both regions: the options, or what two local platforms know."""
    connection: Connection = ctx.obj
    if not connection.stack:
        known = list(_pair(connection).homes())
        primary, secondary = primary or known[0], secondary or known[1]
        if unknown := {primary, secondary} - set(known):
            raise BadInput(
                f"There is no region {' or '.join(sorted(unknown))} here.",
                hint=f"There are {' and '.join(known)}.",
            )
    if not primary or not secondary:
        missing = "primary" if not primary else "secondary"
        raise BadInput(
            f"The {missing} region is not named.",
            hint=f"Name it: `--{missing} REGION`, or ZEBROS_{missing.upper()} in the environment.",
        )
    if primary == secondary:
        raise BadInput(f"The two regions must differ; both are {primary}.")
    return connection, primary, secondary


def _regions(connection: Connection, primary: str, secondary: str) -> "dict[str, Region]":
    return {name: region_of(connection, name) for name in (primary, secondary)}


def region_of(connection: Connection, name: str) -> "Region":
    """A region of the system that the options name."""
    from zebros.regions.deployed import region

    return region(connection.stack or STACK, name, _endpoint(connection, name))


def _fences(connection: Connection, primary: str, secondary: str) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError

    # Either region's replica has the record; a region that was lost does not answer.
    found = [fences_of(connection, region, primary) for region in (secondary, primary)]
    try:
        found[0].read()
    except (BotoCoreError, ClientError):
        return found[1]
    return found[0]


def fences_of(connection: Connection, region: str, primary: str) -> Any:
    """The fence record, through a region."""
    from zebros.regions.deployed import fences

    endpoint = _endpoint(connection, region)
    return fences(connection.stack or STACK, region, primary, endpoint)


def _pair(connection: Connection) -> Pair:
    """What two local platforms share."""
    state = connection.state() or {}
    pair = Pair(Path(state["pair"])) if state.get("pair") else None
    if pair is None or len(pair.homes()) < 2:
        raise BadInput(
            f"The CRM in {connection.home} has no second region.",
            hint="A stack in AWS is named by `--stack NAME`, or ZEBROS_STACK in the environment. "
            "docs/local-platform.md shows how two local platforms play two regions.",
        )
    return pair


def _endpoint(connection: Connection, region: str) -> str | None:
    """The address of the local platform that plays a region; None in AWS."""
    if connection.stack:
        return None
    from zebros.client import aws

    aws.use_no_account()
    return str(Home(_pair(connection).homes()[region]).state()["endpoint"])


def _moves(
    connection: Connection,
    regions: "dict[str, Region]",
    primary: str,
    secondary: str,
    window: int,
    wait: int = _MIN_WAIT_S,
) -> "Moves":
    from zebros.regions.moves import AT_ONCE, Moves, Options

    # Here, each invocation takes a core of this machine.
    at_once = AT_ONCE if connection.stack else min(AT_ONCE, os.cpu_count() or 1)
    return Moves(
        _fences(connection, primary, secondary),
        regions,
        getpass.getuser(),
        Options(wait_s=wait, window=timedelta(minutes=window), at_once=at_once),
        lambda step, text: note(f"{step}: {text}"),
    )


def _print(connection: Connection, outcome: "Outcome") -> None:
    if connection.json:
        document({**asdict(outcome), "fence": asdict(outcome.fence)})
    else:
        out().print(f"{outcome.fence.writer} writes (epoch {outcome.fence.epoch}).")
        if outcome.seconds_without_writes is not None:
            out().print(f"No region wrote for {outcome.seconds_without_writes:.0f} s.")
        _print_stakes(outcome.at_stake)
    if outcome.failed:
        table(
            ("record that stays as it is", "reason"),
            [(one["record"], one["reason"]) for one in outcome.failed],
        )
        raise CliError(
            f"{count_of(len(outcome.failed), 'record', 'records')} could not be completed.",
            hint='docs/runbook.md, "A second region", says what to do with them.',
        )


def _print_stakes(found: "list[WriteAtStake]") -> None:
    if not found:
        out().print("No write is at stake.")
        return
    table(
        ("write at stake", "tenant", "subject", "event", "sequence", "time", "user"),
        [(o.outcome, o.tenant, o.subject, o.type, str(o.sequence), o.time, o.actor) for o in found],
    )
    note("With --json each has its whole event, whose data.current is the record as it was.")
