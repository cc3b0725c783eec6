"""The command tree, and `main`, which turns every failure into a message and an exit code.

Each module of zebros.cli adds its commands by `register(app)`. The shared options are parsed here;
commands get them as the `Connection` in `ctx.obj`.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from zebros.cli import shared_options
from zebros.cli.output import err, print_error
from zebros.client.connection import DEFAULT_HOME, DEFAULT_TENANT, DEFAULT_USER, Connection
from zebros.errors import CliError, Stopped, as_cli_error
from zebros.text import as_demand

_GROUPS = [
    "api",
    "load",
    "report",
    "events",
    "invoke",
    "cost",
    "simulate",
    "tune",
    "scale",
    "phase",
    "image",
    "top",
    "upgrade",
    "restore",
    "rollback",
    "tenants",
    "people",
    "attach",
    "region",
]
_MODULES = {
    **dict.fromkeys(("up", "down", "status", "reset", "token"), "platform"),
    **{name: name for name in _GROUPS},
    "import": "import_file",
}
"""The module of each command."""
_BROKEN_PIPE = 141
"""The exit status that shells report for a process killed by SIGPIPE."""


def root(
    ctx: typer.Context,
    api: Annotated[
        str | None,
        typer.Option(
            envvar="ZEBROS_API",
            metavar="URL",
            help="The API of a deployed CRM, for `api`, `load` and `report`.",
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="ZEBROS_TOKEN", help="The bearer token to send.")
    ] = None,
    tenant: Annotated[
        str, typer.Option(help="The tenant, for tokens of the local issuer.")
    ] = DEFAULT_TENANT,
    user: Annotated[
        str, typer.Option(help="The user, for tokens of the local issuer.")
    ] = DEFAULT_USER,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    home: Annotated[
        Path,
        typer.Option(envvar="ZEBROS_HOME", metavar="DIR", help="The folder of the local platform."),
    ] = DEFAULT_HOME,
    stack: Annotated[
        str | None,
        typer.Option(
            envvar="ZEBROS_STACK",
            metavar="NAME",
            help="A stack in AWS, for `events`, `invoke`, `restore`, `rollback` and `tenants`, "
            "instead of the local one; required when --api names a deployed CRM.",
        ),
    ] = None,
) -> None:
    """Zebros CRM on the command line.

    These options may also stand after the command. Exit codes: 0 success, 1 rejected or failed,
    2 wrong usage, 3 success but some rows were rejected, 65 unusable input, 69 not running,
    130 stopped by Ctrl-C.
    """
    ctx.obj = Connection(
        home=home, api=api, token=token, tenant=tenant, user=user, json=json, stack=stack
    )


def build(argv: Sequence[str] = ()) -> Any:
    """The command tree: with the command in `argv` only, which is faster; else with all."""
    app = typer.Typer(
        name="zebros",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    module = _MODULES.get(shared_options.command_name(argv) or "")
    for name in [module] if module else dict.fromkeys(_MODULES.values()):
        import_module(f"zebros.cli.{name}").register(app)
    return typer.main.get_command(app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    try:
        return _run(words, as_json=as_json)
    except typer.TyperException as error:
        return _usage_error(error, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return print_error(Stopped("Stopped."), as_json=as_json)
    except BrokenPipeError:
        return _closed_pipe()
    except SystemExit as end:  # Rich and Typer exit with 1 after a BrokenPipeError
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        return _closed_pipe()
    except Exception as error:
        return print_error(as_cli_error(error, shared_options.home(words)), as_json=as_json)


def _run(words: list[str], *, as_json: bool) -> int:
    command = build(words)
    with _sigterm_as_ctrl_c():
        outcome = command.main(
            args=shared_options.to_front(command, words), prog_name="zebros", standalone_mode=False
        )
    sys.stdout.flush()
    if outcome == Stopped.exit_code:  # Typer's result of a Ctrl-C that the command did not handle
        return print_error(Stopped("Stopped."), as_json=as_json)
    return outcome if isinstance(outcome, int) else 0


def _closed_pipe() -> int:
    """Handle an output pipe that its reader has closed (`| head`), which is not an error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return _BROKEN_PIPE


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM interrupts a command as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _usage_error(error: typer.TyperException, *, as_json: bool) -> int:
    """Print the message of a wrong usage, and where to find help."""
    message = as_demand(error.format_message().strip()).replace("Value error, ", "")
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed already
        if message:
            err().print(message)
        return error.exit_code
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "zebros"
    print_error(CliError(message, hint=f"`{path} --help` describes it."), as_json=as_json)
    return error.exit_code
