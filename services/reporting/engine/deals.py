"""The one aggregation behind every report: deals by group and currency, as they stood last.

A deal is an opportunity's last event by sequence, unless it is archived. Its date is the day it
closed or, while it is open, the day it is expected to. It is priced in one currency or in none.

Open deals whose forecast category is `omitted` are left out everywhere, and lost deals never add
to an amount. The weighted amount is rounded deal by deal (amount x probability / 100, half away
from zero), so that every sum equals the sum of its parts, however they are grouped.
"""

from dataclasses import dataclass

from reporting.engine.events import DEAL, LABEL, LOST, OPEN, WON, Events
from reporting.engine.parameters import Grouping, ReportParameters
from reporting.engine.progress import Watch
from reporting.engine.report import NONE_LABEL


def _latest(kind: int) -> str:
    """The last event of each record of a kind; copies of an event are equal, so either will do."""
    return f"""
    SELECT * FROM event WHERE kind = {kind} AND rowid IN (
        SELECT arg_max(rowid, sequence) FROM event WHERE kind = {kind} GROUP BY subject)"""  # noqa: S608 - constants


_NAMES: dict[Grouping, str] = {
    "none": "NULL",
    "month": "strftime(day, '%Y-%m')",
    "product": "coalesce(label.label, deal.key)",  # a product we know nothing of: its id
    "sector": "label.label",
}
"""SQL of the value to group by, where it is not just the deal's key."""

_WEIGHTED = (
    "sign(deal.minor_units) * ((abs(deal.minor_units) * coalesce(deal.probability, 0) + 50) // 100)"
)
_LABELLED = f"LEFT JOIN ({_latest(LABEL)}) AS label ON label.record = deal.key"


def _sql(grouping: Grouping) -> str:
    stage = "stage, max(stage_name)" if grouping == "stage" else "NULL, NULL"
    labelled = _LABELLED if grouping in ("product", "sector") else ""
    return f"""
SELECT nullif(trim({_NAMES.get(grouping, "deal.key")}), '') AS name, {stage}, deal.currency,
    count(*) FILTER (deal.state = {OPEN}),
    coalesce(sum(deal.minor_units) FILTER (deal.state = {OPEN}), 0),
    coalesce(sum({_WEIGHTED}) FILTER (deal.state = {OPEN}), 0)::HUGEINT,
    count(*) FILTER (deal.state = {WON}),
    coalesce(sum(deal.minor_units) FILTER (deal.state = {WON}), 0),
    count(*) FILTER (deal.state = {LOST})
FROM ({_latest(DEAL)}) AS deal {labelled}
WHERE deal.state IS NOT NULL
    AND ($start IS NULL OR deal.day >= $start) AND ($end IS NULL OR deal.day <= $end)
    AND ($currency IS NULL OR deal.currency = $currency)
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
    """The deals that share a value, priced in one currency (None: without a price)."""

    labels: tuple[str, ...]
    """What the row is called: one text, or pipeline and stage."""
    order: tuple[int, int, str]
    """Its place where groups have an order of their own; those without a value come last."""
    currency: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class _Pipeline:
    name: str
    stages: dict[str, tuple[int, str]]
    """Place and name of each stage by its key."""


BUILT_IN = {
    "default": _Pipeline(
        "Sales",
        {
            "lead": (0, "Lead"),
            "qualified": (1, "Qualified"),
            "proposal": (2, "Proposal"),
            "negotiation": (3, "Negotiation"),
            "won": (4, "Won"),
            "lost": (5, "Lost"),
        },
    )
}
"""The pipeline that every company has from the start: no event tells of it until it is changed."""


def groups(events: Events, parameters: ReportParameters, watch: Watch) -> list[Group]:
    """All groups that have a deal within the period, in no particular order."""
    watch.step(0.0, "Adding up")
    rows = events.query(
        _sql(parameters.grouping),
        {"start": parameters.from_, "end": parameters.to, "currency": parameters.currency},
    )
    pipelines = _pipelines(events) if parameters.grouping == "stage" else {}
    watch.step(1.0, "Added up")
    found = []
    for name, stage, stage_name, currency, *figures in rows:
        labels, order = _label(parameters, pipelines, name, stage, stage_name)
        found.append(Group(labels, order, currency, Figures(*figures)))
    return found


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
            # A stage that the pipeline no longer has still holds deals: after the others.
            place, stage_title = pipeline.stages.get(
                stage or "", (len(pipeline.stages), stage_name or stage or NONE_LABEL)
            )
            return (pipeline.name, stage_title), (int(name is None), place, "")
        case _:
            return (name or NONE_LABEL,), (int(name is None), 0, name or "")


def _pipelines(events: Events) -> dict[str, _Pipeline]:
    """The pipelines by id."""
    return BUILT_IN | {
        record: _Pipeline(
            name or record,
            {stage["key"]: (place, stage["name"]) for place, stage in enumerate(stages or ())},
        )
        for record, name, stages in events.query(_PIPELINES)
    }
