"""Mapping one row to one item of a batch request; references are looked up later."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from zebros.errors import BadInput
from zebros.loading.contact_points import Partly
from zebros.loading.csv_files import CsvFile
from zebros.loading.csv_rows import BadRow, Row
from zebros.loading.field_readers import (
    UNSET,
    Cells,
    Reader,
    TextReader,
    columns_of,
    ensure_no_error,
    external_id,
    matches,
    reader,
    text_reader,
)
from zebros.loading.header_checks import check_header
from zebros.loading.invalid_value import InvalidValue
from zebros.loading.joins import JoinedFile, read_join
from zebros.loading.map_model import Column, Map, Pipeline
from zebros.loading.record_types import REFERENCES, FieldType, RecordType
from zebros.loading.rejects_file import is_rejects_file, unescape_formula


class Reference(NamedTuple):
    """A field that names another record by an external id, a code or a name."""

    field: str
    collection: str
    """The collection of the other record, such as accounts."""
    by: str
    value: str
    missing: str
    """`reject`, `drop` or `empty`: what happens to the row when there is no such record."""

    @property
    def key(self) -> str:
        """The external id as `system:id`."""
        return f"{self.by.removeprefix('external_ids.')}:{self.value}"

    @property
    def not_found(self) -> str:
        """The reason for a rejection when there is no such record."""
        subject = f"{self.field}: no {REFERENCES[self.field].singular} has the"
        system = self.by.removeprefix("external_ids.")
        if system == self.by:
            return f"{subject} {self.by} {self.value!r}"
        return f"{subject} external id {system}:{self.value}"


class Skipped(NamedTuple):
    """A row that the map leaves out."""

    number: int


@dataclass(slots=True)  # a named tuple takes a third longer to make
class MappedRow:
    """A row as an item, without the ids of its references."""

    number: int
    raw: list[str]
    item: dict[str, Any]
    references: tuple[Reference, ...]
    left_out: tuple[str, ...] = ()
    """The values without which the row is loaded, and why."""
    content_id: str = ""
    """What identifies the row when it has no id and all its addresses turn out to be wrong."""

    @property
    def external_ids(self) -> list[str]:
        """The external ids as `system:id`; any of them identifies the row."""
        return [f"{system}:{value}" for system, value in self.item.get("external_ids", {}).items()]

    @property
    def emails(self) -> list[str]:
        """The e-mail addresses in lower case, as the CRM stores them."""
        return [address.lower() for address in self.item.get("emails", [])]


class _ValueField(NamedTuple):
    name: str
    head: str
    rest: str
    """`crm` of `external_ids.crm`."""
    required: bool
    plain: bool
    """Whether what is read is always a value or None, neither UNSET nor a part of a value."""
    read: Reader


class _ReferenceField(NamedTuple):
    name: str
    by: str
    missing: str
    required: bool
    read: TextReader
    separator: str | None
    """Between several records, of which the field takes the first."""


def _content_id(item: dict[str, Any], references: tuple[Reference, ...]) -> str:
    """An external id for a row that has none: the same content has the same one."""
    content = json.dumps([item, references], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


@dataclass(slots=True)
class Mapper:
    """A map prepared for one file. Raises BadInput when the map and the file do not fit."""

    map: Map
    record_type: RecordType
    file: CsvFile
    folders: tuple[Path, ...]
    """The folders in which joined files are searched, in order."""
    country: str | None = None
    """The default country of telephone numbers when the map has none."""
    notes: list[str] = field(default_factory=list)
    """Notes for the user about the file."""
    _positions: dict[str, int] = field(default_factory=dict)
    _joins: list[tuple[int, JoinedFile]] = field(default_factory=list)
    _cleaners: list[tuple[int, Callable[[str], str]]] = field(default_factory=list)
    _values: list[_ValueField] = field(default_factory=list)
    _references: list[_ReferenceField] = field(default_factory=list)
    _skips: list[Callable[[Cells], bool]] = field(default_factory=list)
    droppable: frozenset[str] = frozenset()
    """The fields whose wrong values are left out."""
    named_by: Counter[str] = field(default_factory=Counter)
    """How many contacts have no last name, by the field that names them when they are new."""
    _escaped: bool = False
    """Whether the file is a rejects file, whose cells are escaped."""

    def __post_init__(self) -> None:
        self.notes += self.file.notes
        self._escaped = is_rejects_file(self.file.header)
        self._positions = {name: at for at, name in enumerate(self.file.header) if name}
        used = set(self._used_columns())
        if self.map.country is None and self.country is not None:
            self.map = self.map.model_copy(update={"country": self.country})
        for name in self.map.joins:
            self._add_join(name, used)
        if not_loaded := check_header(self.map, self.file, used, set(self._positions)):
            self.notes.append(f"Not loaded, according to the map: {', '.join(not_loaded)}.")
        self._cleaners = [
            (self._positions[name], _cleaner(column)) for name, column in self.map.columns.items()
        ]
        self._add_fields()
        position = self._positions.__getitem__
        self._skips = [matches({name: texts}, position) for name, texts in self.map.skip.items()]
        lenient = (name for name, source in self.map.fields.items() if source.lenient)
        self.droppable = frozenset(lenient)

    @property
    def joined_files(self) -> list[Path]:
        """The files that the map joins."""
        return [joined.file.path for _, joined in self._joins]

    def map_row(self, row: Row) -> MappedRow | BadRow | Skipped:
        """The row's item, or every reason why it is rejected.

        `rejecting` are the reasons why it is rejected; `left_out` are the values without which it
        is loaded, and why.
        """
        rejecting: list[str] = []
        left_out: list[str] = []
        cells = self._cells(row.values, rejecting)
        if self._skips and any(skips(cells) for skips in self._skips):
            return Skipped(row.number)
        item = self._item(cells, rejecting, left_out)
        references: tuple[Reference, ...] = ()
        if self._references:
            references = self._read_references(cells, rejecting, left_out)
        if self.map.pipeline is not None and "stage" in item:
            self._check_stage(item, self.map.pipeline, rejecting, left_out)
        content_id = ""
        if "external_ids" not in item and not rejecting:
            content_id = self._identify(item, references, rejecting)
        if rejecting:
            return BadRow(row.number, row.values, "; ".join(rejecting))
        return MappedRow(row.number, row.values, item, references, tuple(left_out), content_id)

    def _identify(
        self, item: dict[str, Any], references: tuple[Reference, ...], rejecting: list[str]
    ) -> str:
        """Identify a row that has no id, by its addresses or its content; returns the latter."""
        content_id = "" if self.map.without_id == "reject" else _content_id(item, references)
        if self.map.match_by and item.get("emails"):
            return content_id
        if content_id:
            item["external_ids"] = {"content": content_id}
        else:
            nor = ", and no e-mail address" if self.map.match_by else ""
            rejecting.append(f"external_ids: the row has no external id{nor}")
        return content_id

    def _check_stage(
        self, item: dict[str, Any], pipeline: Pipeline, rejecting: list[str], left_out: list[str]
    ) -> None:
        """Check the stage against the map's pipeline, which may not exist yet."""
        known = [stage.key for stage in pipeline.stages]
        if item["stage"] not in known:
            reason = (
                f"{item.pop('stage')!r} is not a stage of pipeline {pipeline.name!r}; "
                f"it has: {', '.join(known)}"
            )
            self._reasons("stage", rejecting, left_out).append(f"stage: {reason}")

    def _reasons(self, name: str, rejecting: list[str], left_out: list[str]) -> list[str]:
        """Where the reason of a wrong value belongs; a lenient map leaves the value out."""
        return left_out if name in self.droppable else rejecting

    def _item(self, cells: list[str], rejecting: list[str], left_out: list[str]) -> dict[str, Any]:
        item: dict[str, Any] = {}
        for name, head, rest, required, plain, read in self._values:
            try:
                value = read(cells)
            except InvalidValue as error:
                self._reasons(name, rejecting, left_out).append(f"{name}: {error}")
                continue
            if not plain:
                if value is UNSET:
                    required, value = name in self.record_type.required, None
                elif isinstance(value, Partly):
                    value, reasons = value
                    left_out.extend(f"{name}: {reason}" for reason in reasons)
            if not value and value in (None, ""):  # most values are true, which is quick to see
                if required:
                    rejecting.append(f"{name}: it is missing")
            elif rest:
                item.setdefault(head, {})[rest] = value
            else:
                item[name] = value
        if self.record_type.named_by and "last_name" not in item:
            self._name(item, rejecting)
        return item

    def _name(self, item: dict[str, Any], rejecting: list[str]) -> None:
        """Note what the API names a new contact by when it has no last name."""
        for source in self.record_type.named_by:
            if item.get(source):
                self.named_by[source] += 1
                return
        if not any(reason.startswith("last_name: ") for reason in rejecting):
            rejecting.append("last_name: it is missing, and so are names, e-mails and phones")

    def _read_references(
        self, cells: list[str], rejecting: list[str], left_out: list[str]
    ) -> tuple[Reference, ...]:
        references = []
        for name, by, missing, required, read, separator in self._references:
            try:
                text = read(cells)
                if text and separator and separator in text:
                    several = [one for one in map(str.strip, text.split(separator)) if one]
                    text = several[0] if several else ""
                    if several[1:]:
                        reason = f"the field has one record, so not {', '.join(several[1:])}"
                        left_out.append(f"{name}: {reason}")
                if text:
                    ensure_no_error(text)
                    if by.startswith("external_ids."):
                        text = external_id(text)
            except InvalidValue as error:
                self._reasons(name, rejecting, left_out).append(f"{name}: {error}")
                continue
            if text:
                references.append(Reference(name, REFERENCES[name].name, by, text, missing))
            elif required and text is not None:
                rejecting.append(f"{name}: it is missing")
        return tuple(references)

    def _cells(self, values: list[str], rejecting: list[str]) -> list[str]:
        """The row's texts, cleaned, followed by those of its joins."""
        texts = map(unescape_formula, values) if self._escaped else values
        cells = [text.strip() for text in texts]
        own = len(cells)
        for at, clean in self._cleaners:
            if at < own:
                cells[at] = clean(cells[at])
        for at, joined in self._joins:
            key = cells[at]
            joined_cells = joined.rows.get(key)
            if joined_cells is None and key and joined.join.missing == "reject":
                rejecting.append(f"{joined.join.column}: {key!r} is not in {joined.file.path.name}")
            cells += joined_cells or joined.empty
        for at, clean in self._cleaners:
            if at >= own:
                cells[at] = clean(cells[at])
        return cells

    def _add_join(self, name: str, used: set[str]) -> None:
        joined = read_join(self.map.joins[name], self.folders)
        join, header = joined.join, joined.file.header
        self.notes += (f"{join.file}: {note}" for note in joined.file.notes)
        if join.column not in self._positions:
            raise BadInput(
                f"The map joins {join.file} by the column {join.column}, which is missing.",
                hint=f"{self.file.path} has {', '.join(self.file.header)}.",
            )
        for column in sorted(used):
            head, dot, rest = column.partition(".")
            if dot and head == name and rest not in header and column not in self._positions:
                raise BadInput(
                    f"The map uses {column}, but {join.file} has no column {rest}.",
                    hint=f"It has {', '.join(header)}.",
                )
        first = len(self.file.header) + sum(len(one.file.header) for _, one in self._joins)
        for at, column in enumerate(header):
            self._positions.setdefault(f"{name}.{column}", first + at)
        self._joins.append((self._positions[join.column], joined))

    def _add_fields(self) -> None:
        """Prepare a reader for every field of the map."""
        position = self._positions.__getitem__
        for name, source in self.map.fields.items():
            required = source.required or name in self.record_type.required
            if name == "last_name" and self.record_type.named_by:
                required = False  # another field can take its place
            field_type = self.record_type.type_of(name)
            if field_type is FieldType.REFERENCE and source.by and source.by != "id":
                text = text_reader(source, position)
                missing = (
                    "drop" if source.lenient and source.missing == "reject" else source.missing
                )
                self._references.append(
                    _ReferenceField(name, source.by, missing, required, text, source.separator)
                )
                continue
            try:
                read = reader(name, source, self.record_type, position, self.map.country)
            except InvalidValue as error:
                raise BadInput(f"The map is wrong at fields.{name}: {error}.") from error
            head, _, rest = name.partition(".")
            is_phone = field_type in (FieldType.PHONE, FieldType.PHONES)
            plain = not source.when and not is_phone
            self._values.append(_ValueField(name, head, rest, required, plain, read))

    def _used_columns(self) -> Iterator[str]:
        """Every column that the map names."""
        for source in self.map.fields.values():
            yield from columns_of(source)
        yield from (join.column for join in self.map.joins.values())
        yield from self.map.columns
        yield from self.map.skip


def _cleaner(column: Column) -> Callable[[str], str]:
    """A function that replaces texts of one column."""
    empty, replacements = frozenset(column.empty), column.values
    return lambda text: "" if text in empty else replacements.get(text, text)
