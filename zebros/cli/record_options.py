"""Options of the commands that read or change many records: `upgrade`, `restore`, `rebuild`."""

from typing import Annotated

import typer

from zebros.errors import BadInput

Tenant = Annotated[str | None, typer.Option(help="Only the records of one tenant; default: all.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count what would be done.")]
Rate = Annotated[float, typer.Option(min=1, help="Read units a second for listing records.")]
Wait = Annotated[
    float,
    typer.Option(min=0, help="Seconds to wait for events that are on their way to the lake."),
]
WAIT_S = 330.0
"""The longest batching window of the lake's consumer, and half a minute."""


def check_tenant(tenant: str | None) -> None:
    """Raise BadInput for what cannot be the name of a tenant."""
    if tenant is not None and ("#" in tenant or not tenant):
        raise BadInput(f"{tenant!r} is no tenant.", hint="It is the name of its realm.")
