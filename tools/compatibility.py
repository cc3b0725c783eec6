"""What a published schema may become: the same, with more optional fields and other words.

Events are read in both directions. A subscriber reads new events by the schema of the last release,
so nothing may be published that it does not allow: no field taken away or left out, no new type,
no new value of an enum. And the archive and the lake hand out events of the last release for years,
so the schema of today must allow them: no field newly required, no smaller enum, no tighter limit.
What is left is to add an optional field. Anything else is a new version of the event.
"""

from collections.abc import Iterator
from typing import Any

Schema = Any
"""A JSON Schema or a part of one: an object, or true or false."""

WORDS = {"title", "description", "examples", "deprecated", "$comment", "$id", "$schema", "$defs"}
"""Keywords that do not say what is valid; definitions are compared where they are used."""
CHOICES = {"anyOf": "one", "oneOf": "one", "allOf": "all"}
"""Lists of schemas in no order, and how many of them must hold."""
PARTS = {"properties", "patternProperties", "additionalProperties", "items", "required", *CHOICES}
"""Keywords with a comparison of their own; all others must be equal, and without references."""

_UNSAID = object()


def faults(released: Schema, now: Schema) -> list[str]:
    """What a reader of the one schema could not read of the other, with where it is."""
    return list(_Comparison(released, now).compare("data", released, now))


class _Comparison:
    """Two documents, each with the definitions that its references name."""

    def __init__(self, released: Schema, now: Schema) -> None:
        self._released, self._now = released, now
        self._open: set[tuple[str, str]] = set()
        """References that are being compared: a record may hold others of its kind."""

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
            before, after = released.get(keyword, _UNSAID), now.get(keyword, _UNSAID)
            if not _equal(before, after):
                yield f"{path}: {keyword} was {_brief(before)}, is {_brief(after)}"
            elif _refers(after):
                # Equal as it stands there, and who knows what the definition says by now.
                yield f"{path}: {keyword} has a reference, which is not followed here"
        yield from self._fields(path, released, now)
        yield from self._patterns(path, released, now)
        for keyword, step in (("additionalProperties", ".*"), ("items", "[]")):
            if keyword in released.keys() | now.keys():
                # Where nothing is said, everything is allowed.
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
        """The same choices in whatever order."""
        if len(released) != len(now):
            many = CHOICES[keyword]
            yield f"{path}: was {many} of {_brief(released)}, is {many} of {_brief(now)}"
            return
        left = list(now)
        for before in released:
            found = [list(self.compare(path, before, after)) for after in left]
            nearest = min(range(len(left)), key=lambda number: len(found[number]))
            yield from found[nearest]
            del left[nearest]


def _reference(schema: Schema) -> str:
    return "" if schema is True else str(schema.get("$ref", ""))


def _resolved(schema: Schema, document: Schema) -> Schema:
    """A schema with what its reference names; generated references are all `#/$defs/<name>`."""
    if schema is True:
        return {}
    while "$ref" in schema:
        rest = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        schema = {**document["$defs"][schema["$ref"].removeprefix("#/$defs/")], **rest}
    return schema


def _refers(value: Any) -> bool:
    """Whether there is a reference anywhere within."""
    if isinstance(value, dict):
        return "$ref" in value or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))


def _equal(one: Any, other: Any) -> bool:
    """Equal JSON; the values of an enum and the types of a union have no order."""
    if isinstance(one, list) and isinstance(other, list):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    return type(one) is type(other) and bool(one == other)


def _brief(value: Any) -> str:
    text = "not said" if value is _UNSAID else repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
