"""The clock as a function, which tests replace."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Now, in UTC, to the millisecond (the resolution every record and event carries)."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def later(now: datetime, than: datetime | None) -> datetime:
    """Now, or a millisecond after an instant that a clock elsewhere has already reached.

    Now as well where the instant is not known: a stored record may have any value in its place.
    """
    if not isinstance(than, datetime) or than.tzinfo is None:
        return now
    return max(now, than + timedelta(milliseconds=1))


def milliseconds_since(instant: str, now: datetime) -> float:
    """The milliseconds from an RFC 3339 instant to now; 0 when the clocks differ the other way."""
    return max(0.0, (now - datetime.fromisoformat(instant)).total_seconds() * 1000)


def rfc3339(instant: datetime) -> str:
    """`2026-01-31T09:30:00.000Z`: fixed width, so that text order is time order."""
    return (
        instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{instant.microsecond // 1000:03d}Z"
    )
