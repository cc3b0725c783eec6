"""The layout of the event lake: one folder per tenant, context and day.

    tenant=<t>/context=<c>/date=<YYYY-MM-DD of time>/<name>.jsonl.gz

A file's name is derived from the ids of its events, so a batch that is delivered again rewrites the
same file with the same bytes. Names begin with the last id, so they sort by time.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.ids import PATTERN

TENANT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
CONTEXT = re.compile(r"[a-z]{1,40}")
FILE = re.compile(r"date=(\d{4}-\d{2}-\d{2})/[A-Za-z0-9][A-Za-z0-9._-]{0,199}\.jsonl\.gz")
"""The path below a context's folder; group 1 is the day."""
_ID = re.compile(PATTERN)
_DIGEST_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of an event."""

    tenant: str
    context: str
    day: str

    @classmethod
    def of(cls, event: CloudEvent) -> "Folder":
        """The folder of an event. Raises ValueError when a part is not a valid folder name."""
        at = datetime.fromisoformat(event.time)
        if at.tzinfo is None:
            raise ValueError(f"time {event.time!r} has no zone")
        for pattern, part in (
            (TENANT, event.tenant_id),
            (CONTEXT, event.context),
            (_ID, event.id),
        ):
            if not pattern.fullmatch(part):
                raise ValueError(f"{part[:80]!r} cannot be a part of a lake file's name")
        return cls(event.tenant_id, event.context, at.astimezone(UTC).date().isoformat())

    def key(self, ids: Iterable[str]) -> str:
        """The key of the file with these events."""
        ordered = sorted(ids)
        digest = hashlib.sha256("\n".join(ordered).encode()).hexdigest()[:_DIGEST_DIGITS]
        name = f"{ordered[-1]}-{digest}.jsonl.gz"
        return f"{context_prefix(self.tenant, self.context)}date={self.day}/{name}"


def tenant_folder(tenant: str) -> str:
    """`tenant=acme`."""
    return f"tenant={tenant}"


def context_prefix(tenant: str, context: str) -> str:
    """The common prefix of the keys of a context's files."""
    return f"{tenant_folder(tenant)}/context={context}/"
