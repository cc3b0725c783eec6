"""`zebros scale advise` and `zebros scale bill`: what to deploy, and who causes which cost."""

import re
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any

import typer

from zebros.cli.output import document, note, out, table
from zebros.client.connection import Connection
from zebros.errors import BadInput
from zebros.operations.memory_advice import MemoryAdvice, memory_advice, memory_sentences
from zebros.operations.tuning import overrides, read

_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_MOST_CENTS = 10**12


class By(StrEnum):
    """How a bill is divided."""

    TENANT = "tenant"
    FEATURE = "feature"


def register(group: typer.Typer) -> None:
    """Add the commands to the group `scale`."""
    group.command()(advise)
    group.command()(bill)


def advise(
    ctx: typer.Context,
    tenant: Annotated[
        str | None, typer.Option(metavar="TENANT", help="Only this tenant, and the system.")
    ] = None,
    tuning: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A result of Lambda Power Tuning, as for `zebros tune`; repeatable.",
        ),
    ] = None,
) -> None:
    """Say what to deploy: phase, billing of tables, memory of functions.

    With the usage that says so, what a move changes and interrupts, the cost before and after,
    and the alternatives. Nothing is changed. Needs an administrator of the tenant that operates
    the system.
    """
    connection: Connection = ctx.obj
    tuned = [read(one) for one in tuning or ()]
    values = overrides(tuned)
    with connection.client() as client:
        found = client.get("/scaling/advice", tenant=tenant)
        settings = client.get("/scaling/settings")["items"] if tuned else []
    memory = {one["resource"]: one["value"] for one in settings if one["setting"] == "memory"}
    advices = [memory_advice(one, memory.get(one.function)) for one in tuned]
    if connection.json:
        document({**found, "memory": [_document(one, values) for one in advices]})
        return
    _section("Phase", found["system"]["sentences"])
    for one in found["tables"]:
        _section(f"Table {one['table']}", one["sentences"])
    for advice in advices:
        sentences = list(memory_sentences(advice, values[advice.parameter]))
        _section(f"Memory of {advice.function}", sentences)
    for one in found["tenants"]:
        _section(f"Tenant {one['tenant_id']}", one["sentences"])
    if found["left_out"]:
        note(f"{found['left_out']} smaller tenants are left out; --tenant asks for one.")
    _section("Assumptions", found["assumptions"])


def _section(title: str, sentences: list[str]) -> None:
    out().print(title, style="bold", soft_wrap=True, markup=False)
    for one in sentences:
        out().print(f"- {one}", soft_wrap=True, markup=False)


def _document(one: MemoryAdvice, values: dict[str, int]) -> dict[str, Any]:
    return {
        "function": one.function,
        "now": one.now,
        "parameter": f"{one.parameter}={values[one.parameter]}",
        "enough": one.enough,
        "options": [
            {"megabytes": each.power, "milliseconds": each.duration, "usd": each.cost}
            for each in one.options
        ],
        "sentences": list(memory_sentences(one, values[one.parameter])),
    }


def bill(
    ctx: typer.Context,
    month: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM", help="By default the last complete one."),
    ] = None,
    by: Annotated[By, typer.Option(help="How to divide it.")] = By.TENANT,
    invoice: Annotated[
        str | None,
        typer.Option(metavar="USD", help="Divide this amount instead of the computed cost."),
    ] = None,
) -> None:
    """Divide the cost of a month among tenants and features, to the cent.

    By what each tenant used. Needs an administrator of the tenant that operates the system.
    """
    connection: Connection = ctx.obj
    if month is not None and not _MONTH.fullmatch(month):
        raise BadInput(f"--month must be a month such as 2026-11, not {month}.")
    with connection.client() as client:
        found = client.get("/scaling/bill", month=month, cents=_cents(invoice))
    if connection.json:
        document(found)
        return
    features = [one["feature"] for one in found["features"]]
    if by is By.FEATURE:
        table(("feature", "USD"), _rows(found), right=frozenset({"USD"}))
    else:
        rows = [
            (
                one.get("tenant_id") or "all others",
                _usd(one["cents"]),
                *(_usd(part["cents"]) for part in one["features"]),
            )
            for one in found["tenants"]
        ]
        table(("tenant", "USD", *features), rows, right=frozenset({"USD", *features}))
    causes = ", ".join(
        f"{one['cause'].replace('_', ' ')} {_usd(one['cents'])}" for one in found["causes"]
    )
    out().print(
        f"\n{found['month']}, {found['days']} days in phase {found['phase']}: "
        f"{_usd(found['cents'])} USD, of which {causes}.",
        soft_wrap=True,
    )
    for one in found["assumptions"]:
        note(one)


def _rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["feature"], _usd(one["cents"])) for one in found["features"]]


def _usd(cents: int) -> str:
    return f"{Decimal(cents).scaleb(-2):,.2f}"


def _cents(usd: str | None) -> int | None:
    """An amount in cents. Raises BadInput unless it has at most two decimals and is not below 0."""
    if usd is None:
        return None
    try:
        cents = Decimal(usd).scaleb(2)
        usable = cents.is_finite() and cents == int(cents) and 0 <= cents <= _MOST_CENTS
    except (InvalidOperation, ValueError, OverflowError):
        usable = False
    if not usable:
        raise BadInput(f"--invoice must be an amount in USD such as 1234.56, not {usd}.")
    return int(cents)
