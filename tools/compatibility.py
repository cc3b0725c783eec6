"""Compares schemas with the last release: only new optional fields and other texts are allowed.

Compatibility is needed in both directions. Subscribers validate new events with the schema of the
last release, so no field may be removed, and no type or enum value added. The archive and the lake
return events of the last release for years, and today's schema must allow them: no field may become
required, no enum smaller, no limit tighter. Only optional fields may be added; any other change
needs a new version of the event.
"""

from collections.abc import Iterator
from typing import Any

Schema = Any
"""A JSON Schema or a part of one: an object, or true or false."""

WORDS = {"title", "description", "examples", "deprecated", "$comment", "$id", "$schema", "$defs"}
"""Keywords without effect on validity; definitions are compared where they are used."""
CHOICES = {"anyOf": "one", "oneOf": "one", "allOf": "all"}
"""Keywords with unordered lists of schemas, and how many of these must match."""
PARTS = {"properties", "patternProperties", "additionalProperties", "items", "required", *CHOICES}
"""Keywords with special comparisons; all others must be equal and without references."""

_ABSENT = object()


def incompatibilities(released: Schema, now: Schema) -> list[str]:
    """The incompatible differences, each with its path."""
    return list(_Comparison(released, now).compare("data", released, now))


class _Comparison:
    """Two documents, each with the definitions that its references name."""

    def __init__(self, released: Schema, now: Schema) -> None:
        self._released, self._now = released, now
        self._open: set[tuple[str, str]] = set()
        """References that are being compared, because schemas may be recursive."""

    def compare(self, path: str, released: Schema, now: Schema) -> Iterator[str]:
        if released is False or now is False:
            if released is not now:
                yield f"{path}: was {_brief(released)}, is {_brief(now)}"
            return
        pair = (_reference(released), _reference(now))
        if pair in self._open:
            return
        if all(pair):
            self._open.add(pair)
        yield from self._objects(
            path, _resolved(released, self._released), _resolved(now, self._now)
        )
        self._open.discard(pair)

    def _objects(self, path: str, released: Schema, now: Schema) -> Iterator[str]:
        for keyword in sorted((released.keys() | now.keys()) - WORDS - PARTS):
            before, after = released.get(keyword, _ABSENT), now.get(keyword, _ABSENT)
            if not _equal(before, after):
                yield f"{path}: {keyword} was {_brief(before)}, is {_brief(after)}"
            elif _has_reference(after):
                # The references are equal, but their definitions may differ.
                yield f"{path}: {keyword} has a reference, which is not followed here"
        yield from self._fields(path, released, now)
        yield from self._patterns(path, released, now)
        for keyword, step in (("additionalProperties", ".*"), ("items", "[]")):
            if keyword in released.keys() | now.keys():
                # A field that the schema does not mention may have any value.
                parts = released.get(keyword, True), now.get(keyword, True)
                yield from self.compare(f"{path}{step}", *parts)
        for keyword in CHOICES:
            yield from self._choices(path, keyword, released.get(keyword, []), now.get(keyword, []))

    def _fields(self, path: str, released: Schema, now: Schema) -> Iterator[str]:
        before, after = released.get("properties", {}), now.get("properties", {})
        needed, needs = set(released.get("required", ())), set(now.get("required", ()))
        for name in sorted(before.keys() | after.keys() | needed | needs):
            field = f"{path}.{name}"
            if name in before and name not in after:
                yield f"{field}: is gone"
                continue
            if name in needs - needed:
                yield f"{field}: is newly required"
            if name in needed - needs:
                yield f"{field}: was required, is optional"
            if name in before:
                yield from self.compare(field, before[name], after[name])

    def _patterns(self, path: str, released: Schema, now: Schema) -> Iterator[str]:
        before, after = released.get("patternProperties", {}), now.get("patternProperties", {})
        if before.keys() != after.keys():
            yield f"{path}: field names were {sorted(before)}, are {sorted(after)}"
            return
        for pattern in before:
            yield from self.compare(f"{path}./{pattern}/", before[pattern], after[pattern])

    def _choices(
        self, path: str, keyword: str, released: list[Schema], now: list[Schema]
    ) -> Iterator[str]:
        """Compare lists of alternatives, in any order."""
        if len(released) != len(now):
            many = CHOICES[keyword]
            yield f"{path}: was {many} of {_brief(released)}, is {many} of {_brief(now)}"
            return
        candidates = list(now)
        for before in released:
            differences = [list(self.compare(path, before, after)) for after in candidates]
            nearest = min(range(len(candidates)), key=lambda number: len(differences[number]))
            yield from differences[nearest]
            del candidates[nearest]


def _reference(schema: Schema) -> str:
    return "" if schema is True else str(schema.get("$ref", ""))


def _resolved(schema: Schema, document: Schema) -> Schema:
    """A schema with its reference resolved; generated references are all `#/$defs/<name>`."""
    if schema is True:
        return {}
    while "$ref" in schema:
        rest = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        schema = {**document["$defs"][schema["$ref"].removeprefix("#/$defs/")], **rest}
    return schema


def _has_reference(value: Any) -> bool:
    """Whether the value contains a reference at any depth."""
    if isinstance(value, dict):
        return "$ref" in value or any(map(_has_reference, value.values()))
    return isinstance(value, list) and any(map(_has_reference, value))


def _equal(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; enum values and union types are unordered."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return type(one) is type(other) and bool(one == other)


def _brief(value: Any) -> str:
    text = "absent" if value is _ABSENT else repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
