"""The timeline projection: adds events to the timelines of their record and of related records."""

from datetime import datetime

from activities.bootstrap import table
from activities.context import REFERENCES
from activities.events import StreamDiverged, StreamGapDetected
from activities.incoming import UPCASTERS, EventData
from activities.model import timeline_text
from activities.repository import MAX_ENTRY_TEXT, TimelineEntry, timeline_item
from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.runtime.contexts import record_types
from kernel.storage.references import remember
from kernel.storage.table import Action

RECORD_TYPES = tuple(one.name for one in record_types().values() if one.has_timeline)


def add_entries(event: CloudEvent, memory: Memory) -> list[Action]:
    """One entry for the event's own record and one for each related record.

    The memory is for references of tasks to the record.
    """
    learned = remember(event, REFERENCES.projection, memory)
    data = EventData.model_validate(event.data)
    current = data.current
    entry = TimelineEntry(
        at=datetime.fromisoformat(event.time),
        type=event.type,
        text=timeline_text(event.subject_type, event.type, data)[:MAX_ENTRY_TEXT],
        actor=event.actor,
        subject=event.subject,
        sequence=event.sequence,
        event_id=event.id,
        correlation_id=event.correlation_id,
    )
    concerned = {
        (event.subject_type, event.subject_id),
        *((link.type, link.id) for link in current.related),
    }
    if current.account_id:
        concerned.add(("account", current.account_id))
    if current.contact_id:
        concerned.add(("contact", current.contact_id))
    entries = [
        timeline_item(event.tenant_id, record_type, record_id, entry)
        for record_type, record_id in sorted(concerned)
    ]
    return [*learned, *entries]


handler = Projection(
    REFERENCES.projection,
    record_types=RECORD_TYPES,
    table=table,
    apply=add_entries,
    gap=StreamGapDetected,
    divergence=StreamDiverged,
    upcasters=UPCASTERS,
)
