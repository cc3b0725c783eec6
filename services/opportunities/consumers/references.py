"""The projection of the accounts and contacts that opportunities may refer to.

It writes nothing but its positions: their memory is what it knows.
"""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.storage.references import remember_state
from kernel.storage.table import Action
from opportunities.bootstrap import table
from opportunities.context import REFERENCES
from opportunities.events.streams import StreamDiverged, StreamGapDetected
from opportunities.incoming import UPCASTERS


def remember(event: CloudEvent, memory: Memory) -> list[Action]:
    """Remember the state of a record."""
    remember_state(event.data["current"], memory)
    return []


handler = Projection(
    REFERENCES.projection,
    record_types=REFERENCES.record_types,
    table=table,
    apply=remember,
    gap=StreamGapDetected,
    divergence=StreamDiverged,
    upcasters=UPCASTERS,
)
