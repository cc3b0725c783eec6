"""From one row to one item of a batch, by a map; references are left to be resolved later."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from local.errors import BadInput
from local.loading import values
from local.loading.files import BadRow, Row, Shape, inspect, rows
from local.loading.maps import REJECT_COLUMNS, Map, Scalar, Source
from local.loading.records import REFERENCES, Kind, Type
from local.loading.values import Unreadable

_PLACE = re.compile(r"\{([^{}|]+)(?:\|([^{}]*))?\}")
"""`{column}` or `{column|what to say when it is empty}` in a template."""
_LARGEST_JOIN = 200_000
_FORMULA = ("'=", "'+", "'-", "'@", "'\t", "'\r")
"""How a rejects file writes what a spreadsheet would run as a formula."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Another record that a field names by something else than its id."""

    field: str
    kind: str
    """Its collection, such as accounts."""
    by: str
    value: str
    missing: str
    """`reject` or `empty`: what happens to the row when there is no such record."""

    @property
    def absence(self) -> str:
        """Why a row is rejected when there is no such record."""
        who = f"{self.field}: no {REFERENCES[self.field].singular} has the"
        system = self.by.removeprefix("external_ids.")
        if system == self.by:
            return f"{who} {self.by} {self.value!r}"
        return f"{who} external id {system}:{self.value}"


@dataclass(frozen=True, slots=True)
class Mapped:
    """One row, ready but for its references."""

    number: int
    raw: list[str]
    external: str
    """`system:id`, the row's identity."""
    item: dict[str, Any]
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class _Join:
    column: str
    rows: dict[str, dict[str, str]]
    file: Path
    missing: str


@dataclass(slots=True)
class Mapper:
    """A map, checked against one file's header."""

    map: Map
    kind: Kind
    shape: Shape
    folders: tuple[Path, ...]
    """Where joined files are looked for, in order."""
    notes: list[str] = field(default_factory=list)
    """What was left behind on purpose, for the report."""
    _joins: dict[str, _Join] = field(default_factory=dict)
    _again: bool = False
    """Whether the file is a rejects file of ours, being loaded again."""

    def __post_init__(self) -> None:
        self._again = self.shape.header[:2] == REJECT_COLUMNS
        for name, join in self.map.joins.items():
            self._joins[name] = self._read_join(
                name, join.file, join.key, join.column, join.missing
            )
        self._check_header()

    def map_row(self, row: Row) -> Mapped | BadRow:
        """One row's item, or every reason why there is none."""
        raw = list(row.values.values())
        faults: list[str] = []
        cells = self._cells(row.values, faults)
        item: dict[str, Any] = {}
        references: list[Reference] = []
        for name, source in self.map.fields.items():
            try:
                value = self._value(name, source, cells)
            except Unreadable as fault:
                faults.append(f"{name}: {fault}")
                continue
            if value is None:
                if source.required or name in self.kind.required:
                    faults.append(f"{name}: it is missing")
            elif isinstance(value, Reference):
                references.append(value)
            else:
                head, _, rest = name.partition(".")
                if rest:
                    item.setdefault(head, {})[rest] = value
                else:
                    item[name] = value
        ids = item.get("external_ids", {})
        if not ids and not faults:
            faults.append("external_ids: the row has no external id")
        if faults:
            return BadRow(row.number, raw, "; ".join(faults))
        system, external = next(iter(ids.items()))
        return Mapped(row.number, raw, f"{system}:{external}", item, tuple(references))

    def _cells(self, given: Mapping[str, str], faults: list[str]) -> dict[str, str]:
        """The row's texts, cleaned, with those of its joins."""
        cells = {}
        for name, text in given.items():
            if self._again and text.startswith(_FORMULA):
                text = text[1:]
            cells[name] = self._clean(name, text)
        for name, join in self._joins.items():
            key = cells[join.column]
            found = join.rows.get(key)
            if found is None and key and join.missing == "reject":
                faults.append(f"{join.column}: {key!r} is not in {join.file.name}")
            for column, text in (found or {}).items():
                cells[f"{name}.{column}"] = self._clean(f"{name}.{column}", text)
        return cells

    def _clean(self, column: str, text: str) -> str:
        plain = text.strip()
        rules = self.map.columns.get(column)
        if rules is None:
            return plain
        return "" if plain in rules.empty else rules.values.get(plain, plain)

    def _value(self, name: str, source: Source, cells: Mapping[str, str]) -> Any:
        """The field's value, a Reference, or None for nothing; raises Unreadable."""
        for column, wanted in source.when.items():
            allowed = (wanted,) if isinstance(wanted, str) else wanted
            if cells.get(column, "") not in allowed:
                return None
        given: Scalar | None = source.constant
        if given is None:
            text = self._text(source, cells)
            given = text if text else source.default
        if given is None or given == "":
            return None
        if not isinstance(given, str):
            return given
        return self._typed(name, source, given, cells)

    def _text(self, source: Source, cells: Mapping[str, str]) -> str:
        if source.template is not None:
            return _filled(source.template, cells)
        text = cells.get(str(source.column), "")
        if not text or not source.values or text in source.values:
            return source.values.get(text, text)
        if source.other == "reject":
            raise Unreadable(f"{text!r} is none of {', '.join(source.values)}")
        return text if source.other == "keep" else ""

    def _typed(self, name: str, source: Source, text: str, cells: Mapping[str, str]) -> Any:
        match self.kind.type_of(name):
            case Type.INTEGER:
                return values.integer(text)
            case Type.BOOLEAN:
                return values.boolean(text)
            case Type.DATE:
                return values.plain_date(text, source.formats)
            case Type.LIST:
                parts = (part.strip() for part in text.split(source.separator))
                return [part for part in parts if part] or None
            case Type.MONEY:
                return _money(source, text, cells)
            case Type.REFERENCE if source.by:
                kind = REFERENCES[name].name
                return Reference(name, kind, source.by, text, source.missing)
            case _:
                return text

    def _read_join(self, name: str, file: str, key: str, column: str, missing: str) -> _Join:
        path = next((f / file for f in self.folders if (f / file).is_file()), None)
        if path is None:
            where = " or ".join(str(folder) for folder in dict.fromkeys(self.folders))
            raise BadInput(f"The map joins {file}, which is not in {where}.")
        shape = inspect(path)
        if key not in shape.header:
            raise BadInput(
                f"{path} has no column {key}, by which the map joins it.",
                hint=f"It has {', '.join(shape.header)}.",
            )
        found: dict[str, dict[str, str]] = {}
        for row in rows(shape):
            if isinstance(row, BadRow):
                raise BadInput(f"Row {row.number} of {path} cannot be used: {row.reason}.")
            value = row.values[key].strip()
            if value in found:
                raise BadInput(f"{path} has {value!r} twice in {key}; a join needs it once.")
            found[value] = row.values
            if len(found) > _LARGEST_JOIN:
                raise BadInput(f"{path} has more than {_LARGEST_JOIN:,} rows: too many to join.")
        self._columns_of_joins(name, shape.header)
        return _Join(column, found, path, missing)

    def _columns_of_joins(self, name: str, header: tuple[str, ...]) -> None:
        for column in _used(self.map):
            head, dot, rest = column.partition(".")
            if dot and head == name and rest not in header and column not in self.shape.header:
                raise BadInput(
                    f"The map uses {column}, but {self.map.joins[name].file} has no column {rest}.",
                    hint=f"It has {', '.join(header)}.",
                )

    def _check_header(self) -> None:
        """Every column the map names is there, and every column there is named or ignored."""
        header = [n for n in self.shape.header if n and n not in REJECT_COLUMNS]
        used = set(_used(self.map))
        joined = {n for n in used if n.partition(".")[0] in self._joins and n not in header}
        missing = sorted(used - set(header) - joined)
        ignored = set(self.map.ignore)
        spare = [name for name in header if name not in used]
        unknown = [] if "*" in ignored else [name for name in spare if name not in ignored]
        if missing or unknown:
            said = []
            for name in missing:
                meant = get_close_matches(name, header, n=1, cutoff=0.5)
                said.append(f"{name} is missing" + (f" (is it {meant[0]}?)" if meant else ""))
            said += [f"{name} is unknown to the map" for name in unknown]
            raise BadInput(
                f"The header of {self.shape.path} does not fit the map: {'; '.join(said)}.",
                hint="Mend the header or the map; its `ignore` names columns to leave behind.",
            )
        if spare:
            self.notes.append(f"Left behind, as the map says: {', '.join(spare)}.")


def _used(map_: Map) -> Iterator[str]:
    """Every column a map names."""
    for source in map_.fields.values():
        yield from source.when
        yield from (name for name in (source.column, source.currency_column) if name is not None)
        if source.template is not None:
            yield from (place.group(1).strip() for place in _PLACE.finditer(source.template))
    yield from (join.column for join in map_.joins.values())
    yield from map_.columns


def _filled(template: str, cells: Mapping[str, str]) -> str:
    """A template with its places filled; nothing when every column in it is empty."""
    names = [place.group(1).strip() for place in _PLACE.finditer(template)]
    if names and not any(cells.get(name) for name in names):
        return ""
    return _PLACE.sub(
        lambda place: cells.get(place.group(1).strip()) or place.group(2) or "", template
    ).strip()


def _money(source: Source, text: str, cells: Mapping[str, str]) -> dict[str, int | str]:
    if source.currency:
        currency = source.currency
    elif source.currency_column:
        currency = cells.get(source.currency_column, "").upper()
        if not currency:
            raise Unreadable(f"{source.currency_column} names no currency")
    else:
        return values.money_with_currency(text)
    return values.money(
        text,
        currency,
        scale=source.scale,
        decimal=source.decimal,
        thousands=source.thousands,
    )
