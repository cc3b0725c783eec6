"""`zebros up`, `down`, `status`, `reset`, `token`: the local CRM."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from zebros.cli.output import document, err, note, out, table
from zebros.cli.welcome import backlog, home_of, print_step, welcome
from zebros.client.connection import Connection, LocalIssuer
from zebros.errors import BadInput, NotReady, Stopped
from zebros.local.home import Home
from zebros.local.log_files import LogFile, follow
from zebros.local.parts import LONGEST_SILENCE_S, PULSE, ReportsBy, silence_s
from zebros.local.processes import SAVE_S, KnownProcess, stop
from zebros.local.signals import ignore_signals, stop_on_signals
from zebros.local.supervisor import (
    FAILED,
    Options,
    Supervisor,
    already_running,
    options_as_json,
)
from zebros.local.users import TENANTS
from zebros.phases import Phase

_DOWN_S = SAVE_S + 45.0
_PARTS = ("platform", "issuer", "worker", "bridge", "replicator")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down, status, reset, token):
        app.command()(command)


def up(
    ctx: typer.Context,
    empty: Annotated[bool, typer.Option("--empty", help="Do not load the demo company.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Run it in the background.")] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The platform's port on 127.0.0.1.")
    ] = None,
    issuer_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="The issuer's port.")
    ] = None,
    bridge: Annotated[
        bool,
        typer.Option("--bridge", help="Let containers reach it, on Docker's bridge only."),
    ] = False,
    phase: Annotated[
        Phase | None, typer.Option(help="The size of the system; by default it stays as it is.")
    ] = None,
    reports: Annotated[
        ReportsBy, typer.Option(help="Who makes reports: by size, or only one of both.")
    ] = ReportsBy.SIZE,
    second_region: Annotated[
        str | None,
        typer.Option(
            metavar="REGION", help="Make it the primary of two regions, such as us-west-2."
        ),
    ] = None,
    primary_home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Make it the secondary of the CRM in this folder."),
    ] = None,
) -> None:
    """Start the local CRM: build, deploy, load a demo company, and print its log.

    Ctrl-C stops it; its data remains for the next start.
    """
    connection: Connection = ctx.obj
    home = home_of(connection)
    options = Options(
        port,
        issuer_port,
        bridge,
        reports,
        phase,
        tenants=_tenants(),
        second_region=second_region,
        primary_home=str(primary_home.resolve()) if primary_home else None,
    )
    if detach:
        _start_detached(home, options)
        welcome(ctx, connection, empty=empty)
        return
    stop_on_signals()
    supervisor = Supervisor(home, options, print_step)
    failure: Exception | None = None
    try:
        try:
            supervisor.start()
            welcome(ctx, connection, empty=empty)
            if not connection.json:
                note("Ctrl-C stops the CRM.")
                _show_logs(home, supervisor.state["functions"])
            supervisor.wait()
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be closed
                note("Stopping …")
    except Exception as error:
        failure = error
    finally:  # no process is left running
        ignore_signals()
        supervisor.stop(failure)
    if failure is not None:
        raise failure
    note("The CRM is stopped; its data remains. `zebros up` starts it again.")


def down(ctx: typer.Context) -> None:
    """Stop the local CRM; its data remains."""
    connection: Connection = ctx.obj
    home = home_of(connection)
    holder = home.supervisor()
    left = home.processes()
    running = [one for one in left if one.alive]
    if holder is None and not running:
        if connection.json:
            document({"stopped": []})
        else:
            note("Nothing runs here.")
        return
    if holder is not None:
        stop([holder], _DOWN_S)  # it stops its parts itself
    stop([one for one in left if one.alive])
    home.write_processes([])
    if connection.json:
        document({"stopped": [one.name for one in running]})
    else:
        note("The CRM is stopped; its data remains.")


def status(ctx: typer.Context) -> None:
    """Print what runs, where, and undelivered events. Exits with 69 when nothing runs."""
    connection: Connection = ctx.obj
    home = home_of(connection)
    state, holder, phase = home.state(), home.supervisor(), home.status()
    parts = {one.name: one for one in home.processes()}
    summary = {
        "running": holder is not None,
        "phase": phase.get("phase", "never started") if holder else "stopped",
        "failure": phase.get("error"),
        "home": str(home.path),
        "parts": {name: _part(home, parts[name]) for name in _PARTS if name in parts},
        "api": state.get("api"),
        "websocket": state.get("websocket"),
        "endpoint": state.get("endpoint"),
        "issuer_base": state.get("issuer_base"),
        "bridge": state.get("bridge"),
        "backlog": backlog(state) if holder else None,
    }
    if connection.json:
        document(summary)
    else:
        _print_status(summary)
    if holder is None:
        alive = [one.name for one in parts.values() if one.alive]
        if alive:
            raise NotReady(
                f"The last run was killed; {' and '.join(alive)} still run.",
                hint="`zebros up` starts it again, `zebros down` stops them.",
            )
        raise _not_running(home, phase.get("error"), started=bool(state))
    if phase.get("phase") == "ready" and summary["backlog"] is None:
        raise NotReady(
            "The platform does not answer.",
            hint=f"Its log is {home.logs / 'platform.log'}; `zebros down`, then `zebros up`.",
        )


def _not_running(home: Home, failure: dict[str, str] | None, *, started: bool) -> NotReady:
    """That nothing runs, with the reason if the CRM has failed."""
    again = "`zebros up` starts it again." if started else "`zebros up` starts one."
    if failure is None:
        return NotReady(f"No CRM runs in {home.path}.", hint=again)
    return NotReady(
        f"No CRM runs in {home.path}: {failure['error']}",
        hint="\n".join(filter(None, (failure.get("hint"), again))),
    )


def reset(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete the data of the local CRM."""
    connection: Connection = ctx.obj
    home = home_of(connection)
    if home.supervisor() is not None or any(one.alive for one in home.processes()):
        raise NotReady("The CRM runs.", hint="`zebros down` stops it, then reset.")
    if not yes:
        if not sys.stdin.isatty():
            raise BadInput(
                "Reset deletes all data of the local CRM.", hint="Confirm it with --yes."
            )
        typer.confirm(f"Delete all data in {home.path}?", abort=True)
    for folder in (home.platform, home.worker, home.pair):
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("data.json", "state.json", "deployed.json", "status.json", "processes.json"):
        (home.path / name).unlink(missing_ok=True)
    if connection.json:
        document({"reset": str(home.path)})
    else:
        note("The data is deleted; `zebros up` starts without data.")


def token(
    ctx: typer.Context,
    tenant: Annotated[str | None, typer.Option(help=f"One of {', '.join(TENANTS)}.")] = None,
    user: Annotated[str | None, typer.Option(help="admin, manager, rep, support, reader …")] = None,
) -> None:
    """Print a token of the local issuer, for `Authorization: Bearer …`."""
    connection: Connection = ctx.obj
    state = connection.state()
    if not state:
        raise NotReady(f"No CRM runs in {connection.home}.", hint="`zebros up` starts one.")
    issuer = LocalIssuer(
        str(state["issuer_base"]), tenant or connection.tenant, user or connection.user
    )
    issued = issuer.current()
    if connection.json:
        document({"token": issued, "tenant": issuer.tenant, "user": issuer.user})
    else:
        sys.stdout.write(issued + "\n")


def _tenants() -> tuple[str, ...]:
    """The realms: acme, globex, and those in ZEBROS_TENANTS (for tests)."""
    more = os.environ.get("ZEBROS_TENANTS", "").split(",")
    return (*TENANTS, *(name for name in more if name and name not in TENANTS))


def _start_detached(home: Home, options: Options) -> None:
    """Start a supervisor in the background, and print its progress until it is ready."""
    if home.supervisor() is not None:
        raise already_running(home)
    home.logs.mkdir(parents=True, exist_ok=True)
    log = home.logs / "supervisor.log"
    log_file = LogFile("supervisor", log)
    command = [sys.executable, "-m", "zebros.local.supervisor", "--home", str(home.path)]
    command += ["--options", json.dumps(options_as_json(options))]
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=options.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(home, child, log_file)
    except BaseException as error:
        child.terminate()
        child.wait()
        if isinstance(error, KeyboardInterrupt):
            raise Stopped("The start was stopped.") from None
        raise


def _wait_until_ready(home: Home, child: subprocess.Popen[bytes], log_file: LogFile) -> None:
    """Print the supervisor's progress. Raises NotReady when it ends before it is ready."""
    failed = ""
    while True:
        code = child.poll()
        for _, line in log_file.new_lines():
            if line.startswith(FAILED):
                failed = line.removeprefix(FAILED).strip()
            elif code is None:
                print_step(line)
        now = home.status()
        own = now if now.get("pid") == child.pid else {}
        if code is not None:
            error = own.get("error") or {"error": failed or f"The start ended with code {code}."}
            log = f"Its log is {home.logs / 'supervisor.log'}."
            raise NotReady(error["error"], hint=error.get("hint", log))
        if own.get("phase") == "ready":
            return
        time.sleep(0.1)


def _show_logs(home: Home, functions: dict[str, str]) -> None:
    console = err()
    files = [LogFile(name, home.logs / f"{name}.log") for name in ("platform", "issuer", "worker")]
    names = {physical: logical_id for logical_id, physical in functions.items()}
    files.append(LogFile("functions", home.platform / "functions.log", names))

    def show(part: str, line: str) -> None:
        stamp = time.strftime("%H:%M:%S")
        console.print(
            Text.assemble((f"{stamp} ", "dim"), (f"{part:22}", "cyan"), line), soft_wrap=True
        )

    follow(files, show, threading.Event())


def _part(home: Home, process: KnownProcess) -> dict[str, Any]:
    """A part's state: `runs`, `hangs` (the worker without a pulse), or `does not run`."""
    silent = process.name == "worker" and silence_s(home.worker / PULSE) > LONGEST_SILENCE_S
    state = "hangs" if silent else "runs"
    alive = process.alive
    return {"pid": process.pid, "running": alive, "state": state if alive else "does not run"}


def _print_status(summary: dict[str, Any]) -> None:
    rows = [(name, part["state"], part["pid"] or "") for name, part in summary["parts"].items()]
    if rows:
        table(("part", "state", "pid"), rows)
    if not summary["running"]:
        return
    for name in ("phase", "api", "websocket", "issuer_base", "endpoint"):
        out().print(Text.assemble((f"{name:12}", "bold"), str(summary[name])), soft_wrap=True)
    waiting = summary["backlog"]
    if waiting is not None:
        queues = ", ".join(f"{name}: {count}" for name, count in waiting["queues"].items())
        text = f"{waiting['streams']} events to relay; {queues or 'all queues are empty'}"
        out().print(Text.assemble(("undelivered ", "bold"), text), soft_wrap=True)
