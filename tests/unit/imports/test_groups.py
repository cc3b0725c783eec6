"""How lines are divided into chunks and groups."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imports.jobs import groups
from imports.jobs.groups import MAX_CHUNKS, MAX_ITEM_BYTES, MAX_ITEMS, MAX_LINES, Group, groups_of
from imports.jobs.lines import MAX_LINE_BYTES, Line
from kernel.domain.errors import Malformed
from kernel.web.batch import LIMIT
from kernel.web.requests import MAX_BODY_BYTES

NAMES = st.frozensets(st.tuples(st.just("erp"), st.sampled_from("abcdefgh")), max_size=2)
LINES = st.lists(
    st.tuples(NAMES, st.integers(2, MAX_LINE_BYTES), st.integers(0, 9), st.integers(1, 3)),
    max_size=60,
)


def line(number: int, text: str = "{}", *names: str, wrong: bool = False) -> Line:
    problem = Malformed("no") if wrong else None
    return Line(number, text, frozenset(("erp", name) for name in names), problem)


def numbers(group: Group) -> list[list[int]]:
    return [[one.number for one in chunk.lines] for chunk in group.chunks]


def test_the_limits_are_those_of_a_batch() -> None:
    longest = '{"match_by":"email","dry_run":true,"items":[]}'
    assert (MAX_ITEMS, MAX_CHUNKS) == (LIMIT, 4)
    # A batch has room for what an identity adds to lines without one.
    assert MAX_ITEM_BYTES + len(longest) + 100 * MAX_ITEMS < MAX_BODY_BYTES
    assert MAX_LINE_BYTES < MAX_ITEM_BYTES


def test_a_group_has_four_chunks_of_a_hundred_lines() -> None:
    made = list(groups_of(line(number) for number in range(1, 1002)))
    assert [[len(chunk) for chunk in numbers(one)] for one in made] == [
        [100, 100, 100, 100],
        [100, 100, 100, 100],
        [100, 100, 1],
    ]
    assert [one.last for one in made] == [400, 800, 1001]
    assert [one.lines for one in made] == [400, 400, 201]


def test_a_chunk_is_smaller_than_a_body_may_be() -> None:
    large = json.dumps("ü" * 40_000, ensure_ascii=False)
    made = list(groups_of(line(number, large) for number in range(1, 50)))
    assert [[len(chunk) for chunk in numbers(one)] for one in made] == [[11, 11, 11, 11], [5]]


def test_a_line_that_shares_a_name_begins_the_next_group() -> None:
    lines = [line(1, "{}", "a"), line(2, "{}", "b"), line(4, "{}", "c", "a"), line(5, "{}", "b")]
    made = list(groups_of(lines))
    assert [numbers(one) for one in made] == [[[1, 2]], [[4, 5]]]
    assert [one.last for one in made] == [2, 5]


def test_lines_that_cannot_be_sent_are_counted_and_in_no_chunk() -> None:
    lines = [line(1, "{}", "a"), line(2, '"x"', wrong=True), line(3, "{}", "b")]
    (group,) = groups_of(lines)
    assert numbers(group) == [[1, 3]]
    assert [one.number for one in group.rejected] == [2]
    assert (group.lines, group.last) == (3, 3)


def test_lines_that_cannot_be_sent_fill_a_group_too() -> None:
    made = list(groups_of(line(number, '"x"', wrong=True) for number in range(1, MAX_LINES + 2)))
    assert [one.lines for one in made] == [MAX_LINES, 1]


@given(given_lines=LINES)
def test_groups_have_all_lines_in_order_and_no_two_about_one_record(
    given_lines: list[tuple[frozenset[tuple[str, str]], int, int, int]],
) -> None:
    lines, number = [], 0
    for names, size, wrong, step in given_lines:
        number += step  # blank lines are between them
        problem = Malformed("no") if wrong == 0 else None
        lines.append(Line(number, "x" * size, names, problem))
    made = list(groups_of(lines))
    found = [
        sorted([*(n for chunk in numbers(one) for n in chunk), *(r.number for r in one.rejected)])
        for one in made
    ]
    assert [number for group in found for number in group] == [one.number for one in lines]
    for group, before in zip(made, found, strict=True):
        assert group.last == before[-1]
        assert group.lines == len(before)
        sent = [one for chunk in group.chunks for one in chunk.lines]
        names = [name for one in sent for name in one.names]
        assert len(names) == len(set(names)), "two lines about one record at the same time"
        assert len(group.chunks) <= MAX_CHUNKS
        for chunk in group.chunks:
            assert 0 < len(chunk.lines) <= MAX_ITEMS
            assert len(",".join(one.text for one in chunk.lines)) <= MAX_ITEM_BYTES
    for index, group in enumerate(made):
        rest = list(groups_of([one for one in lines if one.number > group.last]))
        assert [numbers(one) for one in rest] == [numbers(one) for one in made[index + 1 :]]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_full_group_ends_before_the_line_that_does_not_fit(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(groups, "MAX_CHUNKS", limit)
    monkeypatch.setattr(groups, "MAX_ITEMS", 1)
    made = list(groups_of(line(number) for number in range(1, 8)))
    assert [one.lines for one in made[:2]] == [limit, limit]
    assert sum(one.lines for one in made) == 7
