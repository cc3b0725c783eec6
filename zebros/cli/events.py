"""`zebros events`: follow events, tell a record's story, send events or dead letters once more."""

import time
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.output import document, err, line, note, out, progress, table
from zebros.client.connection import Connection
from zebros.errors import BadInput
from zebros.operations.events import CONTEXTS, types
from zebros.operations.redrive import chosen, dead_letter_queues
from zebros.operations.redrive import redrive as send_back
from zebros.operations.relays import resend_outbox
from zebros.operations.replay import replay as start_replay
from zebros.operations.tail import Filter, tapped
from zebros.operations.trace import Story, stories
from zebros.words import counted

_HELP = "Follow events, tell a record's story, send events or dead letters once more."
_FACTS = "They are named as in `--type OpportunityWon`; events/schemas has a file for each."
_PARTS = {
    "request": "cyan",
    "state": "bold",
    "event": "bold",
    "bus": "blue",
    "consumer": "green",
    "subscriber": "green",
    "notification": "magenta",
    "lake": "yellow",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode="markdown", help=_HELP)
    group.command(name="tail")(tail)
    group.command(name="trace")(trace)
    group.command(name="replay")(replay)
    group.command(name="redrive")(redrive)
    group.command(name="resend")(resend)
    app.add_typer(group, name="events")


def tail(
    ctx: typer.Context,
    type_: Annotated[
        list[str] | None, typer.Option("--type", help="Such as OpportunityWon; may be repeated.")
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option(help="Such as opportunities; may be repeated.")
    ] = None,
    record: Annotated[
        list[str] | None, typer.Option(metavar="KIND/ID", help="One record; may be repeated.")
    ] = None,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="Of every tenant, not of --tenant alone.")
    ] = False,
    live: Annotated[bool, typer.Option("--live", help="Leave out what is replayed.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many events.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Stop after so long.")] = None,
) -> None:
    """Show events as they happen, until Ctrl-C.

    A queue and a rule on the bus are made for it and removed at the end.
    """
    connection: Connection = ctx.obj
    for name in context or []:
        if name not in {known for known, _ in CONTEXTS.values()}:
            raise BadInput(f"There is no context {name}.", hint=_contexts())
    known = types() if type_ else frozenset()
    for name in type_ or []:
        if name not in known:
            close = get_close_matches(name, known, n=3)
            raise BadInput(
                f"There is no event {name}.",
                hint=f"Did you mean {', '.join(close)}?" if close else _FACTS,
            )
    deployment = connection.deployment()
    tenant = None if all_tenants else connection.realm
    wanted = Filter(tenant, type_ or (), context or (), record or (), live)
    ends = time.monotonic() + seconds if seconds is not None else None
    shown = 0
    try:
        with tapped(deployment, wanted) as tap:
            note(f"Following {'every tenant' if all_tenants else tenant}; Ctrl-C ends it.")
            while (count is None or shown < count) and (ends is None or time.monotonic() < ends):
                for event in tap.events():
                    _tell(event, as_json=connection.json)
                    shown += 1
                    if count is not None and shown >= count:
                        break
    except KeyboardInterrupt:
        note(f"{counted(shown, 'event', 'events')}.")


def _contexts() -> str:
    return f"There are {', '.join(sorted({known for known, _ in CONTEXTS.values()}))}."


def _tell(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        line(event)
        return
    current = event.get("data", {}).get("current", {})
    name = current.get("name") or current.get("title") or current.get("last_name") or ""
    changed = ", ".join(event.get("data", {}).get("changed", []))
    words = Text.assemble(
        (str(event["time"])[11:23], "dim"),
        "  ",
        (f"{event['type']:<26}", "bold green"),
        f" {event['subject']} ",
        (f"#{event['sequence']} ", "dim"),
        name,
        f" ({changed})" if changed else "",
        (f"  by {event.get('actor', '')}", "dim"),
        ("  replayed", "yellow") if event.get("replayed") else "",
    )
    out().print(words, soft_wrap=True)


def trace(
    ctx: typer.Context,
    record: Annotated[str, typer.Argument(help="A record's id, KIND/ID, or an event's id.")],
    last: Annotated[int, typer.Option(min=1, help="How many of its latest events.")] = 5,
) -> None:
    """Tell what became of a record's changes: request, state, event, bus, consumers, lake.

    Times are of the functions' own logs; lags count from the commit.
    """
    connection: Connection = ctx.obj
    subject, told = stories(connection.deployment(), connection.realm, record, last)
    if connection.json:
        document(
            {
                "subject": subject,
                "stories": [
                    {"event": one.event, "steps": [step.document() for step in one.steps]}
                    for one in told
                ],
            }
        )
        return
    for one in told:
        _print_story(subject, one)


def _print_story(subject: str, told: Story) -> None:
    current = told.event["data"].get("current", {})
    name = current.get("name") or current.get("title") or subject
    console = out()
    console.print(
        Text.assemble(
            (f"{told.event['type']} ", "bold"), name, (f"  event {told.event['id']}", "dim")
        ),
        soft_wrap=True,
    )
    for step in told.steps:
        at = step.at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3] if step.at else " " * 12
        lag = f"{step.lag.total_seconds() * 1000:+,.0f} ms" if step.lag is not None else ""
        console.print(
            Text.assemble(
                (f"  {at}  ", "dim"),
                f"{lag:>12}  ",
                (f"{step.part:<13}", _PARTS.get(step.part, "")),
                step.said,
            ),
            soft_wrap=True,
        )
    console.print()


def replay(
    ctx: typer.Context,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Default: a day ago.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Default: now.")] = None,
    consumer: Annotated[
        str | None,
        typer.Option(metavar="FUNCTION", help="To one consumer alone, such as ActivitiesEvents."),
    ] = None,
) -> None:
    """Send archived events through the bus once more, marked as replayed.

    TIME is 2026-01-31, 2026-01-31T09:30 (UTC) or 90m, 12h, 3d (that long ago). Consumers recognise
    what they have had already, so a replay changes nothing that is right.
    """
    connection: Connection = ctx.obj
    now = datetime.now(UTC)
    start = instant(from_, now) if from_ else now - timedelta(days=1)
    end = instant(to, now) if to else now
    deployment = connection.deployment()
    last = None
    with progress(counted=False) as bar:
        task = bar.add_task("Replaying", total=None)
        for last in start_replay(deployment, start, end, consumer):
            if last.share is not None:
                bar.update(task, total=100, completed=last.share * 100)
    if last is None:
        return
    if connection.json:
        document({"replay": last.name, "state": last.state, "from": str(start), "to": str(end)})
    else:
        out().print(f"Replay {last.name} is {last.state.lower()}.", soft_wrap=True)


def instant(given: str, now: datetime) -> datetime:
    """A time someone typed: a date, a date and time (UTC unless it says), or how long ago."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if given[-1:] in units and given[:-1].isdigit():
            return now - timedelta(**{units[given[-1]]: int(given[:-1])})
        found = datetime.fromisoformat(given)
    except (ValueError, OverflowError):
        raise BadInput(
            f"{given!r} is no time.",
            hint="Write 2026-01-31, 2026-01-31T09:30Z, or 12h for 12 hours ago.",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def redrive(
    ctx: typer.Context,
    queue: Annotated[
        str | None, typer.Argument(help="Such as ReportingLake; without it, all are listed.")
    ] = None,
) -> None:
    """Send dead letters back to the queue they came from, once what was wrong is mended."""
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    queues = dead_letter_queues(deployment)
    if queue is None:
        if connection.json:
            document({one.name: one.depth for one in queues})
            return
        table(
            ["queue", "dead letters"],
            [(one.name, one.depth) for one in queues],
            right=frozenset({"dead letters"}),
        )
        return
    wanted = chosen(queues, queue)
    moved = 0
    if wanted.depth:
        with err().status(f"Sending {wanted.depth:,} back to {wanted.name}"):
            moved = max(send_back(deployment, wanted), default=0)
    if connection.json:
        document({"queue": wanted.name, "redriven": moved})
    elif moved:
        out().print(f"{moved:,} sent back to {wanted.name}.")
    else:
        out().print(f"{wanted.name} has no dead letters.")


def resend(
    ctx: typer.Context,
    records: Annotated[
        list[str], typer.Argument(metavar="RECORD…", help="Ids, or KIND/ID, of records.")
    ],
) -> None:
    """Send what the outbox still holds about records (a week) to the bus, as their relay does.

    For events that never reached the bus, when their table's stream has them no longer. Consumers
    recognise what they have had already. Each record is told as it is sent (with --json on a line
    of its own); the first that cannot be sent ends the command.
    """
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    for subject, count in resend_outbox(deployment, connection.realm, records):
        if connection.json:
            line({"subject": subject, "resent": count})
            continue
        out().print(f"Sent {counted(count, 'event', 'events')} about {subject}.", soft_wrap=True)
