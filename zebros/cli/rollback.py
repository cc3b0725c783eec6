"""`zebros rollback`: let the versions before the last deployment answer requests again."""

from typing import Annotated, Any

import typer

from zebros.cli.output import document, note, progress, table
from zebros.client.connection import STACK, Connection, Deployment
from zebros.errors import BadInput, NotReady
from zebros.operations.rollback import (
    Function,
    Move,
    Version,
    carry_out,
    chosen,
    functions_of,
    plan,
    plan_forward,
)
from zebros.operations.stopping_deployments import check_at_rest, last_update, stop_gradual

_COLUMNS = ("function", "version", "published", "before", "published", "result")
_TAKEN_BACK = "ROLLBACK_COMPLETE"
"""The end of the status of a stack whose last update CloudFormation has taken back."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="rollback")(roll_back)


def roll_back(
    ctx: typer.Context,
    functions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FUNCTION[=VERSION]]...",
            help="Such as CustomersApi, or CustomersApi=12; default: what the last deployment "
            "has changed.",
        ),
    ] = None,
    undo: Annotated[
        bool, typer.Option("--undo", help="Point to the latest versions again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done.")
    ] = False,
) -> None:
    """Let the versions before the last deployment answer requests again.

    The functions that API Gateway calls by the alias `live` go back; consumers and the worker keep
    what is deployed. A gradual deployment ends. A repetition takes nothing further back. The next
    `sam deploy` deploys what the template then has.
    """
    connection: Connection = ctx.obj
    deployment = connection.deployment()
    stack = connection.stack or STACK
    moves, stopped = _planned(deployment, stack, functions or [], undo=undo, dry_run=dry_run)
    due = [one for one in moves if one.target is not None]
    if not dry_run and not stopped:
        done = {one.function.name: one for one in _carried_out(deployment, due)}
        moves = [done.get(one.function.name, one) for one in moves]
    _show(connection, moves, stopped=stopped, dry_run=dry_run)
    if any(one.fault for one in moves):
        note("Run the command again for those that could not be moved.")
        raise typer.Exit(1)


def _planned(
    deployment: Deployment, stack: str, words: list[str], *, undo: bool, dry_run: bool
) -> tuple[list[Move], list[str]]:
    """What is to be done, and CodeDeploy's deployments that were stopped, which is all then."""
    found = functions_of(deployment)
    versions = chosen(found, words)
    update = last_update(deployment, stack)
    if undo:
        if any(version is not None for version in versions.values()):
            raise BadInput("--undo goes to the latest version: name functions without a version.")
        if update.status.endswith(_TAKEN_BACK) and not versions:
            raise NotReady(
                f"The stack {stack} is {update.status}: its latest versions were never released.",
                hint="Fix what failed and deploy again, or name functions.",
            )
        moves = plan_forward(found, versions)
    else:
        moves = plan(found, versions, update.began_at)
    stopped = [] if undo or dry_run or not _gradual(moves) else stop_gradual(deployment)
    if not stopped and not (dry_run and _gradual(moves)):
        check_at_rest(update, stack)
    return moves, stopped


def _gradual(moves: list[Move]) -> bool:
    return any(one.gradual for one in moves)


def _carried_out(deployment: Deployment, due: list[Move]) -> list[Move]:
    with progress() as bar:
        task = bar.add_task("Moving aliases", total=len(due))
        done = []
        for one in carry_out(deployment, due):
            done.append(one)
            bar.advance(task)
        return done


def _show(connection: Connection, moves: list[Move], *, stopped: list[str], dry_run: bool) -> None:
    if connection.json:
        found = [_document(one, dry_run=dry_run, stopped=bool(stopped)) for one in moves]
        document({"functions": found, "stopped": stopped})
        return
    table(_COLUMNS, [_row(one, dry_run=dry_run, stopped=bool(stopped)) for one in moves])
    if stopped:
        note(
            "CodeDeploy's deployments are stopped. CloudFormation now takes the whole stack back, "
            "and its status becomes UPDATE_ROLLBACK_COMPLETE."
        )
    elif not any(one.target for one in moves):
        note("There is nothing to do. A function that is named goes back whenever it was deployed.")
    else:
        note(
            "Functions without the alias, such as consumers, and the worker keep what is deployed. "
            "The next `sam deploy` deploys what the template then has."
        )


def _result(move: Move, *, dry_run: bool, stopped: bool) -> str:
    if move.fault:
        return f"not moved: {move.fault}"
    if stopped:
        return "its gradual deployment is stopped" if move.gradual else "CloudFormation moves it"
    if move.target is None:
        return move.reason
    text = f"{'would lead' if dry_run else 'leads'} to {move.target.number}"
    return f"{text} alone; version {move.function.new} gets no requests" if move.gradual else text


def _row(move: Move, *, dry_run: bool, stopped: bool) -> tuple[object, ...]:
    return (
        move.function.name,
        move.function.live,
        _published(_live(move.function)),
        move.before.number if move.before else "",
        _published(move.before),
        _result(move, dry_run=dry_run, stopped=stopped),
    )


def _document(move: Move, *, dry_run: bool, stopped: bool) -> dict[str, Any]:
    moved = move.target is not None and not (dry_run or stopped or move.fault)
    return {
        "function": move.function.name,
        "version": move.function.live,
        "published": _published(_live(move.function)),
        "gradual": move.function.new,
        "before": move.before.number if move.before else None,
        "before_published": _published(move.before) or None,
        "to": move.target.number if move.target else None,
        "moved": moved,
        "result": _result(move, dry_run=dry_run, stopped=stopped),
    }


def _live(function: Function) -> Version:
    return function.version(function.live)


def _published(version: Version | None) -> str:
    return f"{version.published_at:%Y-%m-%dT%H:%M:%SZ}" if version else ""
