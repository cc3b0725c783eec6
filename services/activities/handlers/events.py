"""The timeline: every event about a record, on its own timeline and on those of its relatives."""

from datetime import datetime

from activities.bootstrap import table
from activities.events import RecordType, StreamGapDetected
from activities.incoming import Told
from activities.model import sentence
from activities.repository import TimelineEntry, timeline_item
from kernel.domain.envelope import CloudEvent
from kernel.messaging.projection import Memory, Projection
from kernel.storage.dynamo import Action

TYPES = (
    "AccountCreated",
    "AccountUpdated",
    "AccountArchived",
    "AccountRestored",
    "ContactCreated",
    "ContactUpdated",
    "ContactArchived",
    "ContactRestored",
    "OpportunityCreated",
    "OpportunityUpdated",
    "OpportunityAmountChanged",
    "OpportunityStageChanged",
    "OpportunityReassigned",
    "OpportunityWon",
    "OpportunityLost",
    "OpportunityReopened",
    "PipelineCreated",
    "ProductCreated",
    "ProductUpdated",
    "TaskAssigned",
    "TaskUpdated",
    "TaskCompleted",
    "TaskReopened",
)


def note(event: CloudEvent, _memory: Memory) -> list[Action]:
    """One entry per record the event concerns."""
    told = Told.model_validate(event.data)
    current = told.current
    entry = TimelineEntry(
        at=datetime.fromisoformat(event.time),
        type=event.type,
        text=sentence(event.subject_type, event.type, told),
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
        concerned.add((RecordType.ACCOUNT, current.account_id))
    if current.contact_id:
        concerned.add((RecordType.CONTACT, current.contact_id))
    return [
        timeline_item(event.tenant_id, str(kind), record_id, entry)
        for kind, record_id in sorted(concerned)
    ]


handler = Projection("timeline", types=TYPES, table=table, apply=note, gap=StreamGapDetected)
