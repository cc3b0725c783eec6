"""The events of a record that an operator brings to an earlier state. Pure functions."""

from typing import Any

from kernel.domain.aggregate import Aggregate, Archivable
from kernel.domain.events import DomainEvent

OF_EVERY_CHANGE = frozenset({"version", "sequence", "updated_at", "updated_by"})
"""Fields in which a restored record differs from its earlier state."""
_NOT_NAMED = OF_EVERY_CHANGE | {"id"}
"""Fields that an event does not name as changed."""


def restore_events(before: Aggregate | None, after: Aggregate) -> tuple[DomainEvent, ...]:
    """The events of a record that is brought to another state.

    That it was archived or restored has its own event where users can do that. A missing record was
    in an unknown state, so every field of it is named.
    """
    events: list[DomainEvent] = []
    changed, previous = _changed(before, after)
    was_archived = before is not None and before.archived_at is not None
    if isinstance(after, Archivable) and was_archived != (after.archived_at is not None):
        kind = after.restored_event if was_archived else after.archived_event
        events.append(kind(current=after))
        changed = [name for name in changed if name != "archived_at"]
        previous.pop("archived_at", None)
    if changed and after.updated_event is not None:
        event = after.updated_event(current=after, changed=changed, previous=previous)
        events.insert(0, event)
    return tuple(events)


def _changed(before: Aggregate | None, after: Aggregate) -> tuple[list[str], dict[str, Any]]:
    """The published fields that differ, and their values before."""
    now = _published(after)
    if before is None:
        return [name for name, value in now.items() if value], {}
    then = _published(before)
    changed = [name for name in now if now[name] != then[name]]
    return changed, {name: then[name] for name in changed}


def _published(record: Aggregate) -> dict[str, Any]:
    """The fields that events publish, as JSON."""
    event: Any = record.updated_event
    if event is None:
        return {}
    published = event.model_fields["current"].annotation.model_fields.keys() - _NOT_NAMED
    found = record.model_dump(mode="json", include=set(published), warnings=False)
    return {name: found.get(name) for name in type(record).model_fields if name in published}
