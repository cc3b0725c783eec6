"""The provenance of a report's figures: tenant, period, time zone, and the events they include."""

from collections.abc import Iterator
from datetime import datetime

from kernel.domain.time_zones import DEFAULT_ZONE, local
from reporting.report import Report


def provenance(report: Report) -> list[tuple[str, str]]:
    """Labels and texts, in order."""
    lines = [("Company", report.tenant), ("Period", period(report))]
    lines.append(("Time zone", report.time_zone))
    if report.currency:
        lines.append(("Currency", f"only deals priced in {report.currency}"))
    if report.as_of:
        lines.append(("As of", instant(report.as_of, report.time_zone)))
    lines.append(("Reflects", position_text(report)))
    lines += [("Note", note) for note in notes(report)]
    return lines


def notes(report: Report) -> Iterator[str]:
    """What a reader of the table should know."""
    if not report.rows:
        yield "There are no deals in this period."
    yield from report.notes


def period(report: Report) -> str:
    """`2026-01-01 to 2026-03-31, by closing date`."""
    return f"{report.period}, by {report.date_meaning}"


def position_text(report: Report) -> str:
    """The events that the report includes, as text."""
    position = report.position
    if position.last_time is None:
        return "no events yet"
    events = "1 event" if position.events == 1 else f"{position.events:,} events"
    last = instant(position.last_time, report.time_zone)
    return f"{events}, the last of {last} ({position.last_id})"


def instant(moment: datetime, zone: str) -> str:
    """`2026-03-31 09:30:00.123 UTC`, or `2026-03-31 11:30:00.123 +02:00` on a zone's clocks."""
    there = local(moment, zone)
    text = there.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3].removesuffix(".000")
    return f"{text} {'UTC' if zone == DEFAULT_ZONE else there.strftime('%:z')}"
