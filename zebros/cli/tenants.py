"""`zebros tenants`: who may use the CRM: list, add, suspend, resume, and change plan or country."""

from dataclasses import asdict
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from zebros.cli.output import document, note, table
from zebros.client.connection import Connection, Deployment
from zebros.errors import CliError
from zebros.operations.rebuild_references import begin_references
from zebros.operations.tenants import (
    CACHED_SECONDS,
    KNOWN_SECONDS,
    Plan,
    State,
    Tenant,
    forget_decisions,
    registry_of,
)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant: the name of its realm.")]


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(
        no_args_is_help=True,
        help="Tenants: who may use the CRM. A token of a realm that is not listed is rejected.",
    )
    group.command(name="list")(list_tenants)
    for command in (add, suspend, resume, plan, country):
        group.command()(command)
    app.add_typer(group, name="tenants")


def list_tenants(ctx: typer.Context) -> None:
    """List the tenants with their states, plans and countries."""
    connection: Connection = ctx.obj
    _show(connection, list(registry_of(connection.deployment()).list()))


def add(
    ctx: typer.Context,
    name: _Name,
    plan: Annotated[Plan, typer.Option(help="What it may use at once.")] = Plan.STANDARD,
    country: Annotated[
        str, typer.Option(metavar="CODE", help="Of telephone numbers without a country code.")
    ] = "",
) -> None:
    """Add a tenant; its users have access a few seconds later."""
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    tenant = registry_of(deployment).add(name, plan, country)
    _show(connection, [tenant])
    note(f"Tokens of its realm are accepted within {KNOWN_SECONDS} seconds.")
    if not _begun(deployment, name):
        note(
            "Ids of records that do not exist are accepted until "
            f"`zebros --tenant {name} events rebuild references`."
        )


def _begun(deployment: Deployment, tenant: str) -> bool:
    """Whether references to records that do not exist are refused from now on."""
    try:
        return begin_references(deployment, tenant)
    except (CliError, BotoCoreError, ClientError) as error:
        note(f"The tenant is added, but its references are not checked yet: {error}")
        return False


def suspend(
    ctx: typer.Context,
    name: _Name,
    reason: Annotated[str, typer.Option(help="Why, for the operators.")] = "",
) -> None:
    """Suspend a tenant: its users get 403 everywhere within seconds; its data stays."""
    _change_state(ctx, name, State.SUSPENDED, reason)


def resume(ctx: typer.Context, name: _Name) -> None:
    """Let a suspended tenant use the CRM again."""
    _change_state(ctx, name, State.ACTIVE, "")


def plan(
    ctx: typer.Context,
    name: _Name,
    plan: Annotated[Plan, typer.Argument(help="What it may use at once.")],
) -> None:
    """Change the plan of a tenant."""
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    _show(connection, [registry_of(deployment).change(name, plan=plan)])
    _note_when(forget_decisions(deployment))


def country(
    ctx: typer.Context,
    name: _Name,
    code: Annotated[
        str, typer.Argument(metavar="CODE", help="ISO 3166 alpha-2, such as DE; or none.")
    ],
) -> None:
    """Change the country of a tenant: telephone numbers without a country code are of it."""
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    found = "" if code == "none" else code
    _show(connection, [registry_of(deployment).change(name, country=found)])
    _note_when(forget_decisions(deployment))


def _change_state(ctx: typer.Context, name: str, state: State, reason: str) -> None:
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    _show(connection, [registry_of(deployment).change(name, state=state, reason=reason)])
    _note_when(forget_decisions(deployment))


def _note_when(fault: str | None) -> None:
    if fault is None:
        note("It has taken effect, for tokens in use, too.")
    else:
        note(
            f"API Gateway's cache of decisions could not be flushed ({fault}): for tokens in use "
            f"it takes effect within {CACHED_SECONDS} seconds."
        )


def _show(connection: Connection, tenants: list[Tenant]) -> None:
    if connection.json:
        document([asdict(tenant) for tenant in tenants])
    else:
        table(
            ("tenant", "state", "plan", "country", "added", "changed", "reason"),
            [
                (
                    one.name,
                    one.state,
                    one.plan,
                    one.country,
                    one.added_at,
                    one.changed_at,
                    one.reason,
                )
                for one in tenants
            ],
        )
