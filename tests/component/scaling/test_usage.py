"""Meters of usage: what events add, in whatever order and however often they arrive."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaling.model.usage import METERED, DayOfUsage, Meter
from scaling.service.ports import UsageReader
from tests.component.conftest import create_table
from tests.component.scaling.metering import MONDAY, counters, deliver, event, gone, new


@pytest.fixture(autouse=True)
def _now(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Friday of the week in which these events happen."""
    monkeypatch.setattr("scaling.bootstrap.utc_now", lambda: MONDAY + timedelta(days=4))


def days(tenant: str = "globex", last: int = 31) -> list[DayOfUsage]:
    from scaling.bootstrap import usage

    return list(usage().days_of_usage(tenant, last))


def on(day: int, hour: int = 9) -> dict[str, Any]:
    """A time of that week."""
    return {"at": MONDAY.replace(hour=hour) + timedelta(days=day)}


def test_levels_are_what_there_is_at_the_end_of_each_day(cloud: Any) -> None:
    first, second = new("account", **on(0)), new("account", **on(0))
    left = gone(new("person", **on(3)))
    deliver([first, second, new("opportunity", stage="won", **on(0)), gone(first)])
    deliver([event("person/ida", 1, active=True, **on(2))])
    deliver([event(left["subject"], 1, active=True, **on(3)), left])
    found = {one.day: one.values for one in days()}
    assert list(found) == [date(2026, 11, 23), date(2026, 11, 25), date(2026, 11, 26)]
    levels = (Meter.CUSTOMERS, Meter.OPPORTUNITIES, Meter.USERS)
    assert [[one[m] for m in levels] for one in found.values()] == [[1, 1, 0], [1, 1, 1], [1, 1, 1]]


def test_a_restored_record_counts_again(cloud: Any) -> None:
    created = new("account")
    archived = gone(created)
    deliver([created, archived, event(created["subject"], 3, MONDAY + timedelta(hours=1))])
    assert days()[0].values[Meter.CUSTOMERS] == 1


def test_active_users_are_those_who_changed_something(cloud: Any) -> None:
    deliver(
        [
            *(new("task", actor=one, **on(0, 9)) for one in ("ann", "bob", "ann")),
            new("task", actor="cid", **on(0, 14)),
            new("task", actor="dora", origin="import", **on(0, 14)),
            new("task", actor="ann", **on(1, 23)),
            new("task", actor="system", origin="system", **on(0, 9)),
            # What follows from somebody's change is not theirs, and old events name nobody.
            new("task", actor="eve", origin="system", **on(0, 9)),
            new("task", actor="", **on(0, 9)),
        ]
    )
    monday, tuesday = (one.values for one in days())
    assert (monday[Meter.ACTIVE_USERS], monday[Meter.CONCURRENT_USERS]) == (4, 2)
    assert (monday[Meter.REQUESTS], tuesday[Meter.REQUESTS]) == (6, 1)
    assert (tuesday[Meter.ACTIVE_USERS], tuesday[Meter.CONCURRENT_USERS]) == (1, 1)


def test_a_day_without_requests_or_reports_has_no_such_value(cloud: Any) -> None:
    deliver([new("notification", actor="system", origin="system")])
    (monday,) = days()
    assert monday.values.keys() == {
        Meter.USERS, Meter.CUSTOMERS, Meter.OPPORTUNITIES, Meter.DATA_MB,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "ended"),
    [("ReportCompleted", 90), ("ReportFailed", 90), ("ReportCancelled", 90), ("ReportStarted", 0)],
)
def test_reports_count_the_time_of_their_last_attempt(name: str, ended: int, cloud: Any) -> None:
    run = {"started_at": "2026-11-23T09:00:00.500Z", "ended_at": "2026-11-23T09:01:30.500Z"}
    deliver([new("report", name=name, **run)])
    assert days()[0].values.get(Meter.REPORT_SECONDS, 0) == ended


def test_a_report_cancelled_before_it_began_took_no_time(cloud: Any) -> None:
    deliver([new("report", name="ReportCancelled", ended_at="2026-11-23T09:00:00Z")])
    assert Meter.REPORT_SECONDS not in days()[0].values


def test_data_is_the_bytes_of_events_and_of_files(cloud: Any) -> None:
    import json

    umlaut = new("account", note="ä" * 100)
    report = new("report", name="ReportCompleted", outcome={"size_bytes": 3_000_000})
    deliver([umlaut, report])
    size = sum(
        len(json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode())
        for one in (umlaut, report)
    )
    assert days()[0].values[Meter.DATA_MB] == Decimal(3_000_000 + size) / 1_000_000


def test_only_the_days_asked_for_are_read(cloud: Any) -> None:
    deliver([new("account", **on(day)) for day in (-30, -3, -2, 1, 4)])
    found = [(one.day.day, one.values[Meter.CUSTOMERS]) for one in days(last=7)]
    assert found == [(21, 3), (24, 4), (27, 5)]
    assert [one.values[Meter.ACTIVE_USERS] for one in days(last=7)] == [1, 1, 1]


def test_a_late_event_counts_on_its_day(cloud: Any) -> None:
    deliver([new("account", **on(2))])
    deliver([new("account", **on(0))])
    assert [one.values[Meter.CUSTOMERS] for one in days()] == [1, 2]


def test_the_tenants_are_apart(cloud: Any) -> None:
    from scaling.bootstrap import usage

    deliver([new("account", tenant=one) for one in ("globex", "initech", "globex")])
    assert days("globex")[0].values[Meter.CUSTOMERS] == 2
    assert days("initech")[0].values[Meter.CUSTOMERS] == 1
    reader: UsageReader = usage()
    assert reader.metered_tenants() == ["globex", "initech"]


def test_every_record_type_of_other_contexts_is_metered() -> None:
    from kernel.runtime.contexts import contexts

    others = (one for one in contexts().values() if one.name != "scaling")
    assert sorted(METERED) == sorted(r.name for one in others for r in one.record_types)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events about some records, in the order in which they happened."""
    events = []
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["account", "person", "opportunity", "report"]))
        at = MONDAY
        for sequence in range(1, draw(st.integers(1, 3)) + 1):
            at += timedelta(hours=draw(st.integers(0, 30)))
            shown = draw(st.booleans())
            state: dict[str, Any] = {} if shown else {"archived_at": "2026-11-24T00:00:00Z"}
            if kind == "report":
                state = {"started_at": "2026-11-23T09:00:00Z", "ended_at": "2026-11-23T09:00:07Z"}
            state |= {"active": shown} if kind == "person" else {}
            more = {"actor": draw(st.sampled_from(["ann", "bob", "system"]))}
            more["origin"] = draw(st.sampled_from(["api", "import", "system"]))
            more["name"] = "ReportCompleted" if kind == "report" else "Changed"
            events.append(event(f"{kind}/r{number}", sequence, at, **more, **state))
    return events


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_duplicates_reorderings_and_replays_end_in_the_same_state(
    cloud: Any, data: st.DataObject
) -> None:
    cloud.delete_table(TableName="table")
    create_table(cloud, "table")  # moto copies a table for every transaction, so it stays small
    happened = data.draw(histories())
    deliver(({**one, "tenantid": "ordered"} for one in happened), size=1)
    received = data.draw(st.permutations(happened + data.draw(st.permutations(happened))))
    for size in (data.draw(st.integers(2, 7)), 100):
        deliver(({**one, "tenantid": "another"} for one in received), size=size)
    assert counters(cloud, "another") == counters(cloud, "ordered")
    assert days("another") == days("ordered")
