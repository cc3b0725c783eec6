"""A computed report: columns, rows, totals, charts, and the events it includes."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from kernel.domain.time_zones import DEFAULT_ZONE

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
    """A ratio as Decimal with four decimals: 0.6315 is 63.15 %; None without a value."""
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `key` is for programs, `title` for people."""

    key: str
    title: str
    kind: Kind
    in_print: bool = True
    """Whether it is also in files that people print; an id is for programs."""


@dataclass(frozen=True, slots=True)
class Series:
    """The bars of one colour, with one value per label of the chart."""

    title: str
    values: tuple[int | Decimal, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """A bar chart of at most 12 groups; `rest` sums up the others."""

    title: str
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    unit: Kind
    currency: str | None = None
    in_order: bool = False
    """Whether the labels have a natural order (stages, months); drawn from left to right."""
    rest: tuple[str, tuple[int | Decimal, ...]] | None = None
    """The sum of the groups without a bar, shown as text; as a bar it would outsize the others."""


@dataclass(frozen=True, slots=True)
class Period:
    """The first and the last calendar day, inclusive; None means no limit."""

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
    """The events that a report includes: their number, and the last of them."""

    events: int = 0
    last_time: datetime | None = None
    last_id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The input of the renderers. Money is in minor units."""

    name: str
    title: str
    tenant: str
    by: str
    date_meaning: str
    """The date of an opportunity to which the period applies, for people."""
    period: Period
    as_of: datetime | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    totals: tuple[Row, ...]
    charts: tuple[Chart, ...]
    position: Position
    currency: str | None = None
    """The only currency of the report, if one was requested."""
    time_zone: str = DEFAULT_ZONE
    """The zone of the times that the file shows, and in which the period was named."""
    notes: tuple[str, ...] = field(default=())
    chart_note: str = ""
    """Which currencies have no chart, for files with charts."""

    @property
    def row_count(self) -> int:
        """Rows without the totals."""
        return len(self.rows)

    def printed(self) -> "Report":
        """The same report with only the columns that are printed."""
        places = [place for place, column in enumerate(self.columns) if column.in_print]
        if len(places) == len(self.columns):
            return self

        def cut(rows: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(tuple(row[place] for place in places) for row in rows)

        columns = tuple(self.columns[place] for place in places)
        return replace(self, columns=columns, rows=cut(self.rows), totals=cut(self.totals))

    def currency_index(self) -> int | None:
        """The index of the column with the currency of a row, or None."""
        for index, column in enumerate(self.columns):
            if column.key == "currency":
                return index
        return None
