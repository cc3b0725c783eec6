"""Time zones of tenants: their names, and what "today" and "business hours" mean in one of them.

A zone is named as in the IANA time zone database, such as `Europe/Berlin`. Instants are in UTC
wherever they are stored or published; a zone only decides on which calendar day an instant is.

A name is checked where it comes in: in a token by the authorizer, in a request by `TimeZoneName`
(time_zone_names.py, apart from here because the authorizer does without pydantic).
The functions take an unknown name for UTC, so that a process with an older database still answers.
"""

import re
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache

DEFAULT_ZONE = "Etc/UTC"
"""The zone of a tenant that has set none."""
BUSINESS_DAYS = range(5)
"""Monday to Friday, as `datetime.weekday()` counts them."""
BUSINESS_STARTS, BUSINESS_ENDS = time(6, 30), time(20, 0)
"""Those for which functions are kept ready: BusinessHours in strategy.yaml; a test compares."""

PATTERN = r"^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9_+-]{1,31}){0,2}$"
"""What names of zones look like (a regular expression)."""
_NAME = re.compile(PATTERN)
# Files of the system beside the zones: copies with and without leap seconds, and no real zones.
_NO_ZONES = re.compile(r"(posix|right|SystemV)/.*|localtime|posixrules|Factory")
_ZONES_IN_MEMORY = 128


def is_time_zone(name: str) -> bool:
    """Whether this process knows the zone; names are case-sensitive."""
    return _zone(name) is not None


def known_zone(name: object) -> str:
    """The name if it is one of a known zone, else that of UTC."""
    return name if isinstance(name, str) and is_time_zone(name) else DEFAULT_ZONE


def local(instant: datetime, zone: str) -> datetime:
    """The same instant on the clocks of a zone."""
    return instant.astimezone(_zone(zone) or UTC)


def today(now: datetime, zone: str) -> date:
    """The calendar day in a zone."""
    return local(now, zone).date()


def in_business_hours(now: datetime, zone: str) -> bool:
    """Whether it is a working day between BUSINESS_STARTS and BUSINESS_ENDS (exclusive)."""
    there = local(now, zone)
    return there.weekday() in BUSINESS_DAYS and BUSINESS_STARTS <= there.time() < BUSINESS_ENDS


@lru_cache(_ZONES_IN_MEMORY)
def _zone(name: str) -> tzinfo | None:
    if name == DEFAULT_ZONE:
        return UTC  # needs no file
    if not _NAME.fullmatch(name) or _NO_ZONES.fullmatch(name):
        return None
    # Not at the top: the authorizer starts faster without it.
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    # ZoneInfoNotFoundError is a KeyError; a folder or another file raises the other two.
    except (KeyError, ValueError, OSError):
        return None
