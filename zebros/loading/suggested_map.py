"""A map for a file, proposed from its headers and its first rows, with a comment on each guess.

It is a text for people: they read the comments, change what is wrong, and save it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from zebros.loading.country_names import country_code
from zebros.loading.csv_files import CsvFile
from zebros.loading.csv_rows import Row, rows
from zebros.loading.header_names import field_of, normalised
from zebros.loading.record_types import CONTACTS, RECORD_TYPES, FieldType, RecordType
from zebros.loading.suggested_stages import Stages

_SAMPLE_ROWS, _MOST_VALUES = 1000, 30
_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%SZ",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%Y/%m/%d",
)
_SYSTEMS = {
    "masterrecordid": "salesforce",
    "isdeleted": "salesforce",
    "marketingcontactstatus": "hubspot",
    "associatedcompanyids": "hubspot",
    "weightedvalue": "pipedrive",
    "phoneticfirstname": "google",
}
"""The system whose exports have a column with this name."""
_KINDS = {"customer": "customer", "prospect": "prospect", "partner": "partner", "former": "former"}
_SEVERAL = (FieldType.EMAILS, FieldType.PHONES)
_LENIENT = (*_SEVERAL, FieldType.PHONE, FieldType.WEBSITE, FieldType.INTEGER, FieldType.MONEY)


def quoted(text: str) -> str:
    """A text in TOML; JSON strings are such texts."""
    return json.dumps(text, ensure_ascii=False)


def guessed_type(header: tuple[str, ...]) -> RecordType:
    """The record type that has the most columns of a header."""

    def score(record_type: RecordType) -> int:
        found = {field_of(name, record_type) for name in header} - {None, "external_ids"}
        own = ("deal - " in " ".join(header).casefold()) and record_type.name == "opportunities"
        return len(found) + 5 * own + 2 * (record_type.required <= found)

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

    def __post_init__(self) -> None:
        found = [row for row in islice(rows(self.file), _SAMPLE_ROWS) if isinstance(row, Row)]
        for at, name in enumerate(self.file.header):
            texts = dict.fromkeys(row.values[at].strip() for row in found)
            self._samples[name] = [text for text in texts if text]
            field_ = field_of(name, self.record_type) if name else None
            needed = field_ in ("external_ids", "lost_reason")
            if field_ is not None and (self._samples[name] or needed):
                self._columns.setdefault(field_, []).append(name)

    @property
    def system(self) -> str:
        """The other system, by the columns that only its exports have."""
        names = (_SYSTEMS.get(normalised(name)) for name in self.file.header)
        return next((name for name in names if name), "crm")

    def text(self) -> str:
        """The map file."""
        fields = list(self._fields())
        used = "\n".join(line for line in fields if not line.startswith("#"))
        ignored = [
            name
            for name in self.file.header
            if quoted(name) not in used and f"{{{name}}}" not in used
        ]
        lines = [
            f"# A proposal for {self.file.path.name}, from its headers and first rows. Read every",
            "# line: those with CHECK are guesses. docs/loading.md describes all options.",
            f"record = {quoted(self.record_type.name)}",
        ]
        if self.encoding:
            lines.append(f"encoding = {quoted(self.encoding)}")
        lines += self._match_by()
        if "external_ids" not in self._columns:
            lines.append('without_id = "by content"     # there is no column with an id')
        phones = [name for name in self._columns if name.startswith("phone")]
        if phones:
            lines.append('# country = "US"              # CHECK: of numbers without a country code')
        lines += self._ignore([name for name in ignored if name not in self._skipped()])
        lines += self._skip()
        return "\n".join([*lines, "", *fields]) + "\n"

    def _match_by(self) -> list[str]:
        """Match by e-mail: proposed where addresses are all there is, and no rows share one."""
        columns = self._columns.get("emails", [])
        if self.record_type is not CONTACTS or not columns:
            return []
        rows_ = [row[0].casefold() for row in self._rows("emails") if row[0]]
        shared = len(set(rows_)) < len(rows_)
        if "external_ids" in self._columns or shared:
            reason = "several rows share one" if shared else "contacts of other systems too"
            return [f'# match_by = "email"         # CHECK: finds contacts by address; {reason}']
        return ['match_by = "email"           # contacts are found by their address']

    def _ignore(self, names: list[str]) -> list[str]:
        if not names:
            return []
        shown = []
        for name in names:
            sample = next(iter(self._samples[name]), "").replace("\n", " ")[:40]
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
            wanted = ("1", "true", "yes") if deleted else ("deleted", "archived")
            if deleted or normalised(name) in ("status", "state"):
                values = [text for text in texts if text.casefold() in wanted]
                if values or deleted:
                    found[name] = values or ["1", "true"]
        return found

    def _skip(self) -> list[str]:
        lines = [f"{quoted(n)} = {json.dumps(v)}" for n, v in self._skipped().items()]
        return ["", "[skip]   # rows that are left out", *lines] if lines else []

    def _fields(self) -> Iterator[str]:
        stages = Stages(self._columns, self._samples, self._rows_of("status", "stage"), self.system)
        if self.record_type.name == "opportunities":
            yield from stages.pipeline()
        yield "[fields]"
        if ids := self._columns.get("external_ids"):
            name = next((one for one in ids if normalised(one) in ("id", "recordid")), ids[0])
            yield f'"external_ids.{self.system}" = {quoted(name)}'
        for name, type_ in self.record_type.fields.items():
            columns = self._columns.get(name, [])
            if self.record_type.name == "opportunities" and name in stages.fields:
                yield from stages.field(name, self._format)
            elif name == "account_id":
                yield from self._account(columns)
            elif name == "owner_id":
                yield from (
                    f"# owner_id = {quoted(one)}   # CHECK: the ids of users of the CRM, not names"
                    for one in columns[:1]
                )
            elif columns:
                yield self._field(name, type_, columns)
        yield from self._closing(stages)

    def _closing(self, stages: Stages) -> Iterator[str]:
        if self.record_type.name == "opportunities":
            yield from stages.closing(self._format)

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
            if currency := self._columns.get("currency"):
                options.append(f"currency_column = {quoted(currency[0])}")
            else:
                options.append('currency = "USD"')
                comment = "CHECK the currency"
        if type_ in (FieldType.MONEY, FieldType.INTEGER) and (mark := _decimal_mark(samples)):
            options.append(f"decimal = {quoted(mark)}")
        if type_ is FieldType.DATE and (format_ := self._format(columns[0])):
            options.append(format_)
        if type_ is FieldType.LIST and any(":::" in text for text in samples):
            options.append('separator = ":::"')
        if name in ("country", "kind"):
            table = _countries(samples) if name == "country" else _kinds(samples)
            if table:
                pairs = ", ".join(f"{quoted(text)} = {quoted(code)}" for text, code in table)
                options.append(f"values = {{ {pairs} }}")
            if name == "kind":
                options.append('other = "empty"')
                comment = "CHECK: prospect, customer, partner or former"
        if name == "parent_account_id":
            options.append(f'by = "external_ids.{self.system}"')
        if name == "country" or type_ in _LENIENT:
            options.append('on_error = "drop value"')
        source = options[0].removeprefix("column = ")
        short = len(options) == 1 and source.startswith('"')
        value = source if short else f"{{ {', '.join(options)} }}"
        return f"{name} = {value}" + (f"   # {comment}" if comment else "")

    def _account(self, ids: list[str]) -> Iterator[str]:
        by, columns = f"external_ids.{self.system}", ids
        if not ids:
            by, columns = "name", self._columns.get("account_name", [])
        for one in columns[:1]:
            options = f'column = {quoted(one)}, by = "{by}", on_error = "drop value"'
            if by != "name" and any(";" in text for text in self._samples[one]):
                options += ', separator = ";"'
            yield f"account_id = {{ {options} }}   # load the accounts first"

    def _format(self, column: str) -> str:
        """The option `format` by which every sample is a date; empty for YYYY-MM-DD."""
        fits = [one for one in _FORMATS if all(_fits(text, one) for text in self._samples[column])]
        if not fits or fits[0] == "%Y-%m-%d":
            return ""
        # Day and month that fit in both orders: a row with two readings is rejected.
        return f"format = {quoted(fits[0]) if len(fits) == 1 else json.dumps(fits)}"


def _fits(text: str, format_: str) -> bool:
    try:
        datetime.strptime(text, format_)
    except ValueError:
        return False
    return True


def _decimal_mark(samples: list[str]) -> str:
    """The decimal mark that the samples prove; empty when they prove none, or none is needed."""
    text = " ".join(samples)
    grouped_by = {
        ",": re.search(r"[0-9],[0-9]{3}(\.|,[0-9]{3})", text) or re.search(r"\.[0-9]{1,2}\b", text),
        ".": re.search(r"[0-9]\.[0-9]{3}(,|\.[0-9]{3})", text) or re.search(r",[0-9]{1,2}\b", text),
    }
    proved = [mark for mark, other in ((".", ","), (",", ".")) if grouped_by[other]]
    needed = any(re.search(r"[.,][0-9]{3}\b", one) for one in samples)
    return proved[0] if needed and len(proved) == 1 else ""


def _countries(samples: list[str]) -> list[tuple[str, str]]:
    names = [text for text in samples if not re.fullmatch("[A-Z]{2}", text)][:_MOST_VALUES]
    return [(name, code) for name in names if (code := country_code(name))]


def _kinds(samples: list[str]) -> list[tuple[str, str]]:
    found = []
    for text in samples[:_MOST_VALUES]:
        kind = next((kind for word, kind in _KINDS.items() if word in text.casefold()), None)
        if kind and text != kind:
            found.append((text, kind))
    return found
