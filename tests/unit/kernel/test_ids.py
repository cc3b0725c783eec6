"""Identifiers are distinct, and those of a change increase."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from kernel.domain.ids import PATTERN, ids_at, new_id, time_part


def test_ids_of_changes_in_one_millisecond_are_distinct() -> None:
    """Events of different records, and records that are created between them."""
    at = datetime.now(UTC)
    found = [one for _ in range(500) for one in (*ids_at(at, 3), new_id())]
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("milliseconds", [0, 1, 57, 123, 999])
def test_ids_of_a_change_increase_and_have_its_millisecond(milliseconds: int) -> None:
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    found = ids_at(at, 5)
    assert found == sorted(found)
    assert len(set(found)) == len(found)
    assert {time_part(one) for one in found} == {time_part(found[0])}
    assert all(re.fullmatch(PATTERN, one) for one in found)
    assert ULID.from_str(found[0]).datetime == at
