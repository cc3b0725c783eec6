"""Records of other contexts, as a consumer that keeps references learns of them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from kernel.domain.clock import utc_now
from kernel.domain.ids import ids_at
from tests.component.kernel.queues import body, event, lambda_event

type Handler = Callable[[dict[str, Any], object], dict[str, Any]]
ARCHIVED = {"archived_at": "2026-01-31T09:30:00.000Z"}


def aged_id(**ago: float) -> str:
    """An id that was made some time ago."""
    return ids_at(utc_now() - timedelta(**ago), 1)[0]


def deliver(
    handler: Handler,
    subject: str,
    sequence: int = 1,
    *,
    tenant: str = "acme",
    event_id: str | None = None,
    actor: str = "ann",
    **current: Any,
) -> None:
    """An event of a record, whose fields are `current`."""
    record_id = subject.partition("/")[2]
    envelope = event(tenant, subject, sequence, current={"id": record_id, "name": "A", **current})
    envelope["actor"] = actor
    if event_id:
        envelope["id"] = event_id
    answer = handler(lambda_event([body(envelope)]), None)
    assert answer == {"batchItemFailures": []}


def complete(handler: Handler, tenant: str = "acme") -> None:
    """Say that the projection knows every record of a tenant, as a rebuild does."""
    assert handler({"rebuild": {"tenant": tenant, "complete": True}}, None) == {"complete": True}
