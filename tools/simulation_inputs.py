"""Writes the table of docs/simulation.md that says where each number of work.toml comes from."""

from collections.abc import Iterator
from typing import Any

from tools.drift import ROOT, main
from tools.sections import with_section
from zebros.costs.toml_file import read
from zebros.simulation.work import FILE

PAGE = ROOT / "docs" / "simulation.md"
SECTION = "inputs"


def values() -> dict[str, dict[str, Any]]:
    """The numbers of work.toml with their reasons and sources."""
    document = read(FILE)
    zones = {f"zone UTC{one['offset']:+}": _zone(one) for one in document["zones"]}
    return {**document["values"], "hours": document["hours"], **zones}


def _zone(one: dict[str, Any]) -> dict[str, Any]:
    return {**one, "value": one["share"], "unit": "of the users"}


def rows() -> Iterator[str]:
    """The table: what is measured first, then what AWS says, then what nobody has measured."""
    yield "| number | value | source | why |"
    yield "| --- | --- | --- | --- |"
    for name, one in sorted(values().items(), key=lambda item: _rank(item[1]["source"])):
        value = f"{_amount(one['value'])} {one['unit']}"
        yield f"| `{name}` | {value} | {_source(one)} | {one['why']} |"


def _amount(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_amount, value))
    return f"{value:,}"


def _rank(source: str) -> int:
    return {"AWS": 1, "assumed": 2}.get(source, 0)


def _source(one: dict[str, Any]) -> str:
    source = str(one["source"])
    if _rank(source) == 1:
        return "AWS's documents"
    if _rank(source) == 2:
        return "**assumed**"
    return f"[{source.rpartition('/')[2]}]({_relative(source)})"


def _relative(source: str) -> str:
    return source.removeprefix("docs/") if source.startswith("docs/") else f"../{source}"


def render() -> str:
    """The page with its table."""
    return with_section(PAGE.read_text(encoding="utf-8"), SECTION, rows())


if __name__ == "__main__":
    main({PAGE: render()}, "make contracts")
