"""The parameters of a report: its name, grouping, period, file format and currency.

The request, the events and the query use this model. It imports neither DuckDB nor a file writer,
so that the API function starts fast.
"""

from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from kernel.domain.dates import PlainDate
from kernel.domain.money import KnownCurrency
from kernel.domain.time_zone_names import TimeZoneName
from kernel.domain.time_zones import DEFAULT_ZONE, today
from reporting.periods import PeriodName, days_of

ReportName = Literal["pipeline_by_stage", "win_rate", "sales_performance"]
Grouping = Literal["none", "stage", "owner", "team", "region", "product", "sector", "month"]
FileFormat = Literal["csv", "xlsx", "pdf", "json"]

_EVERYWHERE: tuple[Grouping, ...] = ("owner", "team", "region", "product", "sector", "month")
GROUPINGS: dict[ReportName, tuple[Grouping, ...]] = {
    "pipeline_by_stage": ("stage", *_EVERYWHERE, "none"),
    "win_rate": ("none", *_EVERYWHERE),
    "sales_performance": ("owner", *(g for g in _EVERYWHERE if g != "owner"), "none"),
}
"""The groupings each report knows; the first is its default."""


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(values[:-1]) + " or " + values[-1]


def _one_of(what: str, allowed: tuple[str, ...]) -> tuple[Any, ...]:
    """Annotations: requests accept only `allowed`, but events may have values of other versions."""

    def check(value: Any) -> Any:
        if value is None or value in allowed:
            return value
        raise PydanticCustomError(
            "unknown_choice",
            "{given} is not a known {what}; allowed are {allowed}",
            {"given": repr(value)[:60], "what": what, "allowed": _listed(allowed)},
        )

    word = {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"}
    return (
        BeforeValidator(check),
        PlainSerializer(lambda word: word),  # no warning for a value of another version
        WithJsonSchema(word, mode="serialization"),
    )


def _without_default(schema: dict[str, Any]) -> None:
    """The default depends on the report, so the schema has none."""
    schema.pop("default", None)


class ReportParameters(BaseModel):
    """Which report, grouped by what, over which period, in which file format."""

    # `from` is a reserved word in Python, so the field has an alias.
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    report: Annotated[ReportName, *_one_of("report", get_args(ReportName))] = Field(
        description="Which report."
    )
    by: Annotated[Grouping | None, *_one_of("grouping", get_args(Grouping))] = Field(
        None,
        description="What the rows are grouped by. Default: stage for pipeline_by_stage, none (one "
        "row) for win_rate, owner for sales_performance. stage is for pipeline_by_stage only.",
        validate_default=True,
        json_schema_extra=_without_default,
    )
    from_: PlainDate | None = Field(
        None, alias="from", description="First day of the period, inclusive."
    )
    to: PlainDate | None = Field(None, description="Last day of the period, inclusive.")
    format: Annotated[FileFormat, *_one_of("format", get_args(FileFormat))] = "pdf"
    currency: KnownCurrency | None = Field(
        None,
        description="Only opportunities in this currency, which may be a withdrawn one (HRK); "
        "default: all currencies.",
    )
    time_zone: TimeZoneName | None = Field(
        None,
        description="The time zone of `period` and of the times in the file (IANA name). Default: "
        "the tenant's. Days of opportunities are calendar dates, which no zone changes.",
    )

    @field_validator("by")
    @classmethod
    def _allowed_grouping(cls, by: Grouping | None, info: ValidationInfo) -> Grouping | None:
        report: ReportName | None = info.data.get("report")  # absent when itself invalid
        if report is None:
            return by
        allowed = GROUPINGS[report]
        if by is None:
            return allowed[0]
        if by not in allowed:
            raise PydanticCustomError(
                "unknown_choice",
                "{report} cannot be grouped by {by}; allowed are {allowed}",
                {"report": report, "by": by, "allowed": _listed(allowed)},
            )
        return by

    @field_validator("to")
    @classmethod
    def _not_before_start(cls, to: date | None, info: ValidationInfo) -> date | None:
        start: date | None = info.data.get("from_")
        if to is not None and start is not None and to < start:
            raise PydanticCustomError(
                "period_backwards",
                "the period ends ({to}) before it begins ({start}); to must be {start} or later",
                {"to": to.isoformat(), "start": start.isoformat()},
            )
        return to

    @property
    def grouping(self) -> Grouping:
        """The grouping with the report's default filled in."""
        return self.by or GROUPINGS.get(self.report, ("none",))[0]

    @property
    def zone(self) -> str:
        """The time zone; runs of earlier versions have none and are in UTC."""
        return self.time_zone or DEFAULT_ZONE

    @property
    def contexts(self) -> tuple[str, ...]:
        """The contexts whose events the report reads; an account's sector is in its own events."""
        more = ("customers",) if self.grouping == "sector" else ()
        return ("opportunities", *more)

    @classmethod
    def unchecked(cls, stored: Any) -> "ReportParameters | None":
        """Stored parameters without validation, because the report may no longer exist.

        None when they name no report, or have days that are none.
        """
        if not isinstance(stored, dict) or not isinstance(stored.get("report"), str):
            return None
        try:
            days = {
                name: date.fromisoformat(stored[name])
                for name in ("from", "to")
                if stored.get(name)
            }
        except (TypeError, ValueError):
            return None
        return cls.model_construct(**stored | days)

    def checked(self) -> "ReportParameters":
        """The same parameters, validated again. Raises ValidationError."""
        return ReportParameters.model_validate(self.model_dump(mode="json"))


class ReportRequest(ReportParameters):
    """A report to request; a named period is stored as its days, so that every attempt has them."""

    period: Annotated[PeriodName | None, *_one_of("period", get_args(PeriodName))] = Field(
        None,
        description="A period relative to today in the time zone, in place of from and to. Weeks "
        "begin on Monday.",
    )

    @field_validator("period")
    @classmethod
    def _instead_of_days(cls, period: PeriodName | None, info: ValidationInfo) -> PeriodName | None:
        if period and (info.data.get("from_") or info.data.get("to")):
            raise PydanticCustomError("period_twice", "give either period, or from and to")
        return period

    def parameters(self, now: datetime, tenant_zone: str) -> ReportParameters:
        """The parameters of the run, with its zone and its days."""
        zone = self.time_zone or tenant_zone
        asked = self.model_dump(exclude={"period"}) | {"time_zone": zone}
        if self.period:
            asked["from"], asked["to"] = days_of(self.period, today(now, zone))
        return ReportParameters.model_validate(asked)
