"""`zebros attach`: the parameters with which a new stack uses what an earlier one has left."""

import shlex
from typing import Annotated, Any

import typer

from zebros.cli.output import document, note, out
from zebros.cli.templates import TEMPLATE, Template, reading
from zebros.client.connection import STACK, Connection
from zebros.errors import CliError
from zebros.operations.attaching import Attachment, Clients, Wanted, attach

Bucket = Annotated[str | None, typer.Option(metavar="NAME", help="Its name, if it is not found.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="attach")(attach_data)


def attach_data(
    ctx: typer.Context,
    lake_bucket: Bucket = None,
    files_bucket: Bucket = None,
    new: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="What the new stack makes, empty: ContactsTable, …"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing; say what would be switched on.")
    ] = False,
    template: Template = TEMPLATE,
) -> None:
    """Let a new stack use the tables, buckets and archive that a deleted or restored one has left.

    Looks them up by the name of the stack, checks them, switches on what a restored table lacks,
    and prints the `sam deploy` that uses them. Exit code 1 when something is missing or wrong.
    """
    connection: Connection = ctx.obj
    stack = connection.stack or STACK
    named = {"LakeBucket": lake_bucket, "FilesBucket": files_bucket}
    wanted = Wanted(
        stack,
        template,
        {name: bucket for name, bucket in named.items() if bucket},
        tuple(new or ()),
    )
    with reading(template):
        found = attach(_clients(connection), wanted, dry_run=dry_run)
    if connection.json:
        document(
            {
                "parameters": found.parameters,
                "changes": found.changes,
                "problems": found.problems,
            }
        )
    else:
        _print(stack, found, dry_run=dry_run)
    if found.problems:
        raise CliError(f"The stack {stack} cannot use everything yet: {found.problems[0]}")


def _clients(connection: Connection) -> Clients:
    """Clients of the local platform, or with `--stack` of the account in AWS."""
    services = ("cloudformation", "dynamodb", "events", "s3")
    if connection.stack is None:
        deployment = connection.deployment()
        return Clients(*(deployment.aws(service) for service in services))
    from zebros.client import aws

    clients: list[Any] = [aws.client(service) for service in services]
    return Clients(*clients)


def _print(stack: str, found: Attachment, *, dry_run: bool) -> None:
    for change in found.changes:
        note(f"{'Would be switched on' if dry_run else 'Switched on'}: {change}.")
    if found.problems:
        for problem in found.problems:
            out().print(problem, soft_wrap=True, markup=False)
        return
    values = " ".join(f"{name}={value}" for name, value in found.parameters.items())
    out().print(
        f"sam deploy --stack-name {shlex.quote(stack)} --parameter-overrides {values}",
        soft_wrap=True,
        markup=False,
    )
    note("Add the other parameters of the stack, such as Phase and IssuerBase.")
