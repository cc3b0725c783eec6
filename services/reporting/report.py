"""A finished report as a value: columns, rows, totals, charts, and what it reflects."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

NONE_LABEL = "(none)"
"""The label of opportunities without a value to group by: no account, product or date."""
TOTAL_LABEL = "Total"

type Cell = str | int | Decimal | date | None
type Row = tuple[Cell, ...]


class Kind(StrEnum):
    """What the cells of a column are."""

    TEXT = "text"
    INT = "int"
    MONEY = "money"
    """Minor units (int) of the currency in the row's `currency` column."""
    PERCENT = "percent"
    """A ratio as Decimal with four digits: 0.6315 is 63.15 %; None where there is nothing."""
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `key` is for programs, `title` for people."""

    key: str
    title: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of bars; as many values as the chart has labels."""

    title: str
    values: tuple[int | Decimal, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars to draw: at most 12 groups; what is beyond them is gathered in `rest`."""

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: Kind
    currency: str | None = None
    in_order: bool = False
    """The labels have an order of their own (stages, months): draw them from left to right."""
    rest: tuple[str, tuple[int | Decimal, ...]] | None = None
    """The groups without a bar, taken together: to be said, for as a bar it would dwarf all."""


@dataclass(frozen=True, slots=True)
class Period:
    """Inclusive calendar days; None where it is open."""

    start: date | None = None
    end: date | None = None

    def __str__(self) -> str:
        match self.start, self.end:
            case None, None:
                return "all dates"
            case start, None:
                return f"from {start}"
            case None, end:
                return f"until {end}"
            case start, end:
                return f"{start} to {end}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where in the event stream a report stands: how many events, and the last of them."""

    events: int = 0
    last_time: datetime | None = None
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the renderers write. Money stays in minor units until then."""

    name: str
    title: str
    tenant: str
    by: str
    date_meaning: str
    """Which date of an opportunity the period is about, for people."""
    period: Period
    as_of: datetime | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    totals: tuple[Row, ...]
    charts: tuple[Chart, ...]
    position: Position
    currency: str | None = None
    """The one currency that was asked for, if any."""
    notes: tuple[str, ...] = field(default=())

    @property
    def row_count(self) -> int:
        """Rows without the totals."""
        return len(self.rows)

    def currency_index(self) -> int | None:
        """The position of the column that says what money a row is in."""
        for index, column in enumerate(self.columns):
            if column.key == "currency":
                return index
        return None
