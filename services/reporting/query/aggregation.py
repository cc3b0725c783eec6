"""The aggregation of every report: opportunities in their latest state, by group and currency.

An opportunity's state is that of its last event; archived ones are omitted. The last event is the
latest by time, and of one change that with the highest sequence: after a restore of the table a
lost history has higher sequences than the surviving one (docs/architecture.md, "Histories").

Its date is the close date or, while it is open, the expected close date. Its amount has one
currency, or it has no amount.

Open opportunities with the forecast category `omitted` are not counted, and lost ones never add to
an amount. The weighted amount is rounded for each opportunity (amount x probability / 100, half
away from zero), so that totals are the same for every grouping.

The names of pipelines, products and accounts come from their own last events; one without events is
shown by its id.
"""

from dataclasses import dataclass

from kernel.tasks.progress import Progress
from reporting.parameters import Grouping, ReportParameters
from reporting.query.event_table import LABEL, LOST, OPEN, OPPORTUNITY, WON, Events
from reporting.report import NONE_LABEL


def _latest(kind: int) -> str:
    """SQL: the last event of each record of a kind; any copy of an event, as copies are equal."""
    return f"""
    SELECT * FROM event WHERE kind = {kind} AND rowid IN (
        SELECT arg_max(rowid, (time, sequence)) FROM event WHERE kind = {kind} GROUP BY subject)"""  # noqa: S608 - constants


_NAMES: dict[Grouping, str] = {
    "none": "NULL",
    "month": "strftime(day, '%Y-%m')",
    "product": "coalesce(label.label, opportunity.key)",
    "sector": "label.label",
}
"""SQL of the value to group by, where it is not the opportunity's key."""

_WEIGHTED = (
    "sign(opportunity.minor_units) * ((abs(opportunity.minor_units) "
    "* coalesce(opportunity.probability, 0) + 50) // 100)"
)
_LABELLED = f"LEFT JOIN ({_latest(LABEL)}) AS label ON label.record = opportunity.key"


def _sql(grouping: Grouping) -> str:
    stage = "stage, max(stage_name)" if grouping == "stage" else "NULL, NULL"
    labelled = _LABELLED if grouping in ("product", "sector") else ""
    return f"""
SELECT nullif(trim({_NAMES.get(grouping, "opportunity.key")}), '') AS name,
    {stage}, opportunity.currency,
    count(*) FILTER (opportunity.state = {OPEN}),
    coalesce(sum(opportunity.minor_units) FILTER (opportunity.state = {OPEN}), 0),
    coalesce(sum({_WEIGHTED}) FILTER (opportunity.state = {OPEN}), 0)::HUGEINT,
    count(*) FILTER (opportunity.state = {WON}),
    coalesce(sum(opportunity.minor_units) FILTER (opportunity.state = {WON}), 0),
    count(*) FILTER (opportunity.state = {LOST})
FROM ({_latest(OPPORTUNITY)}) AS opportunity {labelled}
WHERE opportunity.state IS NOT NULL
    AND ($start IS NULL OR opportunity.day >= $start) AND ($end IS NULL OR opportunity.day <= $end)
    AND ($currency IS NULL OR opportunity.currency = $currency)
GROUP BY ALL
"""  # noqa: S608 - every piece is a constant; values are bound


_PIPELINES = f"SELECT record, label, stages FROM ({_latest(LABEL)})"  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts, and amounts in minor units of one currency."""

    open: int = 0
    open_amount: int = 0
    weighted: int = 0
    won: int = 0
    won_amount: int = 0
    lost: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.open + other.open,
            self.open_amount + other.open_amount,
            self.weighted + other.weighted,
            self.won + other.won,
            self.won_amount + other.won_amount,
            self.lost + other.lost,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """The opportunities that share a value, with amounts in one currency (None: no amount)."""

    labels: tuple[str, ...]
    """The label of the row: one text, or pipeline and stage."""
    order: tuple[int, int, str]
    """The sort key where groups have a natural order; those without a value come last."""
    currency: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class _Pipeline:
    name: str
    stages: dict[str, tuple[int, str]]
    """The position and the name of each stage, by key."""


def groups(events: Events, parameters: ReportParameters, progress: Progress) -> list[Group]:
    """All groups with an opportunity in the period, in no particular order."""
    progress.step(0.0, "Adding up")
    rows = events.query(
        _sql(parameters.grouping),
        {"start": parameters.from_, "end": parameters.to, "currency": parameters.currency},
    )
    pipelines = _pipelines(events) if parameters.grouping == "stage" else {}
    progress.step(1.0, "Added up")
    result = []
    for name, stage, stage_name, currency, *figures in rows:
        labels, order = _label(parameters, pipelines, name, stage, stage_name)
        result.append(Group(labels, order, currency, Figures(*figures)))
    return result


def _label(
    parameters: ReportParameters,
    pipelines: dict[str, _Pipeline],
    name: str | None,
    stage: str | None,
    stage_name: str | None,
) -> tuple[tuple[str, ...], tuple[int, int, str]]:
    match parameters.grouping:
        case "none":
            return ("All deals",), (0, 0, "")
        case "stage":
            title = name or NONE_LABEL
            pipeline = pipelines.get(title, _Pipeline(title, {}))
            # A stage that the pipeline no longer has comes after the others.
            place, stage_title = pipeline.stages.get(
                stage or "", (len(pipeline.stages), stage_name or stage or NONE_LABEL)
            )
            return (pipeline.name, stage_title), (int(name is None), place, "")
        case _:
            return (name or NONE_LABEL,), (int(name is None), 0, name or "")


def _pipelines(events: Events) -> dict[str, _Pipeline]:
    """The pipelines by id."""
    return {
        record: _Pipeline(
            name or record,
            {stage["key"]: (place, stage["name"]) for place, stage in enumerate(stages or ())},
        )
        for record, name, stages in events.query(_PIPELINES)
    }
