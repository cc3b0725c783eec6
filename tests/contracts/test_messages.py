"""What the API says about wrong values: sentences that name what would be right."""

import re
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field

from kernel.domain.dates import PlainDate
from kernel.domain.errors import Invalid
from kernel.domain.events import Name, Tag
from kernel.domain.ids import Id
from kernel.domain.patterns import PATTERNS
from kernel.domain.validation import validate
from tools.contexts import apis


def patterns(node: Any) -> set[str]:
    """The patterns that pydantic checks. Others in JSON Schemas describe what validators check."""
    if isinstance(node, list | tuple):
        return set().union(*map(patterns, node))
    if not isinstance(node, dict):
        return set()
    own = {node["pattern"]} if node.get("type") == "str" and "pattern" in node else set()
    return own.union(*(patterns(one) for name, one in node.items() if name != "metadata"))


def test_every_pattern_of_a_request_has_words() -> None:
    bodies = {
        model
        for api in apis()
        for route in api.routes
        for model in (route.parameters.get("body"), route.parameters.get("query"), route.patches)
        if model is not None
    }
    found = set().union(*(patterns(model.__pydantic_core_schema__) for model in bodies))
    assert len(found) >= 5
    assert found <= PATTERNS.keys()


class Colour(StrEnum):
    """An enumeration."""

    RED = "red"
    BLUE = "blue"


class Model(BaseModel):
    """One field of each kind."""

    id: Id | None = None
    name: Name | None = None
    tags: list[Tag] = Field(default_factory=list, min_length=0, max_length=1)
    some: Annotated[list[int], Field(min_length=2)] = [1, 2]
    number: int = Field(1, ge=1, le=5)
    ratio: float = Field(0.5, gt=0, lt=1)
    colour: Colour | None = None
    fixed: Literal["a", "b"] = "a"
    at: AwareDatetime | None = None
    day: PlainDate | None = None
    flag: bool = False
    nested: dict[str, int] = Field(default_factory=dict)


WRONG = [
    ({"id": "x"}, "id must be the id of a record, such as 01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    ({"name": ""}, "name must not be empty"),
    ({"name": "x" * 201}, "name must have at most 200 characters"),
    ({"tags": ["a", "b"]}, "tags must have at most 1 entry"),
    ({"some": [1]}, "some must have at least 2 entries"),
    ({"number": 0}, "number must be at least 1"),
    ({"number": 6}, "number must be at most 5"),
    ({"number": "many"}, "number must be a whole number"),
    ({"ratio": 0}, "ratio must be greater than 0.0"),
    ({"ratio": 1}, "ratio must be less than 1.0"),
    ({"colour": "green"}, "colour must be one of: red, blue"),
    ({"fixed": "c"}, "fixed must be one of: a, b"),
    ({"at": "yesterday"}, "at must be an instant such as 2026-01-31T09:30:00Z"),
    (
        {"at": "2026-01-31T09:30:00"},
        "at must have an offset from UTC, such as 2026-01-31T09:30:00Z",
    ),
    ({"day": "31.1.2026"}, "'31.1.2026' is not a calendar date"),
    ({"flag": "perhaps"}, "flag must be true or false"),
    ({"name": 5}, "name must be text"),
    ({"nested": 5}, "nested must be an object"),
    ({"ratio": "much"}, "ratio must be a valid number"),
]


@pytest.mark.parametrize(("value", "sentence"), WRONG, ids=lambda one: str(one)[:40])
def test_a_message_says_what_would_be_right(value: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Invalid) as wrong:
        validate(Model, value)
    assert sentence in wrong.value.detail
    assert not re.search(r"should|[Ii]nput|\^", wrong.value.detail)
