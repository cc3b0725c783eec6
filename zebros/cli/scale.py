"""`zebros scale`: what the scaling controller has set, and what to deploy."""

from typing import Any

import typer

from zebros.cli import advise
from zebros.cli.output import document, note, out, table
from zebros.client.connection import Connection

_COLUMNS = ("setting", "resource", "now", "deployed", "ceiling", "to make it permanent")


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        no_args_is_help=True, help="Scaling: what the controller has changed, advice, the bill."
    )
    group.command()(drift)
    advise.register(group)
    app.add_typer(group, name="scale")


def drift(ctx: typer.Context) -> None:
    """Show settings that differ from what is deployed, and what to deploy so that they stay.

    Run it before a deployment, which may set a changed resource to its deployed value again.
    Needs an administrator of the tenant that operates the system.
    """
    connection: Connection = ctx.obj
    with connection.client() as client:
        found = client.get("/scaling/settings")
    differing = [one for one in found["items"] if one["value"] != one["deployed"]]
    if connection.json:
        document({"mode": found["mode"], "settings": differing})
        return
    if not differing:
        out().print("Every setting is as deployed.")
        return
    table(_COLUMNS, map(_row, differing), right=frozenset({"now", "deployed", "ceiling"}))
    note(
        "Add the parameters to `parameter_overrides` in samconfig.toml; `sam deploy` applies them."
    )


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    name = str(one["setting"]).replace("_", " ")
    return (
        *(name, one["resource"], one["value"], one["deployed"], one["ceiling"]),
        one.get("parameter", ""),
    )
