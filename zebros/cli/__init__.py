"""`zebros`: the command line of Zebros CRM.

Each module of this package adds its commands by `register(app)`. Options that every command shares
are read here once and handed on as the `Connection` in `ctx.obj`; they may stand before or after
the command. `main` is the one place where a failure becomes a sentence and an exit code.
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

from zebros.cli.output import complain, err
from zebros.client.connection import DEFAULT_HOME, DEFAULT_TENANT, DEFAULT_USER, Connection
from zebros.errors import CliError, Stopped, as_cli_error

_WITH_VALUE = frozenset({"--api", "--token", "--tenant", "--user", "--home", "--stack"})
_FLAGS = frozenset({"--json"})
_COMMANDS = {
    **dict.fromkeys(("up", "down", "status", "reset", "token"), "platform"),
    **{name: name for name in ("api", "load", "report", "events", "invoke")},
}
"""The module of each command."""


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
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON, for machines.")] = False,
    home: Annotated[
        Path,
        typer.Option(
            envvar="ZEBROS_HOME", metavar="DIR", help="Where the local platform keeps its state."
        ),
    ] = DEFAULT_HOME,
    stack: Annotated[
        str | None,
        typer.Option(
            envvar="ZEBROS_STACK",
            metavar="NAME",
            help="A stack in AWS, for `events` and `invoke`, in place of the local one; "
            "they need it where --api names a deployed CRM.",
        ),
    ] = None,
) -> None:
    """Zebros CRM on the command line.

    The options here may also stand after the command. Exit codes: 0 done, 1 refused or failed,
    2 wrong usage, 3 done but some rows were rejected, 65 unusable input, 69 not running,
    130 stopped by Ctrl-C.
    """
    ctx.obj = Connection(
        home=home, api=api, token=token, tenant=tenant, user=user, json=json, stack=stack
    )


def build(argv: Sequence[str] = ()) -> Any:
    """The command tree: of the one command that is asked for, else of all (for help)."""
    app = typer.Typer(
        name="zebros",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    for module in _modules(argv):
        import_module(f"zebros.cli.{module}").register(app)
    return typer.main.get_command(app)


def _modules(argv: Sequence[str]) -> list[str]:
    """The modules to import: one command needs half a second less without the others'."""
    words = iter(argv)
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return (
                [_COMMANDS[word]] if word in _COMMANDS else list(dict.fromkeys(_COMMANDS.values()))
            )
    return list(dict.fromkeys(_COMMANDS.values()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. No failure leaves here as a traceback."""
    given = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
    try:
        command = build(given)
        with _terminable():
            outcome = command.main(
                args=_options_first(command, given), prog_name="zebros", standalone_mode=False
            )
        sys.stdout.flush()
        if outcome == Stopped.exit_code:  # Typer's own answer to an unhandled Ctrl-C
            complain(Stopped("Stopped."), as_json=as_json)
        return outcome if isinstance(outcome, int) else 0
    except typer.TyperException as fault:
        return _usage(fault, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        complain(Stopped("Stopped."), as_json=as_json)
        return Stopped.exit_code
    except BrokenPipeError:
        return _unheard()
    except SystemExit as end:  # Rich's and Typer's own answers to it are an exit with 1
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        return _unheard()
    except Exception as fault:
        trouble = as_cli_error(fault, _home(given))
        complain(trouble, as_json=as_json)
        return trouble.exit_code


def _unheard() -> int:
    """Whoever read our output has gone (`| head`): nothing is wrong, and nothing can be said."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def _home(argv: Sequence[str]) -> Path:
    """The home that was given, read without the command tree: that may be what failed."""
    found = os.environ.get("ZEBROS_HOME") or str(DEFAULT_HOME)
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if name == "--home":
            found = value if equals else next(words, found)
    return Path(found)


@contextmanager
def _terminable() -> Iterator[None]:
    """TERM ends a command as Ctrl-C does: tidied up, with what it did kept."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _usage(fault: typer.TyperException, *, as_json: bool) -> int:
    """Wrong usage: the message in one line, and where help is."""
    message = fault.format_message().strip()
    context = getattr(fault, "ctx", None)
    if type(fault).__name__ == "NoArgsIsHelpError":  # its help has been printed already
        if message:
            err().print(message)
        return fault.exit_code
    path = context.command_path if context is not None else "zebros"
    trouble = CliError(message, hint=f"`{path} --help` shows how it is used.")
    complain(trouble, as_json=as_json)
    return fault.exit_code


def _options_first(command: Any, argv: Sequence[str]) -> list[str]:
    """The shared options moved to the front, so that they may stand after the command as well.

    An option that the command itself declares stays where it is: it is the command's.
    """
    leaf, own = command, set[str]()
    for word in argv:
        inner = getattr(leaf, "commands", {})
        if word in inner:
            leaf = inner[word]
    if leaf is not command:
        own = {name for parameter in leaf.params for name in getattr(parameter, "opts", [])}
    front: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        name = word.split("=", 1)[0]
        if word == "--":
            rest += [word, *words]
        elif name in own or name not in _WITH_VALUE | _FLAGS:
            rest.append(word)
        elif name in _FLAGS or "=" in word:
            front.append(word)
        else:
            front += [word, *(value for value in [next(words, None)] if value is not None)]
    return front + rest
