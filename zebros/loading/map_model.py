"""The contents of a map file: how columns become fields (docs/loading.md)."""

from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Scalar = str | bool | int


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Strict):
    """How the text of a column is replaced before any field reads it."""

    values: dict[str, str] = Field(default_factory=dict)
    """Replacements by text: for misspellings and codes."""
    empty: list[str] = Field(default_factory=list)
    """Texts that mean an empty cell, such as N/A."""


class Source(_Strict):
    """Where a field comes from: one of `column`, `template` and `constant`, with its options."""

    column: str | list[str] | None = None
    """Of several columns, the first that is not empty."""
    template: str | None = None
    constant: Scalar | None = None

    values: dict[str, str] = Field(default_factory=dict)
    other: Literal["keep", "reject", "empty"] = "keep"
    """What happens to text that is not among `values`."""
    default: Scalar | None = None
    when: dict[str, str | list[str]] = Field(default_factory=dict)
    required: bool = False
    on_error: Literal["reject row", "drop value"] = "reject row"
    """Whether a wrong value rejects its row, or is left out and reported."""

    currency: str | None = None
    currency_column: str | None = None
    scale: Decimal = Field(Decimal(1), gt=0)
    decimal: Literal[".", ","] | None = None
    """None: a number is read if it can be read in one way."""
    thousands: Literal["", ",", ".", " ", "'"] | None = None
    format: str | list[str] = "%Y-%m-%d"
    separator: str | None = Field(None, min_length=1)
    country: str | None = None
    """Of telephone numbers without a country code."""
    country_column: str | None = None
    by: str | None = None
    missing: Literal["reject", "empty"] = "reject"

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if [self.column, self.template, self.constant].count(None) != 2:
            raise ValueError("use exactly one of column, template, constant")
        if self.currency and self.currency_column:
            raise ValueError("use currency or currency_column, not both")
        if self.country and self.country_column:
            raise ValueError("use country or country_column, not both")
        if self.column == [] or self.format == []:
            raise ValueError("a list names at least one")
        if self.thousands and self.thousands == self.decimal:
            raise ValueError("thousands and decimal cannot be the same character")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of `column`, in the order in which they are tried."""
        if self.column is None:
            return ()
        return (self.column,) if isinstance(self.column, str) else tuple(self.column)

    @property
    def lenient(self) -> bool:
        """Whether a wrong value is left out."""
        return self.on_error == "drop value"

    @property
    def formats(self) -> tuple[str, ...]:
        """The date formats to try, in order."""
        return (self.format,) if isinstance(self.format, str) else tuple(self.format)


class Join(_Strict):
    """Another CSV whose columns may be used as `<join>.<column>`."""

    file: str
    """A path, relative to the folder of the loaded file or of the map file."""
    column: str
    """The column of the loaded file."""
    key: str
    """The column of the other file with the same texts; unique there."""
    missing: Literal["reject", "empty"] = "reject"
    encoding: str | None = None
    """That of the other file, when it is neither UTF-8 nor has a byte order mark."""


class Stage(_Strict):
    """One stage of a pipeline, as the API takes it."""

    key: str
    name: str
    probability: int = Field(ge=0, le=100)
    kind: Literal["open", "won", "lost"]
    forecast_category: Literal["pipeline", "best_case", "commit", "closed", "omitted"]


class Pipeline(_Strict):
    """The pipeline of the opportunities; created when the tenant has none of that name."""

    name: str
    stages: list[Stage] = Field(min_length=1)


class Map(_Strict):
    """A map file."""

    record: str | None = None
    encoding: str | None = None
    """That of the file, when it is neither UTF-8 nor has a byte order mark."""
    country: str | None = None
    """The default country of telephone numbers, ISO 3166 alpha-2."""
    skip: dict[str, str | list[str]] = Field(default_factory=dict)
    """Rows that are left out: those whose column has this text, or one of these."""
    without_id: Literal["reject", "by content"] = "reject"
    """What happens to a row without an external id; its content can identify it."""
    match_by: Literal["email"] | None = None
    """How contacts are found whose external ids are unknown, or that have none."""
    ignore: list[str] = Field(default_factory=list)
    """Columns that are not loaded; `*` for every column that no field uses."""
    columns: dict[str, Column] = Field(default_factory=dict)
    joins: dict[str, Join] = Field(default_factory=dict)
    pipeline: Pipeline | None = None
    fields: dict[str, Source] = Field(min_length=1)

    @property
    def has_several_ids(self) -> bool:
        """Whether two rows may be about one record and have no id in common."""
        systems = sum(name.startswith("external_ids.") for name in self.fields)
        return systems + (self.match_by is not None) + (self.without_id == "by content") > 1

    @model_validator(mode="before")
    @classmethod
    def _expand_short_form(cls, data: Any) -> Any:
        """`name = "account"` is short for `name = { column = "account" }`."""
        if isinstance(data, dict) and isinstance(data.get("fields"), dict):
            fields = {
                name: {"column": source} if isinstance(source, str) else source
                for name, source in _flat(data["fields"]).items()
            }
            return {**data, "fields": fields}
        return data


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Join the names of nested tables, because TOML reads `external_ids.crm = …` as one."""
    flat: dict[str, Any] = {}
    for name, source in fields.items():
        if name in ("external_ids", "custom_fields", "consent") and isinstance(source, dict):
            flat |= {f"{name}.{key}": inner for key, inner in source.items()}
        else:
            flat[name] = source
    return flat
