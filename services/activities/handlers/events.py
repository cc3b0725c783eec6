"""The timeline: every fact about a record, on its own timeline and on those of its relatives."""

from datetime import datetime

from activities.bootstrap import table
from activities.events import RecordType, StreamGapDetected
from activities.incoming import Told
from activities.model import sentence
from activities.repository import TimelineEntry, timeline_item
from kernel.domain.envelope import Fact
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


def note(fact: Fact, _memory: Memory) -> list[Action]:
    """One entry per record the fact concerns."""
    told = Told.model_validate(fact.data)
    current = told.current
    entry = TimelineEntry(
        at=datetime.fromisoformat(fact.time),
        type=fact.type,
        text=sentence(fact.subject_type, fact.type, told),
        actor=fact.actor,
        subject=fact.subject,
        sequence=fact.sequence,
        event_id=fact.id,
        correlation_id=fact.correlation_id,
    )
    concerned = {
        (fact.subject_type, fact.subject_id),
        *((link.type, link.id) for link in current.related),
    }
    if current.account_id:
        concerned.add((RecordType.ACCOUNT, current.account_id))
    if current.contact_id:
        concerned.add((RecordType.CONTACT, current.contact_id))
    return [
        timeline_item(fact.tenant_id, str(kind), record_id, entry)
        for kind, record_id in sorted(concerned)
    ]


handler = Projection("timeline", types=TYPES, table=table, apply=note, gap=StreamGapDetected)
