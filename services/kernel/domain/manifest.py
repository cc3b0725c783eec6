"""What a bounded context declares in its `context.py`, for other parts to discover."""

from dataclasses import dataclass

from kernel.domain.permissions import Area, Permission


@dataclass(frozen=True, slots=True)
class RecordType:
    """One type of record: the first part of its events' subjects, such as `opportunity`."""

    name: str
    table: str
    """The logical id of the table that holds it."""
    area: Area | None = None
    """The area whose rights cover it; None: only its owner reads it."""
    has_timeline: bool = True
    """Whether what happens to it is shown on its own timeline."""


@dataclass(frozen=True, slots=True)
class Context:
    """A bounded context."""

    name: str
    """The package under services/, the `zebros.<name>` of its events' source."""
    record_types: tuple[RecordType, ...]
    areas: tuple[Area, ...] = ()
    permissions: tuple[Permission, ...] = ()
    worker_modules: tuple[str, ...] = ()
    """Glob patterns, below services/, of the modules that only the worker's image has."""

    def record_type(self, name: str) -> RecordType | None:
        """A record type of this context."""
        return next((one for one in self.record_types if one.name == name), None)
