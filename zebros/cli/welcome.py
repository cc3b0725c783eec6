"""The end of `zebros up`: loads the demo company and prints a report, addresses and users."""

import sys
import time
from datetime import UTC, date, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import typer
from rich.text import Text

from zebros.cli import report
from zebros.cli.output import document, err, note, out, progress, table
from zebros.client.connection import Connection, LocalIssuer
from zebros.errors import CliError
from zebros.local.home import Home
from zebros.local.users import TENANTS, TIME_ZONES, users
from zebros.text import count_of


def home_of(connection: Connection) -> Home:
    """The folder of the local platform."""
    return Home(connection.home.resolve())


def print_step(text: str) -> None:
    """Print a step of the start."""
    err().print(Text.assemble(("• ", "cyan"), text))


def welcome(ctx: typer.Context, connection: Connection, *, empty: bool) -> None:
    """Load the demo company, print a first report, the addresses and the users."""
    state = connection.state() or {}
    if connection.json:
        if not empty:
            _load_demo(connection)
        document(state)
        return
    if not empty:
        _load_demo(connection)
        _first_report(ctx, connection)
    console = out()
    console.print()
    rows = [
        ("API", state.get("api")),
        ("WebSocket", state.get("websocket")),
        ("Issuer", state.get("issuer_base")),
        ("AWS endpoint", state.get("endpoint")),
        ("Logs", str(home_of(connection).logs)),
    ]
    if state.get("bridge"):
        rows.append(("Docker bridge", state["bridge"]["endpoint"]))
        built = home_of(connection).build / "template.yaml"
        options = f"--template {built} --env-vars {state['bridge']['env_vars']}"
        rows.append(("In containers", f"sam local invoke … {options}"))
    for name, value in rows:
        console.print(Text.assemble((f"{name:14}", "bold"), str(value)), soft_wrap=True)
    console.print()
    _print_users(sellers=not empty)
    console.print()
    console.print("A token of any of them: zebros token --tenant globex --user manager")
    console.print("The token of acme's admin:")
    token = LocalIssuer(str(state["issuer_base"]), TENANTS[0], "admin").current()
    console.print(Text(token), soft_wrap=True)


def _print_users(*, sellers: bool) -> None:
    """Print the users: one per role, the same in every tenant, and the demo's sellers."""
    all_users = users(TENANTS[0])
    roles: dict[str, str] = {}
    for user in all_users.values():
        roles.setdefault(user.role, user.username)
    rows = [(", ".join(TENANTS), name, role) for role, name in roles.items()]
    if sellers:
        first = [name for name in all_users if name not in roles.values()][:3]
        seller = all_users[first[0]].role
        rows.append(
            (TENANTS[0], f"{', '.join(first)} …", f"{seller}, owners of the demo's opportunities")
        )
    table(("tenant", "user", "role"), rows)


def _today(tenant: str) -> date:
    """The day in the tenant's time zone, as the CRM itself sees it."""
    name = TIME_ZONES.get(tenant)
    zone: tzinfo = ZoneInfo(name) if name else UTC
    return datetime.now(zone).date()


def _load_demo(connection: Connection) -> None:
    from zebros.demo import load

    with connection.client() as client:
        today = _today(connection.tenant)
        if connection.json:
            load(client, today=today)
            return
        with progress() as bar:
            tasks: dict[str, Any] = {}

            def show(what: str, count: int, total: int) -> None:
                if what not in tasks:
                    if not sys.stderr.isatty():
                        print_step(f"Loading {total:,} {what}")
                    tasks[what] = bar.add_task(f"Loading {what}", total=total)
                bar.update(tasks[what], completed=count, total=total)

            summary = load(client, show, today=today)
    counts = ", ".join(f"{count:,} {what}" for what, count in summary.records.items())
    how = "is loaded" if summary.already_loaded else f"was loaded in {summary.seconds:.0f} s"
    print_step(f"The demo company {how}: {counts}")


def _first_report(ctx: typer.Context, connection: Connection) -> None:
    """Print the win rate by owner and save it as a PDF; the start succeeds without it."""
    file = connection.home / "first-report.pdf"
    try:
        _wait_for_lake(connection)
        report.report(ctx, "win_rate", by="owner", from_=None, to=None, format_=None, output=None)
        report.report(ctx, "win_rate", by="owner", from_=None, to=None, format_=None, output=file)
    except CliError as error:
        note(f"The first report could not be created: {error.message} {error.hint}".rstrip())


def _wait_for_lake(connection: Connection, timeout_s: float = 120.0) -> None:
    """Wait until the events of the demo company are in the event lake."""
    ends = time.monotonic() + timeout_s
    state = connection.state() or {}
    with progress(counted=False) as bar:
        task = bar.add_task("Events are being written to the event lake", total=None)
        while time.monotonic() < ends:
            waiting = backlog(state)
            if waiting is None:
                return
            left = waiting["streams"] + sum(
                count for name, count in waiting["queues"].items() if "DeadLetters" not in name
            )
            if not left:
                return
            bar.update(
                task,
                description=f"{count_of(left, 'event', 'events')} on the way to the event lake",
            )
            time.sleep(0.3)


def backlog(state: dict[str, Any]) -> dict[str, Any] | None:
    """Undelivered events, queues by logical id; None when the platform does not answer."""
    if not state.get("endpoint"):
        return None
    try:
        answer = httpx.get(f"{state['endpoint']}/_zebros/backlog", timeout=10.0, trust_env=False)
        counts: dict[str, Any] = answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        return None
    known = state.get("resources", {}).get("queues", {})
    names = {url.rpartition("/")[2]: logical_id for logical_id, url in known.items()}
    queues = {names.get(name, name): count for name, count in counts["queues"].items()}
    return {**counts, "queues": queues}
