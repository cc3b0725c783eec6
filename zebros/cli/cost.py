"""`zebros cost`: what a phase costs a month, from the templates."""

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zebros.cli.output import document, number, out, table
from zebros.cli.templates import TEMPLATE, Set, Template, parameters, reading
from zebros.client.connection import Connection

if TYPE_CHECKING:
    from zebros.costs import Bill
    from zebros.costs.comparisons import Comparison
    from zebros.costs.prices import Price

_NUMBERS = frozenset({"quantity", "unit price", "USD a month", "value"})
_CENTS = 2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="cost")(cost)


def cost(
    ctx: typer.Context,
    phase: Annotated[str, typer.Option(help="mvp, startup, growth or enterprise.")],
    role: Annotated[str, typer.Option(help="The region's role: primary or secondary.")] = "primary",
    users: Annotated[
        int | None, typer.Option(metavar="N", help="Users, instead of the phase's design load.")
    ] = None,
    set_: Set = None,
    template: Template = TEMPLATE,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A price table of your own.")
    ] = None,
    usage: Annotated[Path | None, typer.Option(metavar="FILE", help="A load of your own.")] = None,
) -> None:
    """Print what a phase costs a month in AWS, computed from the templates and a stated load.

    Prices are those of us-east-1, with date and source. Nothing in AWS is called.
    """
    connection: Connection = ctx.obj
    given = parameters(set_)
    with reading(template):
        found = _computed(template, phase, role, users, given, prices, usage)
    if connection.json:
        document(found)
    else:
        _print(found)


def _computed(
    template: Path,
    phase: str,
    role: str,
    users: int | None,
    given: dict[str, str],
    prices_file: Path | None,
    usage_file: Path | None,
) -> dict[str, Any]:
    """The bill, its projection and the comparisons, as a document; amounts are in cents."""
    # Imported here, because they need packages that only a checkout has.
    from zebros.cloudformation import resolve
    from zebros.costs import Prices, Usage, monthly, projection
    from zebros.costs.comparisons import compare
    from zebros.costs.prices import FILE as PRICES
    from zebros.costs.usage import FILE as USAGE

    prices = Prices.load(prices_file or PRICES)
    load = Usage.load(phase, role, usage_file or USAGE)
    load = load if users is None else load.with_users(users)
    system = resolve(template, {"Phase": phase, **load.parameters, **given})
    bill = monthly(system, load, prices)
    return _document(bill, int(load.users)) | {
        "projection": [_cents(total) for total in projection(system, load, prices)],
        "comparisons": [_comparison(one) for one in compare(system, load, prices)],
    }


def _cents(usd: Decimal) -> int:
    return int(usd.scaleb(_CENTS))


def _document(bill: "Bill", users: int) -> dict[str, Any]:
    oldest, newest = bill.price_dates
    return {
        "phase": bill.phase,
        "role": bill.role,
        "users": users,
        "currency": "USD",
        "prices": {"region": "us-east-1", "oldest": str(oldest), "newest": str(newest)},
        "total": _cents(bill.total),
        "parts": {part: _cents(amount) for part, amount in bill.parts.items()},
        "lines": [
            {
                "part": line.price.part,
                "item": line.price.item,
                "quantity": float(line.quantity),
                "amount": _cents(line.amount),
                "price": _price(line.price),
                "resources": sorted(set(line.resources)),
            }
            for line in bill.lines
        ],
        "assumptions": [
            {"name": one.name, "value": float(one.value), "unit": one.unit, "why": one.why}
            for one in bill.assumptions
        ],
        "exclusions": list(bill.exclusions),
    }


def _price(price: "Price") -> dict[str, Any]:
    return {
        "text": price.text,
        "usd": str(price.usd),
        "per": int(price.per),
        "unit": price.unit,
        "source": price.source,
        "date": str(price.date),
    }


def _comparison(one: "Comparison") -> dict[str, Any]:
    return {
        "subject": one.subject,
        "current": one.current,
        "cheapest": one.cheapest,
        "options": {name: _cents(amount) for name, amount in one.options.items()},
        "note": one.note,
    }


def _usd(cents: int) -> str:
    return f"{Decimal(cents).scaleb(-_CENTS):,.2f}"


def _print(bill: dict[str, Any]) -> None:
    title = f"{bill['phase']}, {bill['role']} region, {bill['users']} users: USD a month"
    columns = ("part", "quantity", "unit", "unit price", "USD a month")
    table(columns, _rows(bill), right=_NUMBERS, title=title)
    console = out()
    months = bill["projection"]
    console.print(f"\nTotal: {_usd(bill['total'])} USD a month.", style="bold")
    year, last = _usd(sum(months)), _usd(months[-1])
    console.print(f"Twelve months: {year} USD; stored data grows, the last month is {last}.")
    oldest, newest = bill["prices"]["oldest"], bill["prices"]["newest"]
    console.print(f"Prices: us-east-1, of {oldest} to {newest}; --json has each source.")
    console.print()
    table(("alternative", "current", "USD a month of each", "note"), _alternatives(bill))
    console.print()
    assumed = [(number(a["value"]), a["unit"], a["name"], a["why"]) for a in bill["assumptions"]]
    table(("value", "unit", "assumption", "because"), assumed, right=_NUMBERS)
    console.print(
        "\nWhat functions, tables, queues and buckets are used for: zebros/costs/usage.toml."
    )
    console.print("\nNot included:")
    for text in bill["exclusions"]:
        console.print(f"- {text}", soft_wrap=True)


def _rows(bill: dict[str, Any]) -> list[tuple[str, ...]]:
    """Each part with its sum, the largest first, and below it its lines."""
    rows: list[tuple[str, ...]] = []
    for part, amount in bill["parts"].items():
        rows.append((part, "", "", "", _usd(amount)))
        rows += [
            (
                f"  {line['item'].partition('.')[2].replace('_', ' ')}",
                number(line["quantity"]),
                line["price"]["unit"],
                line["price"]["text"],
                _usd(line["amount"]),
            )
            for line in bill["lines"]
            if line["part"] == part
        ]
    return rows


def _alternatives(bill: dict[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            one["subject"],
            one["current"] or "neither",
            ", ".join(f"{name} {_usd(amount)}" for name, amount in one["options"].items()),
            one["note"],
        )
        for one in bill["comparisons"]
    ]
