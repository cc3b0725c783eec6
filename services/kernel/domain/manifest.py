"""What a bounded context declares in its `context.py`, for other parts to discover."""

from dataclasses import dataclass
from typing import NamedTuple

from kernel.domain.permissions import Area, Permission


@dataclass(frozen=True, slots=True)
class RecordType:
    """One type of record: the first part of its events' subjects, such as `opportunity`."""

    name: str
    table: str
    """The logical id of its table."""
    area: Area | None = None
    """The area whose rights cover it; None when only its owner may read it."""
    has_timeline: bool = True
    """Whether its records have a timeline."""


class References(NamedTuple):
    """Types of records of other contexts that a context's own records refer to."""

    projection: str
    """The projection in the context's table that knows which of them exist."""
    record_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Context:
    """A bounded context."""

    name: str
    """The package under services/ and the last part of its events' source, `zebros.<name>`."""
    record_types: tuple[RecordType, ...]
    areas: tuple[Area, ...] = ()
    permissions: tuple[Permission, ...] = ()
    references: References | None = None
    """The records of other contexts that its own refer to; None when there are none."""
    worker_modules: tuple[str, ...] = ()
    """Glob patterns, below services/, of the modules that only carry out jobs."""

    def record_type(self, name: str) -> RecordType | None:
        """A record type of this context by name, or None."""
        return next((one for one in self.record_types if one.name == name), None)
