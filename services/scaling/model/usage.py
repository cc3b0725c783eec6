"""What a tenant uses, from its events: the meters, what one event adds, and the values of a day.

Users, customers, opportunities and data are levels: what there is at the end of a day. The others
are what happened on a day. A day is one of the calendar in UTC.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.principal import SYSTEM_USER
from scaling.events import TierValues
from scaling.incoming import MeteredRecord


class Meter(StrEnum):
    """What is metered of a tenant; those that decide its tier are named as in tiers.Metric."""

    USERS = "users"
    """Active people of the directory."""
    ACTIVE_USERS = "active_users"
    """Different users, people or programs, who changed something."""
    CONCURRENT_USERS = "concurrent_users"
    """The most of them within one hour of the clock."""
    CUSTOMERS = "customers"
    """Accounts that are not archived."""
    OPPORTUNITIES = "opportunities"
    """Opportunities that are not archived, open and closed ones."""
    DATA_MB = "data_mb"
    """Events as they were published, and files of reports, in MB of 1,000,000 bytes."""
    REQUESTS = "requests"
    """Changes that were asked for; the events of one. Reads are none."""
    REPORT_SECONDS = "report_seconds"
    """Time of the last attempt of report runs that ended, by success or not."""


class DayOfUsage(NamedTuple):
    """The values of one day."""

    day: date
    """In UTC."""
    values: Mapping[Meter, Decimal]
    """A meter without a value of this day is absent."""


class Use(NamedTuple):
    """What one event adds to the meters."""

    day: date
    levels: Mapping[str, int]
    """By how much users, customers, opportunities and bytes grow."""
    flows: Mapping[str, int]
    """Requests, and milliseconds of reports."""
    actor: str
    """Who changed something; empty for the system, and in old events."""
    hour: int


LEVELS = ("users", "customers", "opportunities", "bytes")
_COUNTED = {"person": "users", "account": "customers", "opportunity": "opportunities"}
METERED = (*_COUNTED, "contact", "task", "pipeline", "product", "report", "import", "notification")
"""The types of records whose events are metered: those of all other contexts."""
_ENDED = frozenset({"ReportCompleted", "ReportFailed", "ReportCancelled"})
_ASKED_FOR = frozenset({"api", "import"})
_MB, _SECOND = Decimal(1_000_000), Decimal(1000)


def use_of(event: CloudEvent, memory: dict[str, Any]) -> Use:
    """What an event adds. `memory` says whether its record was counted before, and is changed."""
    record = MeteredRecord.model_validate(event.data["current"])
    at = datetime.fromisoformat(event.time)
    levels = {"bytes": len(event.detail.encode())}
    if (name := _COUNTED.get(event.subject_type)) is not None:
        counted = record.archived_at is None and record.active
        if change := int(counted) - int(memory.get("counted", False)):
            levels[name] = change
        memory["counted"] = counted
    flows: dict[str, int] = {}
    if event.type in _ENDED:
        if record.started_at and record.ended_at:
            took = record.ended_at - record.started_at
            flows["report_ms"] = max(0, took // timedelta(milliseconds=1))
        if record.outcome:
            levels["bytes"] += record.outcome.size_bytes
    asked = event.origin in _ASKED_FOR
    if asked:
        flows["requests"] = 1
    acts = asked and event.actor != SYSTEM_USER
    return Use(at.date(), levels, flows, event.actor if acts else "", at.hour)


def tier_values(total: Mapping[str, int]) -> TierValues:
    """The levels as a tier needs them. Events may be missing at times, so none is below 0."""
    levels = {name: max(0, total.get(name, 0)) for name in LEVELS}
    data = levels.pop("bytes") // int(_MB)
    return TierValues(**levels, data_mb=data)


class Activity(NamedTuple):
    """That a user changed something in an hour of a day."""

    day: date
    hour: int
    actor: str


def days_of(
    total: Mapping[str, int],
    days: Sequence[tuple[date, Mapping[str, int]]],
    activity: Iterable[Activity],
) -> list[DayOfUsage]:
    """The values of days, from what each day added, oldest first.

    `total` is the sum of all days, so the levels of a day are that without what later days added.
    """
    by_day: dict[date, dict[int, set[str]]] = {}
    for one in activity:
        by_day.setdefault(one.day, {}).setdefault(one.hour, set()).add(one.actor)
    level = {name: total.get(name, 0) for name in LEVELS}
    found: list[DayOfUsage] = []
    for day, added in reversed(days):
        hours = by_day.get(day, {})
        found.append(DayOfUsage(day, dict(_values(level, added, hours))))
        level = {name: level[name] - added.get(name, 0) for name in LEVELS}
    return found[::-1]


def _values(
    level: Mapping[str, int], added: Mapping[str, int], hours: Mapping[int, set[str]]
) -> Iterator[tuple[Meter, Decimal]]:
    for meter in (Meter.USERS, Meter.CUSTOMERS, Meter.OPPORTUNITIES):
        yield meter, Decimal(max(0, level[meter]))
    yield Meter.DATA_MB, max(0, level["bytes"]) / _MB
    if hours:
        yield Meter.ACTIVE_USERS, Decimal(len(set().union(*hours.values())))
        yield Meter.CONCURRENT_USERS, Decimal(max(map(len, hours.values())))
    if requests := added.get("requests", 0):
        yield Meter.REQUESTS, Decimal(requests)
    if milliseconds := added.get("report_ms", 0):
        yield Meter.REPORT_SECONDS, milliseconds / _SECOND
