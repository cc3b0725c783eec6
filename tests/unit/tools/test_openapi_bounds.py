"""Bounds that follow from patterns, formats and widths."""

from typing import Any

import pytest

from kernel.domain.ids import PATTERN
from kernel.domain.money import LARGEST
from tools.openapi_bounds import bounded

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("schema", "longest"),
    [
        (TEXT | {"pattern": PATTERN}, 26),
        (TEXT | {"pattern": "^a{0,3}(bc|d)$"}, 5),
        (TEXT | {"pattern": "^a+$"}, None),
        (TEXT | {"format": "date"}, 10),
        (TEXT | {"format": "date-time"}, 32),
        (TEXT | {"format": "unknown"}, None),
        (TEXT | {"format": "date", "maxLength": 8}, 8),
        (TEXT | {"enum": ["a"]}, None),
        (TEXT, None),
    ],
)
def test_the_longest_text_follows_from_its_pattern_or_format(
    schema: dict[str, Any], longest: int | None
) -> None:
    assert bounded({"a": [schema]})["a"][0].get("maxLength") == longest


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (NUMBER, (-(2**63 - 1), 2**63 - 1, "int64")),
        (NUMBER | {"minimum": 0}, (0, 2**63 - 1, "int64")),
        (NUMBER | {"minimum": 0, "maximum": 100}, (0, 100, "int32")),
        (NUMBER | {"minimum": 0, "maximum": 2**31}, (0, 2**31, "int64")),
        (NUMBER | {"minimum": -(2**31), "maximum": 0}, (-(2**31), 0, "int32")),
    ],
)
def test_an_integer_has_limits_and_the_width_that_they_need(
    schema: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    found = bounded(schema)
    assert (found["minimum"], found["maximum"], found["format"]) == expected


def test_an_integer_in_a_custom_field_is_one_that_every_json_parser_reads() -> None:
    found = bounded({"custom_fields": {"additionalProperties": NUMBER}})
    assert found["custom_fields"]["additionalProperties"]["maximum"] == LARGEST
