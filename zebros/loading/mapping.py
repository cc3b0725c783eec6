"""From one row to one item of a batch, by a map; references are left to be resolved later."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from zebros.errors import BadInput
from zebros.loading.fields import Read, Text, columns_of, reader, text_reader
from zebros.loading.files import BadRow, Row, Shape, inspect, rows
from zebros.loading.maps import REJECT_COLUMNS, Join, Map
from zebros.loading.records import REFERENCES, Kind, Type
from zebros.loading.rejects import as_it_was
from zebros.loading.values import Unreadable

_LARGEST_JOIN = 200_000


class Reference(NamedTuple):
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


class Mapped(NamedTuple):
    """One row, ready but for its references."""

    number: int
    raw: list[str]
    external: str
    """`system:id`, the row's identity."""
    item: dict[str, Any]
    references: tuple[Reference, ...]


class _Field(NamedTuple):
    name: str
    head: str
    rest: str
    """`crm` of `external_ids.crm`."""
    needed: bool
    read: Read


class _Link(NamedTuple):
    """A field that refers to another record."""

    name: str
    by: str
    missing: str
    needed: bool
    read: Text


class _Joined(NamedTuple):
    """A joined file: what its rows add to the cells, by the text in one of them."""

    at: int
    rows: dict[str, list[str]]
    nothing: list[str]
    file: Path
    column: str
    missing: str


@dataclass(slots=True)
class Mapper:
    """A map, checked against one file's header and made ready to run."""

    map: Map
    kind: Kind
    shape: Shape
    folders: tuple[Path, ...]
    """Where joined files are looked for, in order."""
    notes: list[str] = field(default_factory=list)
    """What was left behind on purpose, for the report."""
    _places: dict[str, int] = field(default_factory=dict)
    _joins: list[_Joined] = field(default_factory=list)
    _cleaners: list[tuple[int, Callable[[str], str]]] = field(default_factory=list)
    _fields: list[_Field] = field(default_factory=list)
    _links: list[_Link] = field(default_factory=list)
    _again: bool = False
    """Whether the file is a rejects file of ours, being loaded again."""

    def __post_init__(self) -> None:
        self._again = self.shape.header[:2] == REJECT_COLUMNS
        self._places = {name: at for at, name in enumerate(self.shape.header) if name}
        for name, join in self.map.joins.items():
            self._joins.append(self._read_join(name, join))
        self._check_header()
        self._cleaners = [
            (self._places[name], _cleaner(rules.values, frozenset(rules.empty)))
            for name, rules in self.map.columns.items()
        ]
        self._compile()

    @property
    def joined(self) -> list[Path]:
        """The files that the map joins."""
        return [join.file for join in self._joins]

    def map_row(self, row: Row) -> Mapped | BadRow:
        """One row's item, or every reason why there is none."""
        faults: list[str] = []
        cells = self._cells(row.values, faults)
        item: dict[str, Any] = {}
        for name, head, rest, needed, read in self._fields:
            try:
                value = read(cells)
            except Unreadable as fault:
                faults.append(f"{name}: {fault}")
                continue
            if value is None or value == "":
                if needed:
                    faults.append(f"{name}: it is missing")
            elif rest:
                item.setdefault(head, {})[rest] = value
            else:
                item[name] = value
        references = self._references(cells, faults) if self._links else ()
        ids = item.get("external_ids")
        if not ids and not faults:
            faults.append("external_ids: the row has no external id")
        if faults or not ids:
            return BadRow(row.number, row.values, "; ".join(faults))
        system = next(iter(ids))
        return Mapped(row.number, row.values, f"{system}:{ids[system]}", item, references)

    def _references(self, cells: list[str], faults: list[str]) -> tuple[Reference, ...]:
        found = []
        for name, by, missing, needed, read in self._links:
            try:
                text = read(cells)
            except Unreadable as fault:
                faults.append(f"{name}: {fault}")
                continue
            if text:
                found.append(Reference(name, REFERENCES[name].name, by, text, missing))
            elif needed:
                faults.append(f"{name}: it is missing")
        return tuple(found)

    def _cells(self, given: list[str], faults: list[str]) -> list[str]:
        """The row's texts, cleaned, with those of its joins behind them."""
        cells = [text.strip() for text in (map(as_it_was, given) if self._again else given)]
        own = len(cells)
        for at, clean in self._cleaners:
            if at < own:
                cells[at] = clean(cells[at])
        for join in self._joins:
            key = cells[join.at]
            found = join.rows.get(key)
            if found is None and key and join.missing == "reject":
                faults.append(f"{join.column}: {key!r} is not in {join.file.name}")
            cells += found or join.nothing
        for at, clean in self._cleaners:
            if at >= own:
                cells[at] = clean(cells[at])
        return cells

    def _compile(self) -> None:
        """Make every field of the map a function of a row's cells."""
        for name, source in self.map.fields.items():
            needed = source.required or name in self.kind.required
            by = source.by
            if self.kind.type_of(name) is Type.REFERENCE and by and source.constant is None:
                text = text_reader(source, self._places.__getitem__)
                self._links.append(_Link(name, by, source.missing, needed, text))
                continue
            try:
                read = reader(name, source, self.kind, self._places.__getitem__)
            except Unreadable as fault:
                raise BadInput(f"The map is wrong at fields.{name}: {fault}.") from fault
            head, _, rest = name.partition(".")
            self._fields.append(_Field(name, head, rest, needed, read))

    def _read_join(self, name: str, join: Join) -> _Joined:
        path = next((f / join.file for f in self.folders if (f / join.file).is_file()), None)
        if path is None:
            where = " or ".join(str(folder) for folder in dict.fromkeys(self.folders))
            raise BadInput(f"The map joins {join.file}, which is not in {where}.")
        shape = inspect(path)
        if join.key not in shape.header:
            raise BadInput(
                f"{path} has no column {join.key}, by which the map joins it.",
                hint=f"It has {', '.join(shape.header)}.",
            )
        if join.column not in self._places:
            raise BadInput(
                f"The map joins {join.file} by the column {join.column}, which is missing.",
                hint=f"{self.shape.path} has {', '.join(self.shape.header)}.",
            )
        key_at = shape.header.index(join.key)
        found: dict[str, list[str]] = {}
        for row in rows(shape):
            if isinstance(row, BadRow):
                raise BadInput(f"Row {row.number} of {path} cannot be used: {row.reason}.")
            texts = [text.strip() for text in row.values]
            if texts[key_at] in found:
                raise BadInput(f"{path} has {texts[key_at]!r} twice in {join.key}; once is right.")
            found[texts[key_at]] = texts
            if len(found) > _LARGEST_JOIN:
                raise BadInput(f"{path} has more than {_LARGEST_JOIN:,} rows: too many to join.")
        self._columns_of_join(name, shape.header)
        behind = len(self.shape.header) + sum(len(one.nothing) for one in self._joins)
        for place, column in enumerate(shape.header):
            self._places.setdefault(f"{name}.{column}", behind + place)
        nothing = [""] * len(shape.header)
        at = self._places[join.column]
        return _Joined(at, found, nothing, path, join.column, join.missing)

    def _columns_of_join(self, name: str, header: tuple[str, ...]) -> None:
        for column in self._used():
            head, dot, rest = column.partition(".")
            if dot and head == name and rest not in header and column not in self._places:
                raise BadInput(
                    f"The map uses {column}, but {self.map.joins[name].file} has no column {rest}.",
                    hint=f"It has {', '.join(header)}.",
                )

    def _check_header(self) -> None:
        """Every column the map names is there, and every column there is named or ignored."""
        header = [n for n in self.shape.header if n and n not in REJECT_COLUMNS]
        used = set(self._used())
        missing = sorted(used - set(self._places))
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
        if ignored.isdisjoint(("", "*")):
            self._check_nameless()
        if spare:
            self.notes.append(f"Left behind, as the map says: {', '.join(spare)}.")

    def _check_nameless(self) -> None:
        """No column without a name holds data; empty ones are what spreadsheets leave behind."""
        nameless = [at for at, name in enumerate(self.shape.header) if not name]
        if not nameless:
            return
        for row in rows(self.shape):
            if isinstance(row, BadRow):
                continue
            found = next((at for at in nameless if row.values[at].strip()), None)
            if found is not None:
                raise BadInput(
                    f"Column {found + 1} of {self.shape.path} has no name, but row {row.number} "
                    f"has {row.values[found].strip()[:40]!r} in it.",
                    hint='Name it in the header, or leave it behind: `ignore = [""]` in the map.',
                )

    def _used(self) -> Iterator[str]:
        """Every column the map names."""
        for source in self.map.fields.values():
            yield from columns_of(source)
        yield from (join.column for join in self.map.joins.values())
        yield from self.map.columns


def _cleaner(known: dict[str, str], empty: frozenset[str]) -> Callable[[str], str]:
    """How one column's text is cleaned."""
    return lambda text: "" if text in empty else known.get(text, text)
