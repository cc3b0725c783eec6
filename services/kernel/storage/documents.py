"""Stored documents: a record's JSON in a numbered form, written and read as today's model.

A document has the number of its form in front (`{"$schema":2,…`); form 1 has none. Older forms are
brought to the current one by the model's upcasters. A document of a later release is read as far
as this release knows it, and cannot be changed.

A field that the model refuses never hides the record (docs/adr/0028):
  optional     the record has the default; the stored value is written back until it is replaced
  required     shown as stored, or left out; changes are refused until it has a valid value
  unknown      fields of a later release are written back, also those inside of unchanged values
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_origin

import pydantic
from pydantic import BaseModel, ValidationError

from kernel.domain.aggregate import Aggregate
from kernel.domain.aside import ASIDE, Aside, Nested, aside_of, has_entries_missing
from kernel.domain.money import STORED
from kernel.storage.archived import INDEX_KEYS
from kernel.storage.table import Item

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

NUMBER = "$schema"
_FIRST = f'{{"{NUMBER}":'
WHOLE = "(record)"
"""In place of a field's name where valid fields do not fit each other."""
IN_THE_KEY = {"tenant_id", "id"}
"""Attributes that the stored document omits, because the item's key has them."""
_NOT_STORED = {*IN_THE_KEY, ASIDE}
_COUNTED = {"version", "sequence"}
"""Fields whose default is no substitute for a wrong value."""
_UNKNOWN = "extra_forbidden"
_MISSING = "missing"

type Document = dict[str, Any]


class Read[A](NamedTuple):
    """A record that was read, and where its document differs from the model."""

    record: A
    differences: Mapping[str, str]
    """The kind of the error by field; empty for a document that the model accepts."""


class Documents[A: Aggregate]:
    """Writes and reads the documents of one type of record."""

    def __init__(self, model: type[A]) -> None:
        self.model = model
        self.number = 1 + len(model.upcasters)
        """The number of the form that this release writes."""
        self._start = f"{_FIRST}{self.number}," if self.number > 1 else "{"
        self._adapters: dict[str, pydantic.TypeAdapter[Any]] = {}

    def encode(self, before: A | None, after: A) -> str:
        """The document of a record, with what was set aside when `before` was read."""
        text = after.model_dump_json(exclude_none=True, exclude=_NOT_STORED)
        aside = aside_of(after)
        if aside is not None and before is not None:
            text = _compact(_with_aside(json.loads(text), aside, before, after))
        return self._start + text[1:]

    def text_of(self, document: Document) -> str:
        """The text of a document that has the form that this release writes."""
        return self._start + _compact(document)[1:]

    def is_current(self, text: str) -> bool:
        """Whether a document has the form that this release writes."""
        if self.number > 1:
            return text.startswith(self._start)
        return text[:1] == "{" and not text.startswith(_FIRST)

    def decode(
        self, tenant_id: str, record_id: str, text: str, version: int | None = None
    ) -> Read[A]:
        """Read a document that `read` does not accept.

        Raises ValueError, or RecursionError, when it is not a JSON object.

        `version` is that of the item; it takes the place of a wrong one in the document.
        """
        document = _object(text)
        number = document.pop(NUMBER, 1)
        wrong: dict[str, str] = {}
        if number != self.number:
            document, wrong = self._upcast(document, number)
            upcast = self._start + _compact(document)[1:]
            if not wrong and (found := self.read(tenant_id, record_id, upcast)):
                return Read(found, {})
        return self._lenient(tenant_id, record_id, document, wrong, version)

    def read(self, tenant_id: str, record_id: str, text: str) -> A | None:
        """The record, if its document has the current form and the model accepts it."""
        if not self.is_current(text):
            return None
        # The key is last, so that no field of the document takes its place.
        key = f',"tenant_id":"{tenant_id}","id":"{record_id}"}}'
        try:
            return self.model.model_validate_json(
                "{" + text[len(self._start) : -1] + key, context=STORED
            )
        except ValidationError:
            return None

    def upcast(self, text: str) -> str:
        """A document in the current form. Raises ValueError when it cannot be brought to it."""
        document = _object(text)
        document, wrong = self._upcast(document, document.pop(NUMBER, 1))
        if wrong:
            raise ValueError(f"not upcast: {wrong[NUMBER]}")
        return self._start + _compact(document)[1:]

    def _upcast(self, document: Document, number: Any) -> tuple[Document, dict[str, str]]:
        """The document in the current form, or as it is with the reason why it cannot be."""
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            return document, {NUMBER: "unknown_form"}
        if number > self.number:
            return document, {NUMBER: "later_release"}
        upcast = json.loads(json.dumps(document))  # an upcaster may change it and then fail
        try:
            for step in self.model.upcasters[number - 1 :]:
                upcast = step(upcast)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            return document, {NUMBER: "upcast_failed"}
        return upcast, {}

    def _lenient(
        self,
        tenant_id: str,
        record_id: str,
        document: Document,
        wrong: dict[str, str],
        version: int | None,
    ) -> Read[A]:
        reading = _Reading({"tenant_id": tenant_id, "id": record_id}, wrong=dict(wrong))
        for name, field in self.model.model_fields.items():
            if name not in IN_THE_KEY:
                self._read_field(reading, name, field, document)
        if version is not None and "version" in reading.wrong:
            reading.values["version"] = version
            reading.differences["version"] = reading.wrong.pop("version")
        if not reading.wrong and not reading.refused:
            self._check_whole(reading)
        aside = Aside(reading.refused, reading.wrong, tuple(reading.nested))
        known = self.model.model_fields.keys()
        unknown = {name: document[name] for name in document.keys() - known - {ASIDE}}
        extra: Document = {**unknown, ASIDE: aside} if aside != Aside() else unknown
        construct: Any = self.model.model_construct
        record: A = construct(**reading.values, **extra)
        return Read(record, {**reading.differences, **reading.wrong})

    def _read_field(
        self, reading: "_Reading", name: str, field: "FieldInfo", document: Document
    ) -> None:
        required = field.is_required() or name in _COUNTED
        if name not in document:
            reading.values[name] = None
            if field.is_required():
                reading.wrong[name] = _MISSING
            else:
                reading.values[name] = field.get_default(call_default_factory=True)
            return
        try:
            reading.values[name] = self._valid(reading, name, field, document[name])
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            kind = details[0]["type"]
            if required:
                reading.wrong[name] = kind
                reading.values[name] = _shown(field, document[name])
            else:
                reading.refused[name] = document[name]
                reading.differences[name] = kind
                reading.values[name] = field.get_default(call_default_factory=True)

    def _valid(self, reading: "_Reading", name: str, field: "FieldInfo", stored: Any) -> Any:
        """The field's value, without unknown fields inside of it. Raises ValidationError."""
        if name not in self._adapters:
            annotation: Any = field.annotation
            for one in field.metadata:
                annotation = Annotated[annotation, one]
            # Loaded at the first use: usual documents need none.
            self._adapters[name] = pydantic.TypeAdapter(annotation)
        adapter = self._adapters[name]
        try:
            return adapter.validate_json(json.dumps(stored), context=STORED)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            if any(one["type"] != _UNKNOWN for one in details):
                raise
            pruned, nested = _pruned(stored, [one["loc"] for one in details])
            value = adapter.validate_json(json.dumps(pruned), context=STORED)
            reading.nested += [one._replace(path=(name, *one.path)) for one in nested]
            return value

    def _check_whole(self, reading: "_Reading") -> None:
        """Note the kind of error when the fields are valid, but do not fit each other."""
        valid = self.model.model_construct(**reading.values)
        try:
            self.model.model_validate_json(valid.model_dump_json(exclude_none=True), context=STORED)
        except ValidationError as error:
            details = error.errors(include_url=False, include_context=False, include_input=False)
            reading.wrong[WHOLE] = details[0]["type"]

    def strictly(self, record: A) -> A:
        """A record whose required fields were wrong. Raises ValidationError unless all are right.

        What was set aside stays, without the fields that are right now.
        """
        text = record.model_dump_json(exclude_none=True, exclude={ASIDE}, warnings=False)
        valid = self.model.model_validate_json(text, context=STORED)
        aside = aside_of(record)
        return valid.with_changes(**{ASIDE: aside._replace(wrong={})}) if aside else valid


class _Reading:
    """The fields of a record while it is read leniently."""

    def __init__(self, values: Document, wrong: dict[str, str]) -> None:
        self.values, self.wrong = values, wrong
        self.refused: Document = {}
        self.differences: dict[str, str] = {}
        self.nested: list[Nested] = []


def _object(text: str) -> Document:
    document = json.loads(text)
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")
    return document


def _compact(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _shown(field: "FieldInfo", stored: Any) -> Any:
    """A wrong value as it is shown: a text or number in place of one, anything else not at all."""
    if not field.is_required():
        return field.get_default(call_default_factory=True)
    kind: Any = get_origin(field.annotation) or field.annotation
    if isinstance(kind, type) and issubclass(kind, list | dict | BaseModel):
        return None
    return stored if isinstance(stored, str | int | float) else None


def _pruned(stored: Any, paths: list[tuple[str | int, ...]]) -> tuple[Any, list[Nested]]:
    """A copy of a stored value without the fields at these paths, and those fields."""
    copy: Any = json.loads(json.dumps(stored))
    nested = []
    for path in paths:
        parent = copy
        try:
            for step in path[:-1]:
                parent = parent[step]
            nested.append(Nested(path, parent.pop(path[-1])))
        except (AttributeError, LookupError, TypeError):
            continue  # the model then refuses the value as a whole
    return copy, nested


def _with_aside(document: Document, aside: Aside, before: Aggregate, after: Aggregate) -> Document:
    """A document with what was set aside, where the record's own value is unchanged."""

    def unchanged(name: str) -> bool:
        return bool(getattr(before, name) == getattr(after, name))

    for name, stored in aside.refused.items():
        if unchanged(name):
            document[name] = stored
    for one in aside.nested:
        if unchanged(str(one.path[0])):
            parent: Any = document
            for step in one.path[:-1]:
                parent = parent[step]
            parent[one.path[-1]] = one.value
    return document


def not_upgraded(before: Aggregate | None) -> Item | None:
    """For `Put.unlike`: an older record that was not upgraded since it was read; else None.

    An upgrade keeps the version, so a change of what was read before it would undo it.
    """
    older = before is not None and has_entries_missing(before)
    return {"search": INDEX_KEYS} if older else None
