"""`zebros events dead-letters`, `redrive` and `discard`."""

import getpass
import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.output import document, err, note, out, table
from zebros.client.connection import Connection, Deployment
from zebros.errors import BadInput
from zebros.operations import dead_letters as operations
from zebros.operations.dead_letters import DeadLetter, messages_of
from zebros.operations.redrive import DeadLetterQueue, dead_letter_queues, find_queue
from zebros.operations.redrive import redrive as redrive_queue
from zebros.operations.resend import resend_message
from zebros.text import count_of

_SHORT_ID = 8
"""Digits of a message's id in a list; commands take as many as make it unique."""

Queue = Annotated[str | None, typer.Argument(help="Such as ReportingLake.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


def dead_letters(
    ctx: typer.Context,
    queue: Queue = None,
    message: Annotated[
        str | None, typer.Argument(help="A message's id, or its beginning: prints it whole.")
    ] = None,
) -> None:
    """List the dead-letter messages of all queues or of one, or show one with its log lines."""
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    queues = dead_letter_queues(deployment)
    if queue and message:
        _show(connection, deployment, find_queue(queues, queue), message)
        return
    chosen = [find_queue(queues, queue)] if queue else queues
    rows = [row for one in chosen if one.depth for row in _rows(deployment, one)]
    if connection.json:
        document([{**dead_letter.document(), "reason": why} for dead_letter, why in rows])
        return
    if not rows:
        out().print(f"{queue or 'No queue'} has {'no ' if queue else ''}dead-letter messages.")
        return
    table(
        ["queue", "message", "sent", "tenant", "what", "record", "reason"],
        [
            (
                dead_letter.queue,
                dead_letter.id[:_SHORT_ID],
                f"{dead_letter.sent_at:%Y-%m-%d %H:%M:%S}",
                dead_letter.tenant,
                dead_letter.what,
                dead_letter.record,
                why,
            )
            for dead_letter, why in rows
        ],
    )


def redrive(
    ctx: typer.Context,
    queue: Queue = None,
    message: Annotated[
        str | None, typer.Argument(help="A message's id, or its beginning; by default all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The messages of all queues.")] = False,
) -> None:
    """Send dead-letter messages to their source queue again, after the cause was fixed.

    What a relay has set aside is published by the relay.
    """
    connection: Connection = ctx.obj
    if (queue is None) != every:
        raise BadInput(
            "Name a queue, or --all for all of them.",
            hint="`zebros events dead-letters` lists them.",
        )
    deployment = connection.deployment()
    queues = dead_letter_queues(deployment)
    chosen = [find_queue(queues, queue)] if queue else [one for one in queues if one.depth]
    redriven = [(one.name, _redrive(deployment, one, message)) for one in chosen]
    if connection.json:
        document([{"queue": name, "redriven": moved} for name, moved in redriven])
        return
    for name, moved in redriven:
        text = (
            f"{moved:,} sent to {name} again." if moved else f"{name} has no dead-letter messages."
        )
        out().print(text)
    if not redriven:
        out().print("No queue has dead-letter messages.")


def discard(
    ctx: typer.Context,
    queue: Annotated[str, typer.Argument(help="Such as ReportingLake.")],
    messages: Annotated[
        list[str] | None, typer.Argument(metavar="MESSAGE…", help="Ids, or their beginnings.")
    ] = None,
    why: Annotated[str, typer.Option("--reason", help="Stored with what is discarded.")] = "",
    every: All = False,
) -> None:
    """Remove dead-letter messages that must not be processed.

    Each is stored in the bucket of files first, with the reason and who discarded it.
    """
    connection: Connection = ctx.obj
    if not why.strip():
        raise BadInput("A reason is missing.", hint='Write it as --reason "a test event".')
    if bool(messages) == every:
        raise BadInput("Name messages, or --all for all of the queue.")
    deployment = connection.deployment()
    found_queue = find_queue(dead_letter_queues(deployment), queue)
    by = _operator(deployment)
    with messages_of(deployment, found_queue) as found:
        chosen = _chosen(found, messages, found_queue.name)
        keys = [
            operations.discard(deployment, found_queue, dead_letter, why.strip(), by)
            for dead_letter in chosen
        ]
    if connection.json:
        document({"queue": found_queue.name, "discarded": keys})
        return
    for key in keys:
        note(f"Stored as {key}.")
    count = count_of(len(keys), "message", "messages")
    out().print(f"Discarded {count} of {found_queue.name}.")


def _rows(deployment: Deployment, queue: DeadLetterQueue) -> Iterable[tuple[DeadLetter, str]]:
    with messages_of(deployment, queue) as found:
        if len(found) >= operations.MAX_READ:
            note(f"{queue.name} has more messages than the {len(found):,} that are listed.")
        return [(dead_letter, operations.reason(deployment, dead_letter)) for dead_letter in found]


def _show(
    connection: Connection, deployment: Deployment, queue: DeadLetterQueue, message: str
) -> None:
    with messages_of(deployment, queue) as found:
        dead_letter = operations.find(found, message, queue.name)
    why = operations.reason(deployment, dead_letter)
    lines = operations.log_lines(deployment, dead_letter)
    if connection.json:
        logged = [
            {"at": line.at.isoformat(), "function": line.function, **line.fields} for line in lines
        ]
        document({**dead_letter.document(), "reason": why, "log": logged})
        return
    shown = {
        "message": dead_letter.id,
        "queue": f"{dead_letter.queue}DeadLetters",
        "sent": f"{dead_letter.sent_at:%Y-%m-%d %H:%M:%S} UTC",
        "what": dead_letter.what,
        "tenant": dead_letter.tenant,
        "record": dead_letter.record,
        "correlation id": dead_letter.correlation_id,
        "reason": why or "not known: no function has logged it",
    }
    console = out()
    for name, value in shown.items():
        if value:
            console.print(Text.assemble((f"{name:<15} ", "dim"), value), soft_wrap=True)
    console.print()
    content: Any = dead_letter.content or dead_letter.body
    console.print(json.dumps(content, indent=2, ensure_ascii=False), soft_wrap=True, markup=False)
    for line in lines:
        fields = line.fields
        text = f"{line.at:%H:%M:%S.%f}"[:-3] + f"  {line.function}  {fields.get('level')}  "
        fault = f": {fields['fault']}" if "fault" in fields else ""
        console.print(Text(f"{text}{fields.get('message')}{fault}"), soft_wrap=True)


def _redrive(deployment: Deployment, queue: DeadLetterQueue, message: str | None) -> int:
    """Redrive one message of a queue, or all; returns the number of messages, or of events."""
    if message is None:
        if not queue.depth:
            return 0
        with err().status(f"Sending {count_of(queue.depth, 'message', 'messages')}"):
            return max(redrive_queue(deployment, queue), default=0)
    with messages_of(deployment, queue) as found:
        dead_letter = operations.find(found, message, queue.name)
        if queue.source_url is not None:
            operations.move_back(deployment, queue, dead_letter)
            return 1
        sent = resend_message(deployment, queue.name, dead_letter.body)
        operations.remove(deployment, queue, dead_letter)
        return sent


def _chosen(
    found: list[DeadLetter], messages: Sequence[str] | None, queue: str
) -> list[DeadLetter]:
    if not messages:
        return found
    by_id = {(one := operations.find(found, message, queue)).id: one for message in messages}
    return list(by_id.values())


def _operator(deployment: Deployment) -> str:
    """Who uses this command: in AWS the caller's identity, locally the user of this machine."""
    if deployment.endpoint is None:
        return str(deployment.aws("sts").get_caller_identity()["Arn"])
    return getpass.getuser()
