"""The map file: how the columns of an export become the fields of a record (docs/loading.md)."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kernel.domain.money import EXPONENTS
from zebros.errors import BadInput
from zebros.loading.records import REFERENCES, Kind, Type

REJECT_COLUMNS = ("_row", "_reason")
"""What a rejects file has before the columns of the file it came from; ignored when loaded."""

_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_YEARS = frozenset("YyGcx")

Scalar = str | bool | int


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Strict):
    """How a column's text is cleaned before any field sees it."""

    values: dict[str, str] = Field(default_factory=dict)
    """Text that stands for other text: misspellings, codes."""
    empty: list[str] = Field(default_factory=list)
    """Text that means "nothing", such as N/A."""


class Source(_Strict):
    """Where one field comes from: one of `column`, `template`, `constant`; the rest refines it."""

    column: str | None = None
    template: str | None = None
    constant: Scalar | None = None

    values: dict[str, str] = Field(default_factory=dict)
    other: Literal["keep", "reject", "empty"] = "keep"
    """What to do with text that is not among `values`."""
    default: Scalar | None = None
    when: dict[str, str | list[str]] = Field(default_factory=dict)
    required: bool = False

    currency: str | None = None
    currency_column: str | None = None
    scale: Decimal = Decimal(1)
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    format: str | list[str] = "%Y-%m-%d"
    separator: str = Field(";", min_length=1)
    by: str | None = None
    missing: Literal["reject", "empty"] = "reject"

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [n for n in ("column", "template", "constant") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of column, template, constant")
        if self.currency and self.currency_column:
            raise ValueError("give currency or currency_column, not both")
        if self.thousands and self.thousands == self.decimal:
            raise ValueError("thousands and decimal cannot be the same character")
        return self

    @property
    def formats(self) -> tuple[str, ...]:
        """The date layouts to try, in order."""
        return (self.format,) if isinstance(self.format, str) else tuple(self.format)


class Join(_Strict):
    """Another CSV whose columns may be used as `<join>.<column>`."""

    file: str
    """Beside the loaded file, or beside the map."""
    column: str
    """The column of the loaded file."""
    key: str
    """The column of the other file it is looked up in; unique there."""
    missing: Literal["reject", "empty"] = "reject"


class Stage(_Strict):
    """One stage of a pipeline, as the API takes it."""

    key: str
    name: str
    probability: int = Field(ge=0, le=100)
    kind: Literal["open", "won", "lost"]
    forecast_category: Literal["pipeline", "best_case", "commit", "closed", "omitted"]


class Pipeline(_Strict):
    """The pipeline the opportunities go into; made when the tenant has none of that name."""

    name: str
    stages: list[Stage] = Field(min_length=1)


class Map(_Strict):
    """A whole map file."""

    record: str | None = None
    ignore: list[str] = Field(default_factory=list)
    """Columns left behind on purpose; `*` for all that no field names."""
    columns: dict[str, Column] = Field(default_factory=dict)
    joins: dict[str, Join] = Field(default_factory=dict)
    pipeline: Pipeline | None = None
    fields: dict[str, Source] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        """`name = "account"` is short for `name = { column = "account" }`."""
        if isinstance(given, dict) and isinstance(given.get("fields"), dict):
            fields = {
                name: {"column": source} if isinstance(source, str) else source
                for name, source in _flat(given["fields"]).items()
            }
            return {**given, "fields": fields}
        return given


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """TOML reads an unquoted `external_ids.crm = …` as a table in a table: the same is meant."""
    flat: dict[str, Any] = {}
    for name, source in fields.items():
        if name in ("external_ids", "custom_fields", "consent") and isinstance(source, dict):
            flat |= {f"{name}.{key}": inner for key, inner in source.items()}
        else:
            flat[name] = source
    return flat


def read(path: Path, kind: Kind) -> Map:
    """A map file for a kind of record. Raises BadInput naming the place and what would be right."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BadInput(f"There is no map file {path}.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"The map {path} cannot be read: {fault}.") from fault
    except tomllib.TOMLDecodeError as fault:
        raise BadInput(f"The map {path} is not TOML: {fault}.", hint=_SEE) from fault
    try:
        found = Map.model_validate(given)
    except ValidationError as fault:
        raise BadInput(f"The map {path} {_said(fault)}.", hint=_SEE) from fault
    if found.record is not None and found.record != kind.name:
        raise BadInput(
            f"The map {path} is for {found.record}, not for {kind.name}.",
            hint=f"`zebros load {found.record} …` takes it.",
        )
    _check_fields(found, kind, f"The map {path}")
    return found


_SEE = "docs/loading.md describes the map file with examples."


def _said(fault: ValidationError) -> str:
    sentences = []
    for error in fault.errors()[:3]:
        place = ".".join(str(part) for part in error["loc"]) or "as a whole"
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = "is not something a map can say"
        elif error["type"] == "missing":
            message = "is missing"
        sentences.append(f"at {place}: {message}")
    more = len(fault.errors()) - len(sentences)
    return "is wrong " + "; ".join(sentences) + (f"; and {more} more" if more > 0 else "")


def _check_fields(map_: Map, kind: Kind, who: str) -> None:
    for field, source in map_.fields.items():
        type_ = kind.type_of(field)
        if type_ is None:
            meant = kind.closest(field)
            raise BadInput(
                f"{who} fills {field}, which {kind.name} do not have.",
                hint=f"Did you mean {meant}?" if meant else f"They have {_list(kind)}.",
            )
        wrong = _wrong(field, source, type_)
        if wrong:
            raise BadInput(f"{who} is wrong at fields.{field}: {wrong}.", hint=_SEE)
    if not any(field.startswith("external_ids.") for field in map_.fields):
        raise BadInput(
            f"{who} gives the rows no external id.",
            hint='Add one, such as "external_ids.crm" = "id": it makes loading twice harmless.',
        )
    absent = sorted(kind.required - set(map_.fields))
    if absent:
        raise BadInput(f"{who} leaves out {', '.join(absent)}, which {kind.name} must have.")
    if map_.pipeline and (kind.name != "opportunities" or "pipeline_id" in map_.fields):
        raise BadInput(
            f"{who} names a pipeline, which only opportunities without pipeline_id take."
        )


def _wrong(field: str, source: Source, type_: Type) -> str:
    if type_ is Type.MONEY and source.constant is None:
        if not (source.currency or source.currency_column):
            return 'say the currency, such as currency = "USD", or currency_column'
        if source.template:
            return "money comes from one column"
    if type_ is Type.MONEY and source.currency and source.currency not in EXPONENTS:
        capitals = source.currency.upper()
        meant = f"; write {capitals}" if capitals in EXPONENTS else ""
        return f"{source.currency!r} is not an active ISO 4217 currency code{meant}"
    if type_ is not Type.MONEY and (source.currency or source.currency_column):
        return "a currency is for money"
    if type_ is Type.DATE:
        yearless = next((one for one in source.formats if not _names_a_year(one)), None)
        if yearless is not None:
            return f"dates of the form {yearless} have no year"
    if type_ is Type.REFERENCE:
        if not source.by:
            return f'say how {REFERENCES[field].name} are found, such as by = "external_ids.crm"'
        if not source.by.startswith("external_ids.") and (
            REFERENCES[field].name != "products" or source.by not in ("code", "name")
        ):
            return "`by` is external_ids.<system> (for products also code or name)"
    elif source.by:
        return "`by` is for references to other records"
    return ""


def _names_a_year(layout: str) -> bool:
    """Whether a layout of strptime's reads the year; without one it would take 1900."""
    return not _YEARS.isdisjoint(_DIRECTIVE.findall(layout))


def _list(kind: Kind) -> str:
    return ", ".join([*kind.fields, *(f"{name}.<name>" for name in kind.open_fields)])


def identity(header: tuple[str, ...], kind: Kind, file: Path) -> Map:
    """The map of a file whose columns are named as the fields already are.

    Money columns hold amount and currency (`12.50 USD`); references hold the CRM's own ids.
    """
    names = [name for name in header if name and name not in REJECT_COLUMNS]
    unknown = [name for name in names if kind.type_of(name) is None]
    missing = sorted(kind.required - set(names))
    if not any(name.startswith("external_ids.") for name in names):
        missing.append("external_ids.<system>")
    if unknown or missing:
        said = []
        if unknown:
            meant = {name: kind.closest(name) for name in unknown}
            said.append(
                "unknown: "
                + ", ".join(f"{n} (did you mean {m}?)" if m else n for n, m in meant.items())
            )
        if missing:
            said.append(f"missing: {', '.join(missing)}")
        raise BadInput(
            f"The header of {file} does not fit {kind.name}: {'; '.join(said)}.",
            hint="Rename the columns, or say with --map which column is which (docs/loading.md).",
        )
    return Map(fields={name: Source(column=name) for name in names})
