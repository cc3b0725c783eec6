"""The role matrix compared with the scaling strategy's table, row by row."""

import pytest

from kernel.domain.errors import Forbidden
from kernel.domain.permissions import Area, Level, Role
from kernel.domain.principal import Principal, RequestContext
from kernel.runtime.contexts import contexts
from kernel.storage.idempotency import IdempotentRequest
from kernel.storage.unit_of_work import UnitOfWork

STRATEGY = """
administrator        | full       | full       | full       | full       | full
sales-manager        | read/write | read/write | read/write | read/write | limited
sales-representative | read/write | read/write | read/write | read       | -
support-agent        | read/write | read       | read       | -          | -
read-only            | read       | read       | read       | read       | -
"""
AREAS = {area.name: area for context in contexts().values() for area in context.areas}
COLUMNS = ("customers", "leads", "opportunities", "reports", "settings")
WORDS = {
    "full": Level.FULL,
    "read/write": Level.WRITE,
    "limited": Level.LIMITED,
    "read": Level.READ,
    "-": Level.NONE,
}


@pytest.mark.parametrize("line", STRATEGY.strip().splitlines())
def test_a_role_has_the_levels_of_the_strategy(line: str) -> None:
    role, *words = (cell.strip() for cell in line.split("|"))
    granted = [AREAS[name].levels[Role(role)] for name in COLUMNS]
    assert granted == [WORDS[word] for word in words]


def test_every_role_has_a_level_in_every_area() -> None:
    assert set(AREAS) == {*COLUMNS, "activities", "imports", "people", "scaling"}
    assert all(set(area.levels) == set(Role) for area in AREAS.values())


def principal(*roles: Role) -> Principal:
    return Principal("acme", "ann", frozenset(roles))


def level(area: Area, *roles: Role) -> Level:
    return area.level(frozenset(roles))


def test_the_highest_of_several_roles_counts() -> None:
    both = (Role.READ_ONLY, Role.SUPPORT_AGENT)
    assert level(AREAS["customers"], *both) is Level.WRITE
    assert level(AREAS["reports"], *both) is Level.READ


def test_a_principal_without_a_role_has_no_rights() -> None:
    for area in AREAS.values():
        with pytest.raises(Forbidden):
            principal().require(Level.READ, area)


def test_the_rejection_names_the_missing_right() -> None:
    with pytest.raises(Forbidden, match="write rights on opportunities; your role \\(read-only\\)"):
        principal(Role.READ_ONLY).require(Level.WRITE, AREAS["opportunities"])


def test_a_record_of_an_import_does_not_commit_the_idempotency_key() -> None:
    key = IdempotentRequest(None, "key", "fingerprint")  # type: ignore[arg-type]
    unit = UnitOfWork(RequestContext(principal(Role.READ_ONLY)), key).for_import()
    assert unit.request.origin == "import"
    committed: list[object] = []

    class Recorder:
        def transact(self, actions: list[object]) -> None:
            committed.extend(actions)

    unit.commit(Recorder(), [])  # type: ignore[arg-type]
    assert (committed, key.committed) == ([], False)
