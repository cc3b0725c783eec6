"""A wrong field is reported by what would be right, without the words of the validator."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, StringConstraints

from kernel.domain.errors import Invalid
from kernel.domain.events import ExternalId, Key, Name, Tag
from kernel.domain.ids import Id
from kernel.domain.validation import validate


class Everything(BaseModel):
    name: Name | None = None
    key: Key | None = None
    id: Id | None = None
    tags: list[Tag] = Field(default_factory=list, max_length=2)
    pair: list[int] | None = Field(None, min_length=2)
    one: list[int] | None = Field(None, max_length=1)
    ids: dict[Key, ExternalId] = Field(default_factory=dict, max_length=1)
    count: int | None = Field(None, strict=True, ge=1, le=9)
    code: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None
    letter: Annotated[str, StringConstraints(max_length=1)] | None = None


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "must not be empty"),
        ("name", " ", "must not be empty"),
        ("name", "x" * 201, "must have at most 200 characters"),
        ("letter", "xy", "must have at most 1 character"),
        ("tags.0", ["x" * 41], "must have at most 40 characters"),
        ("tags", ["a", "b", "c"], "must have at most 2 entries"),
        ("one", [1, 2], "must have at most 1 entry"),
        ("pair", [1], "must have at least 2 entries"),
        ("ids", {"a": "1", "b": "2"}, "must have at most 1 entry"),
        ("count", 0, "must be at least 1"),
        ("count", 10, "must be at most 9"),
        ("count", 1.5, "must be a whole number"),
        (
            "key",
            "2 words",
            "must be a name such as crm: A to Z or a to z first, then also digits, dots, dashes "
            "and underscores, at most 40 characters",
        ),
        ("id", "42", "must be the id of a record, such as 01"),
        ("code", "x", "does not have the form that the API document describes"),
    ],
)
def test_a_message_says_what_would_be_right(field: str, value: Any, message: str) -> None:
    with pytest.raises(Invalid) as invalid:
        validate(Everything, {field.split(".")[0]: value})
    (error,) = invalid.value.errors
    assert error.field == field
    assert error.message.startswith(message)
    assert "should" not in error.message
    assert "^" not in error.message
