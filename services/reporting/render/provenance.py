"""The provenance of a report's figures: tenant, period, and the events they include."""

from datetime import UTC, datetime

from reporting.report import Report


def provenance(report: Report) -> list[tuple[str, str]]:
    """Labels and texts, in order."""
    lines = [("Company", report.tenant), ("Period", period(report))]
    if report.currency:
        lines.append(("Currency", f"only deals priced in {report.currency}"))
    if report.as_of:
        lines.append(("As of", instant(report.as_of)))
    lines.append(("Reflects", reflects(report)))
    lines += [("Note", note) for note in report.notes]
    return lines


def period(report: Report) -> str:
    """`2026-01-01 to 2026-03-31, by closing date`."""
    return f"{report.period}, by {report.date_meaning}"


def reflects(report: Report) -> str:
    """The events that the report includes, as text."""
    position = report.position
    if position.last_time is None:
        return "no events yet"
    events = "1 event" if position.events == 1 else f"{position.events:,} events"
    return f"{events}, the last of {instant(position.last_time)} ({position.last_id})"


def instant(moment: datetime) -> str:
    """`2026-03-31 09:30:00.123 UTC`."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{text.removesuffix('.000')} UTC"
