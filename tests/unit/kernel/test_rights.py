"""The role matrix against the scaling strategy's table, row by row."""

import pytest

from kernel.domain.auth import MATRIX, Area, Caller, Level, Role, system
from kernel.domain.errors import Forbidden

STRATEGY = """
administrator        | full       | full       | full       | full       | full
sales-manager        | read/write | read/write | read/write | read/write | limited
sales-representative | read/write | read/write | read/write | read       | -
support-agent        | read/write | read       | read       | -          | -
read-only            | read       | read       | read       | read       | -
"""
AREAS = (Area.CUSTOMERS, Area.LEADS, Area.OPPORTUNITIES, Area.REPORTS, Area.SETTINGS)
WORDS = {
    "full": Level.FULL,
    "read/write": Level.WRITE,
    "limited": Level.LIMITED,
    "read": Level.READ,
    "-": Level.NONE,
}


@pytest.mark.parametrize("line", STRATEGY.strip().splitlines())
def test_a_role_may_what_the_strategy_says(line: str) -> None:
    role, *words = (cell.strip() for cell in line.split("|"))
    granted = [MATRIX[Role(role)][area] for area in AREAS]
    assert granted == [WORDS[word] for word in words]


def test_every_role_has_a_level_in_every_area() -> None:
    assert set(MATRIX) == set(Role)
    assert all(set(levels) == set(Area) for levels in MATRIX.values())


def caller(*roles: Role) -> Caller:
    return Caller("acme", "ann", frozenset(roles))


def test_the_furthest_of_several_roles_counts() -> None:
    both = caller(Role.READ_ONLY, Role.SUPPORT_AGENT)
    assert both.level(Area.CUSTOMERS) is Level.WRITE
    assert both.level(Area.REPORTS) is Level.READ


def test_a_caller_without_a_role_may_nothing() -> None:
    for area in Area:
        with pytest.raises(Forbidden):
            caller().must(Level.READ, area)


def test_the_refusal_says_what_was_needed() -> None:
    with pytest.raises(Forbidden, match="write rights on opportunities; your role \\(read-only\\)"):
        caller(Role.READ_ONLY).must(Level.WRITE, Area.OPPORTUNITIES)


def test_an_import_does_not_carry_the_idempotency_key_along() -> None:
    assert caller(Role.READ_ONLY).via("import").origin == "import"
    assert system("acme").via("import").once is None
