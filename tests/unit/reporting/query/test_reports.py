"""The figures of reports in special cases."""

import gzip
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kernel.tasks.progress import Interrupted
from reporting.job_errors import DiskFull, LakeUnreadable
from reporting.lake.cache import LakeFiles
from reporting.parameters import ReportParameters
from reporting.query import event_table
from reporting.query.compute import compute
from reporting.report import Kind, Report
from tests.unit.reporting.query.synthetic import (
    BEGIN,
    event,
    hours,
    lay,
    money,
    opportunity,
    pipeline,
)
from tests.unit.reporting.recorder import Recorder

WON = {"stage": "won", "stage_name": "Won", "status": "won", "probability": 100}
LOST = {"stage": "lost", "stage_name": "Lost", "status": "lost", "probability": 0}


def asked(report: str, **more: Any) -> ReportParameters:
    return ReportParameters.model_validate({"report": report} | more)


def report_of(root: Path, events: list[dict[str, Any]], name: str, **more: Any) -> Report:
    return compute(lay(root, events), asked(name, **more))


def test_an_empty_lake_gives_an_empty_report_with_zero_totals(tmp_path: Path) -> None:
    report = report_of(tmp_path, [], "sales_performance")
    assert report.rows == ()
    assert report.totals == (("Total", None, 0, 0, None, 0, 0, 0, None),)
    assert report.charts == ()
    assert (report.position.events, report.position.last_time) == (0, None)


def test_stages_are_in_the_order_of_their_pipeline(tmp_path: Path) -> None:
    stages = [("negotiation", "Negotiation"), ("lead", "Lead"), ("qualified", "Qualified")]
    events = [pipeline()]
    events += [opportunity(f"d-{key}", stage=key, stage_name=name) for key, name in stages]
    events.append(opportunity("gone", stage="demo", stage_name="Demo, no longer a stage"))
    report = report_of(tmp_path, events, "pipeline_by_stage")
    assert [row[:2] for row in report.rows] == [
        ("Sales", "Lead"),
        ("Sales", "Qualified"),
        ("Sales", "Negotiation"),
        ("Sales", "Demo, no longer a stage"),
    ]


def test_the_default_pipeline_is_named_and_ordered_by_its_event_like_any_other(
    tmp_path: Path,
) -> None:
    stages = [("negotiation", "Negotiation"), ("lead", "Lead"), ("qualified", "Qualified")]
    deals = [opportunity(f"d-{key}", stage=key, stage_name=name) for key, name in stages]
    report = report_of(tmp_path / "with", [pipeline(), *deals], "pipeline_by_stage")
    assert [row[:2] for row in report.rows] == [
        ("Sales", "Lead"),
        ("Sales", "Qualified"),
        ("Sales", "Negotiation"),
    ]
    early = report_of(tmp_path / "without", deals, "pipeline_by_stage")
    assert {row[:2] for row in early.rows} == {
        ("default", "Lead"),
        ("default", "Qualified"),
        ("default", "Negotiation"),
    }, "until it is in the lake: its id, and the stage names of the opportunities"


def test_won_lost_omitted_and_archived_opportunities_are_not_in_the_pipeline(
    tmp_path: Path,
) -> None:
    price = {"amount": money(1000)}
    events = [
        opportunity("open", **price),
        opportunity("won", **price, **WON),
        opportunity("lost", **price, **LOST),
        opportunity("omitted", **price, forecast_category="omitted"),
        opportunity("archived", **price, archived_at="2026-03-01T09:00:00.000Z"),
    ]
    report = report_of(tmp_path, events, "pipeline_by_stage", by="none")
    assert report.rows == (("All deals", "USD", 1, 1000, 100),)


def test_each_weighted_amount_is_rounded_half_away_from_zero(tmp_path: Path) -> None:
    cases = [(5, 10, 1), (14, 10, 1), (4, 10, 0), (-5, 10, -1), (-4, 10, 0)]
    largest = 2**53 - 1
    cases.append((largest, 99, (largest * 99 + 50) // 100))
    events = [
        opportunity(f"d{n}", owner_id=f"{n}", amount=money(amount), probability=probability)
        for n, (amount, probability, _) in enumerate(cases)
    ]
    report = report_of(tmp_path, events, "pipeline_by_stage", by="owner")
    assert {row[0]: row[-2] for row in report.rows} == {
        f"{n}": weighted for n, (_, _, weighted) in enumerate(cases)
    }
    assert report.totals[0][-2] == sum(weighted for _, _, weighted in cases)


def test_two_currencies_are_never_added(tmp_path: Path) -> None:
    events = [
        opportunity("a", amount=money(100, "EUR"), owner_id="ann"),
        opportunity("b", amount=money(100, "USD"), owner_id="ann"),
        opportunity("c", owner_id="ann"),
    ]
    report = report_of(tmp_path, events, "pipeline_by_stage", by="owner")
    assert report.rows == (
        ("ann", "EUR", 1, 100, 10, "ann"),
        ("ann", "USD", 1, 100, 10, "ann"),
        ("ann", None, 1, 0, 0, "ann"),
    )
    assert [total[:3] for total in report.totals] == [
        ("Total", "EUR", 1),
        ("Total", "USD", 1),
        ("Total", None, 1),
    ]


def test_opportunities_without_an_amount_share_the_row_of_the_only_currency(tmp_path: Path) -> None:
    events = [
        opportunity("a", amount=money(100), region="North"),
        opportunity("b", region="North"),
        opportunity("c", region="South"),
    ]
    report = report_of(tmp_path, events, "pipeline_by_stage", by="region")
    assert report.rows == (("North", "USD", 2, 100, 10), ("South", "USD", 1, 0, 0))
    assert "2 deals have no amount and count with 0." in report.notes


def test_a_single_currency_can_be_requested(tmp_path: Path) -> None:
    events = [
        opportunity("a", amount=money(100, "EUR")),
        opportunity("b", amount=money(7, "USD")),
        opportunity("c"),
    ]
    report = report_of(tmp_path, events, "pipeline_by_stage", by="none", currency="USD")
    assert report.rows == (("All deals", "USD", 1, 7, 1),)


def test_win_rates_count_opportunities_of_every_currency_in_one_row(tmp_path: Path) -> None:
    events = [
        opportunity("a", amount=money(1, "EUR"), **WON),
        opportunity("b", amount=money(1, "USD"), **WON),
        opportunity("c", **LOST),
        opportunity("d"),
    ]
    report = report_of(tmp_path, events, "win_rate")
    assert report.rows == (("All deals", 2, 1, 3, Decimal("0.6667")),)


def test_a_group_without_closed_opportunities_has_no_row_among_win_rates(tmp_path: Path) -> None:
    events = [opportunity("a", owner_id="ann", **WON), opportunity("b", owner_id="bob")]
    report = report_of(tmp_path, events, "win_rate", by="owner")
    assert [row[0] for row in report.rows] == ["ann"]


def test_a_missing_attribute_is_shown_as_none_and_last(tmp_path: Path) -> None:
    events = [
        opportunity("a", amount=money(900), **WON),
        opportunity("b", amount=money(100), team_id="north", **WON),
        opportunity("c", amount=money(100), team_id="  ", **WON),
    ]
    report = report_of(tmp_path, events, "sales_performance", by="team")
    assert [(row[0], row[2]) for row in report.rows] == [("north", 1), ("(none)", 2)]


def test_an_opportunity_is_dated_by_its_closing_or_its_expected_close(tmp_path: Path) -> None:
    days = {"expected_close_on": "2026-01-15", "closed_on": "2026-02-15"}
    events = [
        opportunity("won", **days, **WON),
        opportunity("open", expected_close_on="2026-01-15"),
        opportunity("never"),
    ]
    report = report_of(tmp_path, events, "sales_performance", by="month")
    assert [(row[0], row[2], row[6]) for row in report.rows] == [
        ("2026-01", 0, 1),
        ("2026-02", 1, 0),
        ("(none)", 0, 1),
    ]


def test_an_opportunity_without_a_date_is_in_no_period(tmp_path: Path) -> None:
    events = [opportunity("a", **WON), opportunity("b", closed_on="2026-02-28", **WON)]
    assert report_of(tmp_path, events, "win_rate").totals[0][1] == 2
    dated = report_of(tmp_path, events, "win_rate", to="2026-03-31")
    assert dated.totals[0][1] == 1


def test_products_and_sectors_are_shown_by_their_latest_names(tmp_path: Path) -> None:
    events = [
        event("product", "p1", 1, {"name": "Box"}),
        event("product", "p1", 2, {"name": "Crate", "archived_at": "2026-03-01T08:00:00.000Z"}),
        event("account", "a1", 1, {"name": "Acme", "sector": "Mining"}),
        opportunity("a", product_id="p1", account_id="a1"),
        opportunity("b", product_id="unheard-of", account_id="unheard-of"),
    ]
    by_product = report_of(tmp_path, events, "pipeline_by_stage", by="product")
    assert [row[0] for row in by_product.rows] == ["Crate", "unheard-of"]
    by_sector = report_of(tmp_path, events, "pipeline_by_stage", by="sector")
    assert [row[0] for row in by_sector.rows] == ["Mining", "(none)"]


def test_sequences_are_compared_as_numbers_and_not_as_text(
    tmp_path: Path,
) -> None:
    events = [opportunity("a", n, at=hours(n / 60), amount=money(n)) for n in range(1, 12)]
    report = report_of(tmp_path, events[::-1], "pipeline_by_stage", by="none")
    assert report.rows[0][3] == 11  # as text, "9" would be the last


def test_a_past_instant_shows_the_opportunities_as_they_were(tmp_path: Path) -> None:
    events = [
        opportunity("a", 1, at=BEGIN, amount=money(10)),
        opportunity("a", 2, at=hours(24), amount=money(30), **WON),
    ]
    files = lay(tmp_path, events)
    then = compute(files, asked("sales_performance", by="none"), as_of=hours(24) - timedelta(0, 1))
    assert then.rows == (("All deals", "USD", 0, 0, None, 0, 1, 10),)
    assert (then.position.events, then.position.last_time) == (1, BEGIN)
    on_the_instant = compute(files, asked("sales_performance", by="none"), as_of=hours(24))
    assert on_the_instant.rows == (("All deals", "USD", 1, 30, 30, 0, 0, 0),)


def test_the_position_is_the_last_event_read_and_counts_each_once(tmp_path: Path) -> None:
    events = [opportunity(f"d{n}", at=hours(n)) for n in range(50)]
    report = report_of(tmp_path, [*events[25:], *events, *events[:9]], "win_rate")
    assert report.position.events == 50
    assert report.position.last_time == hours(49)
    assert report.position.last_id == "opportunity-d49-000001"


def test_the_last_event_is_found_in_any_file(tmp_path: Path) -> None:
    events = [opportunity(f"d{n}", at=hours(n % 20)) for n in range(40)]
    files = lay(tmp_path, events[::-1], per_file=7)  # the newest file has the oldest events
    latest = compute(files, asked("win_rate")).position
    assert (latest.last_time, latest.last_id) == (hours(19), "opportunity-d39-000001")
    past = compute(files, asked("win_rate"), as_of=hours(5)).position
    assert (past.events, past.last_time) == (12, hours(5))
    assert past.last_id == "opportunity-d5-000001", (
        "of two at that instant, the one in the newer file"
    )


def test_only_the_sectors_need_the_customers_events() -> None:
    assert asked("win_rate").contexts == ("opportunities",)
    assert asked("win_rate", by="sector").contexts == ("opportunities", "customers")


def test_a_value_that_looks_like_sql_is_not_executed(tmp_path: Path) -> None:
    nasty = "'; DROP TABLE event; --"
    report = report_of(
        tmp_path, [opportunity("a", owner_id=nasty)], "pipeline_by_stage", by="owner"
    )
    assert report.rows[0][0] == nasty


def test_a_full_disk_is_not_taken_for_damaged_data() -> None:
    class Connection:
        def execute(self, *_: Any) -> None:
            raise duckdb.IOException('Could not write file "x.tmp": No space left on device')

    with pytest.raises(DiskFull, match="no space"):
        event_table._run(Connection(), "SELECT 1")  # type: ignore[arg-type]


def test_a_damaged_file_is_named_by_its_key_in_the_lake(tmp_path: Path) -> None:
    files = lay(tmp_path, [opportunity("a")])
    files.paths[0].write_bytes(gzip.compress(b'{"id": "x", "subject": broken\n'))
    with pytest.raises(LakeUnreadable, match=r"context=opportunities/date=.*0000\.jsonl\.gz"):
        compute(files, asked("win_rate"))
    assert str(tmp_path) not in _message(files)


def _message(files: LakeFiles) -> str:
    try:
        compute(files, asked("win_rate"))
    except LakeUnreadable as fault:
        return str(fault)
    return ""


def test_a_truncated_file_is_rejected(tmp_path: Path) -> None:
    files = lay(tmp_path, [opportunity(f"d{n}", name="x" * 500 + str(n)) for n in range(40)])
    files.paths[0].write_bytes(files.paths[0].read_bytes()[:-200])
    with pytest.raises(LakeUnreadable):
        compute(files, asked("win_rate"))


def test_files_outside_the_tenants_folder_cannot_be_read(tmp_path: Path) -> None:
    ours = lay(tmp_path, [opportunity("a")])
    theirs = lay(tmp_path, [opportunity("b")], tenant="globex")
    with pytest.raises(Exception, match="file system operations are disabled"):
        compute(LakeFiles(ours.tenant, ours.folder, theirs.paths), asked("win_rate"))


def test_progress_grows_to_the_end_and_names_the_steps(tmp_path: Path) -> None:
    progress = Recorder()
    files = lay(tmp_path, [opportunity(f"d{n}") for n in range(20)])
    compute(files, asked("win_rate"), progress=progress)
    fractions = [fraction for fraction, _ in progress.steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert all(text for _, text in progress.steps)


def test_a_cancelled_report_stops_at_the_next_step(tmp_path: Path) -> None:
    progress = Recorder(stop=bool)
    with pytest.raises(Interrupted):
        compute(lay(tmp_path, [opportunity("a")]), asked("win_rate"), progress=progress)
    assert len(progress.steps) == 1


def test_the_largest_groups_are_first(tmp_path: Path) -> None:
    events = [
        opportunity(f"d{n}", owner_id=f"agent {n}", amount=money(100 * n), **WON) for n in (3, 1, 2)
    ]
    report = report_of(tmp_path, events, "sales_performance")
    assert [row[0] for row in report.rows] == ["agent 3", "agent 2", "agent 1"]


def test_a_chart_has_twelve_bars_and_sums_up_the_rest(tmp_path: Path) -> None:
    events = [
        opportunity(f"d{n}", owner_id=f"o{n}", amount=money(100 + n), **WON) for n in range(15)
    ]
    [chart] = report_of(tmp_path, events, "sales_performance").charts
    assert chart.labels[:2] == ("o14", "o13")
    assert len(chart.labels) == 12
    assert chart.rest == ("3 others", (100 + 101 + 102,))
    assert (chart.unit, chart.currency) == (Kind.MONEY, "USD")


def test_a_chart_of_months_shows_the_latest_in_order(tmp_path: Path) -> None:
    months = [date(2024 + n // 12, n % 12 + 1, 1).isoformat() for n in range(14)]
    events = [
        opportunity(f"d{n}", closed_on=day, **(LOST if n else WON)) for n, day in enumerate(months)
    ]
    [chart] = report_of(tmp_path, events, "win_rate", by="month").charts
    assert chart.labels[0] == "2024-03"
    assert chart.labels[-1] == "2025-02"
    assert chart.rest == ("2 earlier", (Decimal("0.5"),))
    assert chart.in_order


def test_without_amounts_a_chart_counts_opportunities(tmp_path: Path) -> None:
    [chart] = report_of(tmp_path, [opportunity("a"), opportunity("b")], "pipeline_by_stage").charts
    assert (chart.unit, chart.series[0].values) == (Kind.INT, (2,))


def test_a_report_after_a_restore_shows_the_history_that_survives(tmp_path: Path) -> None:
    """The lost events have higher sequences; the surviving one is later."""
    lost = [opportunity("d", n, at=hours(n), amount=money(n)) for n in range(1, 10)]
    new = opportunity("d", 6, at=hours(24), amount=money(600), **WON)
    report = report_of(tmp_path, [*lost, {**new, "id": "new"}], "sales_performance")
    assert report.totals == (("Total", "USD", 1, 600, 600, 0, 0, 0, None),)
    assert report.position.last_id == "new"


def test_of_the_events_of_one_change_the_last_by_sequence_counts(tmp_path: Path) -> None:
    events = [opportunity("d", n, amount=money(n), **WON) for n in (3, 10, 2)]
    report = report_of(tmp_path, events, "sales_performance")
    assert report.totals == (("Total", "USD", 1, 10, 10, 0, 0, 0, None),)
