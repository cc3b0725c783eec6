"""Every report in every grouping equals a brute-force oracle, however the events were delivered."""

import tempfile
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reporting.parameters import GROUPINGS, ReportParameters
from reporting.query.compute import compute
from reporting.report import Report
from tests.unit.reporting.query.oracle import Rows, expected
from tests.unit.reporting.query.synthetic import (
    STAGES,
    delivered_badly,
    event,
    hours,
    instant,
    lay,
    money,
    opportunity,
    pipeline,
)

DAYS = st.dates(date(2026, 1, 1), date(2026, 4, 30)).map(date.isoformat)
AMOUNTS = st.builds(
    money,
    st.integers(-(10**6), 10**6) | st.integers(-(2**53), 2**53) | st.sampled_from([0, 1, 5, 50]),
    st.sampled_from(["USD", "EUR", "JPY"]),
)
NAMES = st.sampled_from(["a", "b", "c", "Ä", "=1+1"])


@st.composite
def opportunity_states(draw: st.DrawFn) -> dict[str, Any]:
    """One state of an opportunity, with every optional field sometimes absent."""
    stage = draw(st.sampled_from(STAGES))
    return {
        "stage": stage["key"],
        "stage_name": stage["name"],
        "status": stage["kind"],
        "probability": draw(st.sampled_from([stage["probability"], 1, 33, 50])),
        "forecast_category": draw(st.sampled_from(["pipeline", "commit", "omitted"])),
        "pipeline_id": draw(st.sampled_from(["default", "unknown"])),
        "amount": draw(st.none() | AMOUNTS),
        "expected_close_on": draw(st.none() | DAYS),
        "closed_on": draw(st.none() | DAYS) if stage["kind"] != "open" else None,
        "archived_at": draw(st.sampled_from([None] * 5 + ["2026-03-01T00:00:00.000Z"])),
        "owner_id": draw(st.none() | NAMES),
        "team_id": draw(st.none() | NAMES),
        "region": draw(st.none() | NAMES),
        "product_id": draw(st.sampled_from([None, "p1", "p2", "p3"])),
        "account_id": draw(st.sampled_from([None, "a1", "a2", "a3"])),
    }


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events in the order in which they happened, one an hour."""
    events = [pipeline()]
    for name, labels in (("p1", ["Box", "Crate"]), ("p2", ["Bolt"]), ("a1", ["Mining"])):
        kind, member = ("product", "name") if name[0] == "p" else ("account", "sector")
        for sequence, label in enumerate(labels, 1):
            events.append(event(kind, name, sequence, {"name": "A", member: label}))
    events.append(event("account", "a2", 1, {"name": "Without a sector"}))
    events.append(event("contact", "c1", 1, {"first_name": "Ann", "account_id": "a1"}))
    for number, states in enumerate(
        draw(st.lists(st.lists(opportunity_states(), min_size=1, max_size=3)))
    ):
        for sequence, state in enumerate(states, 1):
            events.append(opportunity(f"d{number}", sequence, at=hours(sequence), **state))
        # Its table may have been restored: sequences come again, in other and later events.
        first = draw(st.integers(1, len(states)))
        for sequence, state in enumerate(draw(st.lists(opportunity_states(), max_size=2)), first):
            again = opportunity(f"d{number}", sequence, at=hours(10 + sequence), **state)
            events.append({**again, "id": again["id"] + "-again"})
    return events


EVERY = [(report, by) for report, groupings in GROUPINGS.items() for by in groupings]


@pytest.mark.parametrize(("report", "by"), EVERY)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_report_equals_the_oracle(report: str, by: str, data: st.DataObject) -> None:
    events = data.draw(histories())
    start, end = data.draw(st.sampled_from([(None, None), ("2026-02-01", "2026-03-31")]))
    currency = data.draw(st.sampled_from([None, None, "EUR"]))
    as_of = data.draw(st.sampled_from([None, hours(1), hours(2.5), hours(11)]))
    delivered = delivered_badly(events, Random(data.draw(st.integers(0, 99))))
    with tempfile.TemporaryDirectory() as folder:
        found = compute(
            lay(Path(folder), delivered, per_file=7),
            ReportParameters.model_validate(
                {"report": report, "by": by, "from": start, "to": end, "currency": currency}
            ),
            as_of=as_of,
        )
    rows, totals = expected(
        delivered, report, by, start=start, end=end, currency=currency, as_of=as_of
    )
    assert keyed(found, found.rows) == rows
    assert keyed(found, found.totals) == totals
    known = {f["id"] for f in events if as_of is None or f["time"] <= instant(as_of)}
    assert found.position.events == len(known)


def keyed(report: Report, rows: tuple[tuple[Any, ...], ...]) -> Rows:
    """Rows by their texts; every row must be unique. The ids of owners are tested by themselves."""
    report = replace(report, rows=rows).printed()
    texts = sum(column.kind == "text" for column in report.columns)
    found = {row[:texts]: row[texts:] for row in report.rows}
    assert len(found) == len(rows)
    return found


def test_the_period_is_inclusive_on_both_days(tmp_path: Path) -> None:
    first = date(2026, 2, 1)
    events = [
        opportunity(f"d{n}", status="won", closed_on=(first + timedelta(n - 1)).isoformat())
        for n in range(4)
    ]
    asked = {"report": "win_rate", "from": "2026-02-01", "to": "2026-02-02"}
    report = compute(lay(tmp_path, events), ReportParameters.model_validate(asked))
    assert report.totals[0][1] == 2
