"""`zebros image REFERENCE…`: whether images can be deployed."""

from typing import Annotated

import typer

from zebros.cli.output import document, table
from zebros.client.connection import Connection


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="image")(image)


def image(
    ctx: typer.Context,
    references: Annotated[
        list[str],
        typer.Argument(
            metavar="REFERENCE...", help="repository:tag or repository@sha256:digest, as deployed."
        ),
    ],
) -> None:
    """Check that images exist and run on Fargate, before `sam deploy` with WorkerImage or
    IdentityImage.

    Asks the registry: one of ECR with your AWS credentials, any other without, as a task does.
    """
    from zebros.operations.images import check

    connection: Connection = ctx.obj
    found = [check(one) for one in references]
    if connection.json:
        document(
            [{"image": one.reference, "digest": one.digest, "mb": one.megabytes} for one in found]
        )
    else:
        table(
            ("image", "digest", "MB"),
            [(one.reference, one.digest, one.megabytes) for one in found],
        )
