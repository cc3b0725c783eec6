"""`zebros events`: tail, trace, replay and resend; other modules have the other commands."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.dead_letters import dead_letters, discard, redrive
from zebros.cli.output import document, line, note, out, progress
from zebros.cli.rebuild import rebuild
from zebros.client.connection import Connection
from zebros.contract import contract
from zebros.errors import BadInput
from zebros.operations import replay as replays
from zebros.operations.resend import resend_outbox
from zebros.operations.tail import Filter, subscribe
from zebros.operations.trace import Trace, traces
from zebros.text import count_of

_STYLES = {
    "request": "cyan",
    "state": "bold",
    "event": "bold",
    "bus": "blue",
    "consumer": "green",
    "subscriber": "green",
    "notification": "magenta",
    "lake": "yellow",
    "dead-letter": "bold red",
}
"""The styles of the parts of a trace."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True,
        rich_markup_mode="markdown",
        help="Follow events, trace them, and send them again.",
    )
    for command in (tail, trace, replay, resend, rebuild, dead_letters, redrive, discard):
        group.command()(command)
    app.add_typer(group, name="events")


def tail(
    ctx: typer.Context,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Such as OpportunityWon; may be repeated.")
    ] = None,
    contexts: Annotated[
        list[str] | None,
        typer.Option("--context", help="Such as opportunities; may be repeated."),
    ] = None,
    records: Annotated[
        list[str] | None,
        typer.Option("--record", metavar="TYPE/ID", help="One record; may be repeated."),
    ] = None,
    all_tenants: Annotated[
        bool, typer.Option("--all-tenants", help="Events of every tenant.")
    ] = False,
    live: Annotated[bool, typer.Option("--live", help="Leave out replayed events.")] = False,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after this many events.")] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after this many seconds.")
    ] = None,
) -> None:
    """Print events as they happen, until Ctrl-C.

    Creates a temporary queue and a rule on the bus.
    """
    connection: Connection = ctx.obj
    _check_names(contexts or [], types or [])
    deployment = connection.deployment()
    tenant = None if all_tenants else connection.realm
    filter_ = Filter(tenant, types or (), contexts or (), records or (), live)
    ends = time.monotonic() + seconds if seconds is not None else None
    total = 0
    try:
        with subscribe(deployment, filter_) as subscription:
            note(f"Following {'every tenant' if all_tenants else tenant}; Ctrl-C ends it.")
            while (count is None or total < count) and (ends is None or time.monotonic() < ends):
                for event in subscription.events():
                    _print_event(event, as_json=connection.json)
                    total += 1
                    if count is not None and total >= count:
                        break
    except KeyboardInterrupt:
        note(f"{count_of(total, 'event', 'events')}.")


def _check_names(contexts: Sequence[str], types: Sequence[str]) -> None:
    """Raise BadInput for a context or an event type that does not exist."""
    known = contract()
    for name in contexts:
        if name not in known.contexts:
            raise BadInput(
                f"There is no context {name}.",
                hint=f"There are {', '.join(sorted(known.contexts))}.",
            )
    for name in types:
        if name not in known.events:
            close = get_close_matches(name, known.events, n=3)
            raise BadInput(
                f"There is no event type {name}.",
                hint=f"Did you mean {', '.join(close)}?"
                if close
                else "Such as OpportunityWon; events/schemas has a file for each.",
            )


def _print_event(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        line(event)
        return
    current = event.get("data", {}).get("current", {})
    name = current.get("name") or current.get("title") or current.get("last_name") or ""
    changed = ", ".join(event.get("data", {}).get("changed", []))
    text = Text.assemble(
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
    out().print(text, soft_wrap=True)


def trace(
    ctx: typer.Context,
    record: Annotated[str, typer.Argument(help="A record's id, TYPE/ID, or an event's id.")],
    last: Annotated[int, typer.Option(min=1, help="How many of its latest events.")] = 5,
) -> None:
    """Print the path of a record's events: request, state, bus, consumers, lake.

    Times are those of the functions' logs; lags are since the commit.
    """
    connection: Connection = ctx.obj
    subject, event_traces, unreadable = traces(
        connection.deployment(), connection.realm, record, last
    )
    if connection.json:
        found = [one.document() for one in event_traces]
        document({"subject": subject, "traces": found, "unreadable": unreadable})
        return
    for event_trace in event_traces:
        _print_trace(subject, event_trace)
    for sequence in unreadable:
        text = f"Event {sequence} of {subject} cannot be read, so it was not published: failed."
        out().print(Text(text, style="red"), soft_wrap=True)
        note("`zebros events dead-letters` has the reason.")


def _print_trace(subject: str, event_trace: Trace) -> None:
    event = event_trace.event
    current = event["data"].get("current", {})
    name = current.get("name") or current.get("title") or subject
    console = out()
    console.print(
        Text.assemble((f"{event['type']} ", "bold"), name, (f"  event {event['id']}", "dim")),
        soft_wrap=True,
    )
    for step in event_trace.steps:
        at = step.at.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3] if step.at else " " * 12
        lag = f"{step.lag.total_seconds() * 1000:+,.0f} ms" if step.lag is not None else ""
        console.print(
            Text.assemble(
                (f"  {at}  ", "dim"),
                f"{lag:>12}  ",
                (f"{step.part:<13}", _STYLES.get(step.part, "")),
                step.text,
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
        typer.Option(metavar="FUNCTION", help="For one consumer only, such as ActivitiesEvents."),
    ] = None,
) -> None:
    """Replay archived events on the bus; they are marked as replayed.

    TIME is 2026-01-31, 2026-01-31T09:30 (UTC) or 90m, 12h, 3d (that long ago). Consumers ignore
    events that they have processed.
    """
    connection: Connection = ctx.obj
    now = datetime.now(UTC)
    start = parse_time(from_, now) if from_ else now - timedelta(days=1)
    end = parse_time(to, now) if to else now
    deployment = connection.deployment()
    last = None
    with progress(counted=False) as bar:
        task = bar.add_task("Replaying", total=None)
        for last in replays.replay(deployment, start, end, consumer):
            if last.share is not None:
                bar.update(task, total=100, completed=last.share * 100)
    if last is None:
        return
    if connection.json:
        document({"replay": last.name, "state": last.state, "from": str(start), "to": str(end)})
    else:
        out().print(f"Replay {last.name} is {last.state.lower()}.", soft_wrap=True)


def parse_time(text: str, now: datetime) -> datetime:
    """A date, a date and time (in UTC unless it has a zone), or a duration before `now`."""
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if text[-1:] in units and text[:-1].isdigit():
            return now - timedelta(**{units[text[-1]]: int(text[:-1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise BadInput(
            f"{text!r} is not a time.",
            hint="Write 2026-01-31, 2026-01-31T09:30Z, or 12h for 12 hours ago.",
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def resend(
    ctx: typer.Context,
    records: Annotated[
        list[str], typer.Argument(metavar="RECORD…", help="Ids, or TYPE/ID, of records.")
    ],
) -> None:
    """Publish the events in the outbox of records (of the last week) again.

    Use it for events that never reached the bus and that their table's stream no longer contains.
    Consumers ignore events that they have processed. The command stops at the first record that
    fails.
    """
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    for subject, count in resend_outbox(deployment, connection.realm, records):
        if connection.json:
            line({"subject": subject, "resent": count})
            continue
        out().print(f"Sent {count_of(count, 'event', 'events')} about {subject}.", soft_wrap=True)
