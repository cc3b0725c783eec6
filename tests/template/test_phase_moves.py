"""None of the twelve moves between phases loses data, and the runbook page describes each."""

from functools import cache
from itertools import permutations

import pytest

from tests.template.stack import DOMAIN, EVERYTHING, PHASES, ROOT
from zebros.cloudformation.difference import Effect
from zebros.cloudformation.phases import Plan, plan

MOVES = list(permutations(PHASES, 2))
PAGE = (ROOT / "docs" / "phase-moves.md").read_text(encoding="utf-8")


OPTIONS = {
    "with every option": {name: value for name, value in EVERYTHING.items() if name != "Phase"},
    "with none": DOMAIN,
}


@cache
def move(origin: str, target: str, options: str = "with every option") -> Plan:
    return plan(ROOT / "template.yaml", origin, target, OPTIONS[options])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("origin", "target"), MOVES)
def test_no_move_replaces_or_deletes_what_holds_data(
    origin: str, target: str, options: str
) -> None:
    assert move(origin, target, options).losses == []


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("origin", "target"), MOVES)
def test_every_move_is_one_update_that_cloudformation_accepts(
    origin: str, target: str, options: str
) -> None:
    """Several index changes would need several updates; a fixed name cannot be replaced."""
    limits = move(origin, target, options).limits
    assert [one for one in limits if "updates." in one or "rejects" in one] == []


@pytest.mark.parametrize(("origin", "target"), MOVES)
def test_functions_are_resized_in_place(origin: str, target: str) -> None:
    for change in move(origin, target).changes:
        if change.type == "AWS::Lambda::Function":
            assert change.effect is Effect.CHANGED, change.name


@pytest.mark.parametrize(("origin", "target"), MOVES)
def test_the_runbook_page_describes_the_move(origin: str, target: str) -> None:
    title = f"## {origin} to {target}\n"
    assert PAGE.count(title) == 1
    described = PAGE.split(title)[1].split("\n## ")[0]
    for effect in Effect:
        names = [one.name for one in move(origin, target).changes if one.effect is effect]
        if names:
            assert f"| {effect} | {len(names)} |" in described, effect
    for change in move(origin, target).changes:
        if change.effect is not Effect.CHANGED or change.holds_data:
            assert f"`{change.name}`" in described, change.name
    for limit in move(origin, target).limits:
        assert limit in described
