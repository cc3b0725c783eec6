"""How requests and reports are spread over a day: business hours of the tenants' time zones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from zebros.costs.toml_file import number, read
from zebros.errors import BadInput
from zebros.simulation.work import FILE

HOUR_S, DAY_HOURS = 3600.0, 24
_STEP_S = HOUR_S / 4
"""Time zones differ from UTC by quarters of an hour."""


class Course(Protocol):
    """The load over time, as a share of that of the busiest hour."""

    def share(self, at: float) -> float:
        """The share at a second of the simulation."""

    def until(self, at: float) -> float:
        """The second at which the share may change next."""


class Busiest:
    """The busiest hour, for ever."""

    def share(self, _at: float) -> float:
        """All of it."""
        return 1.0

    def until(self, _at: float) -> float:
        """It never changes."""
        return math.inf


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone, and the part of the users who work in it."""

    offset: float
    """Hours ahead of UTC."""
    share: float


@dataclass(frozen=True, slots=True)
class Hours:
    """The load over days that begin at midnight in UTC."""

    local: tuple[float, ...]
    """For each hour of local time, the load as a share of the busiest one's."""
    zones: tuple[Zone, ...]

    def share(self, at: float) -> float:
        """The share at a second of the simulation."""
        return sum(
            one.share * self.local[int((at / HOUR_S + one.offset) // 1 % DAY_HOURS)]
            for one in self.zones
        )

    def until(self, at: float) -> float:
        """The second at which the share may change next."""
        return (at // _STEP_S + 1) * _STEP_S

    @property
    def busiest_hours(self) -> float:
        """A day has as much load as so many of the busiest hours of one zone."""
        return sum(self.local) * sum(one.share for one in self.zones)


def load_hours(path: Path = FILE) -> Hours:
    """The hours of a file, or of work.toml where it has none. Raises BadInput."""
    given = {**_parts(read(FILE)), **_parts(read(path))}
    return Hours(_local(given["hours"], path), _zones(given["zones"], path))


def _parts(document: dict[str, Any]) -> Mapping[str, Any]:
    return {name: document[name] for name in ("hours", "zones") if name in document}


def _local(given: Any, path: Path) -> tuple[float, ...]:
    values = given.get("value") if isinstance(given, dict) else None
    found = [number(value) for value in values] if isinstance(values, list) else []
    known = [float(value) for value in found if value is not None and value >= 0]
    if len(known) != DAY_HOURS or len(found) != DAY_HOURS or max(known) != 1:
        raise BadInput(
            f"{path.name}: hours must have a value of {DAY_HOURS} numbers from 0 to 1, the highest"
            " of which is 1."
        )
    return tuple(known)


def _zones(given: Any, path: Path) -> tuple[Zone, ...]:
    zones = given if isinstance(given, list) else []
    found = [_zone(one, path) for one in zones]
    if abs(sum(one.share for one in found) - 1) > 1e-6:
        raise BadInput(f"{path.name}: the shares of all zones must be 1 together.")
    return tuple(found)


def _zone(given: Any, path: Path) -> Zone:
    offset, share = (
        number(given.get(name)) if isinstance(given, dict) else None for name in ("offset", "share")
    )
    if offset is None or not -12 <= offset <= 14 or offset * 4 % 1:
        raise BadInput(
            f"{path.name}: the offset of a zone must be a number of hours from -12 to 14, in"
            " quarters."
        )
    if share is None or not 0 < share <= 1:
        raise BadInput(f"{path.name}: the share of a zone must be above 0, and at most 1.")
    return Zone(float(offset), float(share))
