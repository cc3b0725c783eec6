"""Waiting for a run of the task engine, a report or an import, until it has ended."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from zebros.cli.output import progress
from zebros.client.api import Client
from zebros.errors import CliError, Stopped

_ENDED = frozenset({"completed", "failed", "cancelled"})
_FIRST_POLL_S, _SLOWEST_POLL_S = 0.2, 2.0


class RunKind(NamedTuple):
    """A kind of run."""

    name: str
    """In messages, and the first part of its events' subjects."""
    path: str
    """Of the collection in the API."""


def watch(
    client: Client, kind: RunKind, run: dict[str, Any], pause: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Poll a run until it has ended; Ctrl-C cancels it. Raises Stopped."""
    wait = _FIRST_POLL_S
    with progress(counted=False) as bar:
        task = bar.add_task(_progress_text(run), total=100)
        try:
            while run["status"] not in _ENDED:
                pause(wait)
                wait = min(wait * 1.3, _SLOWEST_POLL_S)
                run = client.get(f"{kind.path}/{run['id']}")
                bar.update(task, description=_progress_text(run), completed=percent(run))
        except KeyboardInterrupt:
            raise _cancelled(client, kind, run) from None
    return run


def _progress_text(run: dict[str, Any]) -> str:
    return str(run.get("progress_text") or "Waiting for a worker")


def percent(run: dict[str, Any]) -> float:
    """The progress of a run, 0 to 100."""
    percentage = run.get("progress") or 0
    return min(float(percentage), 100.0)


def _cancelled(client: Client, kind: RunKind, run: dict[str, Any]) -> CliError:
    title = f"{kind.name.capitalize()} {run['id']}"
    try:
        client.post(f"{kind.path}/{run['id']}/cancel")
    except CliError as error:
        return Stopped(
            f"Stopped waiting; {kind.name} {run['id']} could not be cancelled: {error.message}",
            hint=f"`zebros api GET {kind.path}/{run['id']}` shows its status.",
        )
    return Stopped(f"{title} was cancelled.")


def check_completed(kind: RunKind, run: dict[str, Any]) -> None:
    """Raise CliError, with the reason, for a run that ended otherwise than completed."""
    title = f"{kind.name.capitalize()} {run['id']}"
    if run["status"] == "completed":
        return
    if run["status"] == "cancelled":
        raise CliError(f"{title} was cancelled by another user.")
    reason = run.get("reason") or "no reason was given"
    raise CliError(
        f"{title} failed: {str(reason).rstrip('.')}.",
        hint=f"`zebros events trace {kind.name}/{run['id']}` shows what happened.",
    )
