"""A report keeps the zone in which it was requested, whoever makes it and how often."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from kernel.tasks.job import JobControl
from reporting.bootstrap import repository, runs, service
from tests.component.conftest import ApiClient, published
from tests.component.reporting.conftest import into_lake, opportunity
from tests.component.reporting.running import Running, a_task, content, seen, with_parameters

Ask = Callable[..., dict[str, Any]]
NEW_YEAR = datetime(2026, 12, 31, 10, tzinfo=UTC)
"""On Kiritimati 2027 begins; in Los Angeles it is the night before New Year's Eve."""
LATER = datetime(2027, 2, 14, tzinfo=UTC)


@pytest.fixture
def at_new_year(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> ApiClient:
    monkeypatch.setattr(service(), "_now", lambda: NEW_YEAR)
    return api


def requested(api: ApiClient, zone: str, **more: Any) -> dict[str, Any]:
    body = {"report": "win_rate", "format": "json", **more}
    answer = api.as_(time_zone=zone)("POST", "/reports", body)
    assert answer.status == 202, answer.text
    run: dict[str, Any] = answer.json
    return run


def made(running: Running, run: dict[str, Any]) -> dict[str, Any]:
    """The content of the file that a worker makes."""
    running.job().run(a_task(run), JobControl())
    found: dict[str, Any] = json.loads(content(run))
    return found


def test_the_zone_and_the_days_are_in_the_run_and_in_its_event(
    at_new_year: ApiClient, cloud: Any
) -> None:
    run = requested(at_new_year, "Pacific/Kiritimati", period="this_month")
    expected = {"from": "2027-01-01", "to": "2027-01-31", "time_zone": "Pacific/Kiritimati"}
    assert expected.items() <= run["parameters"].items()
    (event,) = published(cloud)
    assert event["data"]["current"]["parameters"] == run["parameters"]
    assert event["data"]["current"]["created_at"].endswith("Z"), "instants stay in UTC"


def test_a_zone_of_the_request_goes_before_that_of_the_tenant(at_new_year: ApiClient) -> None:
    run = requested(
        at_new_year, "Pacific/Kiritimati", time_zone="America/Los_Angeles", period="today"
    )
    assert run["parameters"]["time_zone"] == "America/Los_Angeles"
    assert run["parameters"]["from"] == "2026-12-31"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd"])
def test_a_tenant_without_a_known_zone_has_reports_in_utc(api: ApiClient, zone: str) -> None:
    assert requested(api, zone)["parameters"]["time_zone"] == "Etc/UTC"


@pytest.mark.parametrize("wrong", ["Mars/Olympus", "CEST", "", 2, ["Europe/Berlin"], "a" * 9_000])
def test_an_unknown_zone_in_a_request_is_rejected_by_its_field(
    api: ApiClient, cloud: Any, wrong: Any
) -> None:
    answer = api("POST", "/reports", {"report": "win_rate", "time_zone": wrong})
    assert (answer.status, answer.json["type"]) == (422, "urn:zebros:problem:invalid-request")
    (error,) = answer.json["errors"]
    assert error["field"] == "time_zone"
    assert "not a time zone of the IANA database, such as Europe/Berlin" in error["message"]
    assert published(cloud) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [({"period": "last_summer"}, "period"), ({"period": "today", "from": "2026-01-01"}, "period")],
)
def test_a_wrong_period_is_rejected_by_its_field(
    api: ApiClient, body: dict[str, str], field: str
) -> None:
    answer = api("POST", "/reports", {"report": "win_rate", **body})
    assert (answer.status, [e["field"] for e in answer.json["errors"]]) == (422, [field])


def test_the_figures_are_those_of_the_days_of_the_zone(
    at_new_year: ApiClient, running: Running
) -> None:
    into_lake(
        opportunity("won", closed_on="2026-12-31"),
        *(opportunity("lost", closed_on="2027-01-01") for _ in range(2)),
    )
    totals = {
        zone: made(running, requested(at_new_year, zone, period="today"))["totals"][0]
        for zone in ("Pacific/Kiritimati", "America/Los_Angeles")
    }
    assert [(one["won"], one["lost"]) for one in totals.values()] == [(0, 2), (1, 0)]


def test_a_retry_weeks_later_has_the_same_figures(
    at_new_year: ApiClient, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    into_lake(
        opportunity("won", closed_on="2026-12-31"), opportunity("lost", closed_on="2027-02-01")
    )
    at_once, later = (
        requested(at_new_year, "America/Los_Angeles", period="this_month") for _ in range(2)
    )
    expected = made(running, at_once)
    assert expected["totals"] == [{**expected["totals"][0], "won": 1, "lost": 0}]
    repository().change("acme", later["id"], lambda run: run.start(NEW_YEAR))
    repository().change("acme", later["id"], lambda run: run.lose_worker())
    for one in (service(), runs()):
        monkeypatch.setattr(one, "_now", lambda: LATER)
    assert made(running, later) == expected
    assert seen(at_new_year, later)["attempts"] == 2
    new = requested(at_new_year, "America/Los_Angeles", period="this_month")
    assert new["parameters"]["from"] == "2027-02-01", "a new request is seen from its own day"


def test_the_provenance_names_the_zone_and_shows_times_on_its_clocks(
    at_new_year: ApiClient, running: Running
) -> None:
    into_lake(opportunity("won"))
    head = made(running, requested(at_new_year, "Asia/Kathmandu"))
    assert head["time_zone"] == "Asia/Kathmandu"
    assert head["position"]["last_time"] == "2026-02-03T10:00:00+00:00", "for programs in UTC"


def test_the_same_report_in_two_zones_has_two_files(
    at_new_year: ApiClient, running: Running
) -> None:
    """Results belong to a run, never to a kind of report: nothing is shared between zones."""
    runs = [requested(at_new_year, zone) for zone in ("Europe/Berlin", "Asia/Tokyo")]
    assert [made(running, run)["time_zone"] for run in runs] == ["Europe/Berlin", "Asia/Tokyo"]
    # ... and the second worker of a run finds the file of its own run.
    assert [made(running, run)["time_zone"] for run in runs] == ["Europe/Berlin", "Asia/Tokyo"]


def test_a_run_whose_zone_a_worker_does_not_know_fails_with_the_field(
    api: ApiClient, ask: Ask, running: Running
) -> None:
    run = ask()
    repository().change("acme", run["id"], with_parameters(time_zone="Mars/Olympus"))
    running.relay()
    assert running.machine.end(run["id"]) == "FAILED"
    failed = seen(api, run)
    assert failed["failure"] == "bad_parameters"
    assert "time_zone" in failed["reason"]
