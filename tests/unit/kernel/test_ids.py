"""Identifiers are distinct, and those of a change increase."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from ulid import ULID

from kernel.domain.ids import PATTERN, id_before, ids_at, last_ids_at, new_id, time_part


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


def test_the_last_ids_of_a_millisecond_are_after_those_of_its_changes() -> None:
    at = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    lower, higher = last_ids_at(at, 3, 0), last_ids_at(at, 3, 2**31 - 1)
    found = [*(one for _ in range(200) for one in ids_at(at, 3)), *lower, *higher]
    assert max(found[:-6]) < lower[0]
    assert found[-6:] == sorted(set(found[-6:]))
    assert max(last_ids_at(at, 3, 7)) < min(last_ids_at(at, 3, 8))
    assert {time_part(one) for one in found} == {time_part(found[0])}
    assert all(re.fullmatch(PATTERN, one) for one in found)


def test_the_ids_before_one_are_those_of_the_same_change() -> None:
    first, second, third = ids_at(datetime(2026, 1, 31, 9, 30, tzinfo=UTC), 3)
    assert (id_before(third, 1), id_before(third, 2)) == (second, first)
