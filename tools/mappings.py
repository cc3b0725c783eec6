"""Generates the Mappings of the templates from strategy.yaml.

A template gets the figures that its `Fn::FindInMap` name. Fails on a figure that no template uses,
on one that does not exist, and with `--check` on drift.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tools.drift import ROOT, main
from zebros.cloudformation.load import parse

STRATEGY = ROOT / "strategy.yaml"
POLICY = "Scaling"
"""Sections with this prefix are the controller's policy: tools/scaling_policy.py."""
type Strategy = dict[str, dict[str, dict[str, Any]]]
type Figure = tuple[str, str | None, str]
"""A map, its key (None for a key that a parameter gives), and the figure's name."""

_PATTERNS = ("template.yaml", "infra/*.yaml", "infra/modules/*.yaml", "services/*/template.yaml")
_SECTION = re.compile(r"^Mappings:\n(?:(?:[ #].*)?\n)*", re.M)
_HEADER = "# From strategy.yaml; `make contracts` writes them."


def templates() -> list[Path]:
    """Every template of the system."""
    return [path for pattern in _PATTERNS for path in sorted(ROOT.glob(pattern))]


def used(value: Any) -> Iterator[Figure]:
    """The figures that a template reads."""
    if isinstance(value, list):
        for one in value:
            yield from used(one)
    elif isinstance(value, dict):
        if "Fn::FindInMap" in value:
            name, key, figure = value["Fn::FindInMap"]
            yield name, key if isinstance(key, str) else None, figure
        for one in value.values():
            yield from used(one)


def selected(strategy: Strategy, figures: set[Figure]) -> Strategy:
    """The part of the strategy with these figures, in its order."""
    found: Strategy = {}
    for name, keys in strategy.items():
        for key, values in keys.items():
            wanted = {
                figure: value
                for figure, value in values.items()
                if {(name, key, figure), (name, None, figure)} & figures
            }
            if wanted:
                found.setdefault(name, {})[key] = wanted
    return found


def section(maps: Strategy) -> str:
    """The Mappings section of a template: a key of a map on each line."""
    lines = ["Mappings:", f"  {_HEADER}"]
    for name, keys in maps.items():
        lines.append(f"  {name}:")
        lines += [f"    {key}: {_flow(figures)}" for key, figures in keys.items()]
    return "\n".join(lines) + "\n\n"


def _flow(figures: dict[str, Any]) -> str:
    written = (f"{name}: {_scalar(value)}" for name, value in figures.items())
    return "{" + ", ".join(written) + "}"


def _scalar(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str | list | bool) else str(value)


def render() -> dict[Path, str]:
    """The templates' texts, with the maps as the strategy's file has them."""
    strategy: Strategy = yaml.safe_load(STRATEGY.read_text(encoding="utf-8"))
    unread = {
        (name, key, figure)
        for name, keys in strategy.items()
        if not name.startswith(POLICY)
        for key in keys
        for figure in keys[key]
    }
    files = {}
    for path in templates():
        text = path.read_text(encoding="utf-8")
        figures = set(used(parse(text)))
        for name, key, figure in figures:
            _check(path, strategy, name, key, figure)
        unread = {
            (name, key, figure)
            for name, key, figure in unread
            if not {(name, key, figure), (name, None, figure)} & figures
        }
        if figures and not _SECTION.search(text):
            sys.exit(f"{path.relative_to(ROOT)} uses figures but has no `Mappings:`")
        replacement = section(selected(strategy, figures)) if figures else ""
        before, *after = _SECTION.split(text, maxsplit=1)
        files[path] = before + replacement + after[0] if after else text
    if unread:
        names = ", ".join(sorted(".".join(one) for one in unread))
        sys.exit(f"{STRATEGY.name}: no template uses {names}")
    return files


def _check(path: Path, strategy: Strategy, name: str, key: str | None, figure: str) -> None:
    keys = strategy.get(name, {})
    needed = [key] if key else keys or ["?"]
    if missing := [one for one in needed if figure not in keys.get(one, {})]:
        where = path.relative_to(ROOT)
        sys.exit(f"{where} uses {name}.{missing[0]}.{figure}, which {STRATEGY.name} lacks")


if __name__ == "__main__":
    main(render(), "make contracts")
