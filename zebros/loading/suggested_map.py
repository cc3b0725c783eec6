"""A map for a file, proposed from its headers and its first rows, with a comment on each guess.

It is a text for people: they read the comments, change what is wrong, and save it.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from zebros.loading import suggested_values
from zebros.loading.csv_files import CsvFile
from zebros.loading.csv_rows import Row, rows
from zebros.loading.field_readers import columns_of
from zebros.loading.header_names import field_of, normalised, rank
from zebros.loading.map_model import Map
from zebros.loading.record_types import CONTACTS, PEOPLE, RECORD_TYPES, FieldType, RecordType
from zebros.loading.suggested_stages import Stages
from zebros.loading.suggested_values import quoted

_SAMPLE_ROWS = 1000
_DELETED = ("deleted", "archived", "gelöscht", "archiviert", "supprimé", "archivé", "eliminado")
_SEVERAL = (FieldType.EMAILS, FieldType.PHONES)
_LENIENT = (
    *_SEVERAL,
    *(FieldType.PHONE, FieldType.WEBSITE, FieldType.INTEGER, FieldType.MONEY),
    *(FieldType.DATE, FieldType.BOOLEAN),
)
_NEEDED = ("external_ids", "lost_reason")
"""Fields whose columns are used even when the first rows have nothing in them."""
_PREFIXES = {
    "accounts": "organization - ",
    "contacts": "person - ",
    "products": "product - ",
    "opportunities": "deal - ",
}


def guessed_type(header: tuple[str, ...]) -> RecordType:
    """The record type that has the most columns of a header."""
    folded = [name.casefold() for name in header]

    def score(record_type: RecordType) -> int:
        fields = (field_of(name, record_type) for name in header)
        found = {one for one in fields if one not in (None, "external_ids", "currency")}
        prefix = _PREFIXES.get(record_type.name, "?")
        own = any(name.startswith(prefix) for name in folded)
        person = record_type is CONTACTS and {"first_name", "last_name"} <= found
        named = not record_type.missing_from(found)
        return len(found) + 5 * own + 2 * named + 5 * person

    return max(RECORD_TYPES.values(), key=score)


@dataclass(slots=True)
class SuggestedMap:
    """The map of one file."""

    file: CsvFile
    record_type: RecordType
    encoding: str | None = None
    """The encoding that somebody chose."""
    _samples: dict[str, list[str]] = field(default_factory=dict)
    _columns: dict[str, list[str]] = field(default_factory=dict)
    """The columns of each field."""
    _named: list[str] = field(default_factory=list)
    """The columns that are named as a field of the CRM with a name, such as `external_ids.erp`."""

    def __post_init__(self) -> None:
        found = [row for row in islice(rows(self.file), _SAMPLE_ROWS) if isinstance(row, Row)]
        for at, name in enumerate(self.file.header):
            texts = dict.fromkeys(row.values[at].strip() for row in found)
            self._samples[name] = [text for text in texts if text]
            if "." in name and self.record_type.type_of(name):
                self._named.append(name)
                continue
            field_ = field_of(name, self.record_type) if name else None
            if field_ is not None and (self._samples[name] or field_ in _NEEDED or not found):
                self._columns.setdefault(field_, []).append(name)
        for field_, names in self._columns.items():
            if self.record_type.fields.get(field_) not in _SEVERAL:
                names.sort(key=lambda name: rank(name, field_, self.record_type))
        self._sort_out_titles()

    def _sort_out_titles(self) -> None:
        """A column `Title` has forms of address in some exports, and titles at work in others."""
        if self.record_type is not CONTACTS or not (titles := self._columns.get("title")):
            return
        kept = [one for one in titles if not suggested_values.are_salutations(self._samples[one])]
        if any(normalised(one) != "title" for one in titles):
            kept = [one for one in kept if normalised(one) != "title"]
        self._columns["title"] = kept

    @property
    def system(self) -> str:
        """The other system: of a column of its ids, or as its exports show."""
        if ids := self._own_ids():
            return ids[0].partition(".")[2]
        columns = self._columns.get("external_ids", [])[:1]
        texts = [text for one in columns for text in self._samples[one]]
        return suggested_values.system_of(self.file.header, texts) or "crm"

    def _has_ids(self) -> bool:
        return bool(self._own_ids()) or "external_ids" in self._columns

    def _own_ids(self) -> list[str]:
        return [name for name in self._named if name.startswith("external_ids.")]

    def text(self) -> str:
        """The map file."""
        fields = list(self._fields())
        used = set(self._skipped())
        parsed = tomllib.loads("\n".join(fields))
        if parsed["fields"]:
            map_ = Map.model_validate(parsed)
            used |= {name for source in map_.fields.values() for name in columns_of(source)}
        ignored = [name for name in self.file.header if name not in used]
        lines = [
            f"# A proposal for {self.file.path.name}, from its headers and first rows. Read every",
            "# line: those with CHECK are guesses. docs/loading.md describes all options.",
            f"record = {quoted(self.record_type.name)}",
        ]
        lines += [f"# CHECK: {note}" for note in self.file.notes]
        if self.encoding:
            lines.append(f"encoding = {quoted(self.encoding)}")
        lines += self._match_by()
        if not self._has_ids():
            lines.append('without_id = "by content"     # there is no column with an id')
        phones = [name for name in self._columns if name.startswith("phone")]
        if phones:
            lines.append('# country = "US"              # CHECK: of numbers without a country code')
        lines += self._ignore(list(dict.fromkeys(ignored)))
        lines += self._skip()
        lines += self._replaced(used)
        return "\n".join([*lines, "", *fields]) + "\n"

    def _replaced(self, used: set[str]) -> list[str]:
        """The tables `columns`: what stands for an empty cell, and names of currencies."""
        lines = []
        fields = ("name", "first_name", "last_name", "full_name")
        of_names = {name for one in fields for name in self._columns.get(one, [])}
        for name in self.file.header:
            if name not in used or name in self._skipped():
                continue
            empty = suggested_values.placeholders(self._samples[name], of_names=name in of_names)
            if empty:
                lines += ["", f"[columns.{quoted(name)}]   # CHECK: texts for an empty cell"]
                lines.append(f"empty = {json.dumps(empty, ensure_ascii=False)}")
            elif name in self._columns.get("currency", []) and (
                codes := suggested_values.currency_names(self._samples[name])
            ):
                lines += ["", f"[columns.{quoted(name)}]"]
                lines.append(f"values = {suggested_values.table_of(codes)}")
        return lines

    def _match_by(self) -> list[str]:
        """Match by e-mail: proposed where addresses are all there is, and no rows share one."""
        columns = self._columns.get("emails", [])
        if self.record_type is not CONTACTS or not columns:
            return []
        rows_ = [row[0].casefold() for row in self._rows("emails") if row[0]]
        shared = len(set(rows_)) < len(rows_)
        if self._has_ids() or shared:
            reason = "several rows share one" if shared else "contacts of other systems too"
            return [f'# match_by = "email"         # CHECK: finds contacts by address; {reason}']
        return ['match_by = "email"           # contacts are found by their address']

    def _ignore(self, names: list[str]) -> list[str]:
        if not names:
            return []
        shown = []
        for name in names:
            # TOML has no control characters in comments.
            sample = re.sub(r"[\x00-\x1f\x7f]+", " ", next(iter(self._samples[name]), ""))[:40]
            comment = f"  # {sample}" if sample else "  # empty in the first rows"
            shown.append(f"  {quoted(name)},{comment}")
        return [
            "",
            "ignore = [   # columns that are not loaded, with their first values",
            *shown,
            "]",
        ]

    def _skipped(self) -> dict[str, list[str]]:
        found = {}
        for name, texts in self._samples.items():
            deleted = normalised(name) in ("isdeleted", "deleted", "isarchived")
            wanted = ("1", "true", "yes") if deleted else _DELETED
            values = suggested_values.totals(texts)
            if deleted or normalised(name) in ("status", "state"):
                values += [text for text in texts if text.casefold() in wanted]
            if values or deleted:
                found[name] = values or ["1", "true"]
        return found

    def _skip(self) -> list[str]:
        lines = [
            f"{quoted(name)} = {json.dumps(values, ensure_ascii=False)}"
            for name, values in self._skipped().items()
        ]
        return ["", "[skip]   # rows that are left out", *lines] if lines else []

    def _fields(self) -> Iterator[str]:
        stages = Stages(self._columns, self._samples, self._rows_of("status", "stage"), self.system)
        if self.record_type.name == "opportunities":
            yield from stages.pipeline()
        yield "[fields]"
        yield from (f"{quoted(name)} = {quoted(name)}" for name in self._named)
        ids = self._columns.get("external_ids")
        if ids and not self._own_ids():
            name = next((one for one in ids if normalised(one) in ("id", "recordid")), ids[0])
            yield f'"external_ids.{self.system}" = {quoted(name)}'
            if self.record_type is PEOPLE:
                yield f"id = {quoted(name)}   # CHECK: the `sub` of the person's tokens"
        for name, type_ in self.record_type.fields.items():
            columns = self._columns.get(name, [])
            if self.record_type.name == "opportunities" and name in stages.fields:
                yield from stages.field(name, self._date)
            elif type_ is FieldType.REFERENCE:
                yield from self._reference(name, columns)
            elif name == "owner_id":
                yield from (
                    f"# owner_id = {quoted(one)}   # CHECK: the ids of users of the CRM, not names"
                    for one in columns[:1]
                )
            elif columns:
                yield self._field(name, type_, columns)
            elif name in self.record_type.required and not (name == "id" and ids):
                yield from self._missing(name)
        if self.record_type.name == "opportunities":
            yield from stages.closing(self._date)

    def _missing(self, name: str) -> Iterator[str]:
        """A required field of which no column has the name."""
        whole = self._columns.get("full_name")
        if whole and "first_name" not in self._columns:
            yield f"{name} = {quoted(whole[0])}   # CHECK: the whole name"
        elif not any(one in self._columns for one in self.record_type.named_by):
            subject = self.record_type.name
            yield f'# {name} = "…"   # CHECK: {subject} need it; which column has it?'

    def _reference(self, name: str, ids: list[str]) -> Iterator[str]:
        by, columns = f"external_ids.{self.system}", ids
        if not ids and name == "account_id":
            by, columns = "name", self._columns.get("account_name", [])
        if not columns and name == "parent_account_id":
            yield from (
                f'# {name} = {{ column = {quoted(one)}, by = "{by}" }}   '
                "# CHECK: found by ids, not by names"
                for one in self._columns.get("parent_account_name", [])[:1]
            )
        for one in columns[:1]:
            options = f'column = {quoted(one)}, by = "{by}", on_error = "drop value"'
            if by != "name" and any(";" in text for text in self._samples[one]):
                options += ', separator = ";"'
            first = name.removesuffix("_id")
            comment = "" if first == "parent_account" else f"   # load the {first}s first"
            yield f"{name} = {{ {options} }}{comment}"

    def _rows_of(self, *fields: str) -> list[tuple[str, ...]]:
        """The combinations of texts in the first columns of fields."""
        return list(dict.fromkeys(self._rows(*fields)))

    def _rows(self, *fields: str) -> list[tuple[str, ...]]:
        """The texts in the first columns of fields, row by row."""
        columns = [self._columns[name][0] for name in fields if name in self._columns]
        at = [self.file.header.index(name) for name in columns]
        found = [row for row in islice(rows(self.file), _SAMPLE_ROWS) if isinstance(row, Row)]
        return [tuple(row.values[n].strip() for n in at) for row in found]

    def _field(self, name: str, type_: FieldType, columns: list[str]) -> str:
        options, comment = [], ""
        if type_ in _SEVERAL and len(columns) > 1:
            template = ";".join(f"{{{one}}}" for one in columns)
            options.append(f"template = {quoted(template)}")
        elif len(columns) > 1:
            options.append(f"column = [{', '.join(map(quoted, columns))}]")
            comment = "the first that is not empty"
        else:
            options.append(f"column = {quoted(columns[0])}")
        samples = [text for one in columns for text in self._samples[one]]
        if type_ is FieldType.MONEY:
            currency, comment = self._currency(columns[0], samples)
            options.append(currency)
        is_number = type_ in (FieldType.MONEY, FieldType.INTEGER)
        if is_number and (mark := suggested_values.decimal_mark(samples)):
            options.append(f"decimal = {quoted(mark)}")
        if type_ is FieldType.DATE:
            formats, comment = self._formats(columns[0])
            options += formats
        if type_ is FieldType.LIST and (separator := _separator(samples)):
            options.append(f"separator = {quoted(separator)}")
        if table := self._values(name, type_, samples):
            options.append(f"values = {suggested_values.table_of(table)}")
        if name == "kind":
            if not table:
                return f"# kind = {quoted(columns[0])}   # CHECK: its texts say no kind"
            options.append('other = "empty"')
            comment = "CHECK: prospect, customer, partner or former"
        if name == "country" or type_ in _LENIENT:
            options.append('on_error = "drop value"')
        source = options[0].removeprefix("column = ")
        short = len(options) == 1 and source.startswith('"')
        value = source if short else f"{{ {', '.join(options)} }}"
        return f"{name} = {value}" + (f"   # {comment}" if comment else "")

    def _currency(self, column: str, samples: list[str]) -> tuple[str, str]:
        """The option that says the currency, and a comment."""
        columns = {one: self._samples[one] for one in self._columns.get("currency", [])}
        if found := suggested_values.currency_column(columns, column):
            return f"currency_column = {quoted(found)}", ""
        currency, comment = suggested_values.currency_of(samples)
        return f"currency = {quoted(currency)}", comment

    def _values(self, name: str, type_: FieldType, samples: list[str]) -> list[tuple[str, str]]:
        """The texts that the field knows by other texts."""
        if name == "country":
            return suggested_values.countries(samples)
        if name == "kind":
            return suggested_values.kinds(samples)
        return suggested_values.booleans(samples) if type_ is FieldType.BOOLEAN else []

    def _formats(self, column: str) -> tuple[list[str], str]:
        """The option `format` of a column of dates, if it needs one, and a comment."""
        others = [texts for name, texts in self._samples.items() if name != column]
        formats, comment = suggested_values.date_formats(self._samples[column], others)
        if not formats:
            return [], ""
        one = len(formats) == 1
        return [f"format = {quoted(formats[0]) if one else json.dumps(formats)}"], comment

    def _date(self, name: str, column: str, *more: str) -> str:
        """A field that is a day."""
        formats, comment = self._formats(column)
        options = ", ".join([f"column = {quoted(column)}", *formats, *more])
        return f"{name} = {{ {options} }}" + (f"   # {comment}" if comment else "")


def _separator(samples: list[str]) -> str:
    """What separates the items of a list, unless it is a semicolon."""
    if any(";" in text for text in samples):
        return ""
    return next((one for one in (":::", ",") if any(one in text for text in samples)), "")
