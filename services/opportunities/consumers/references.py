"""The projection of the accounts, contacts and people that opportunities may refer to.

The memory of its positions is what it knows; besides it writes the names of people.
"""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.storage.references import remember
from kernel.storage.table import Action
from opportunities.bootstrap import table
from opportunities.context import REFERENCES
from opportunities.events.streams import StreamDiverged, StreamGapDetected
from opportunities.incoming import UPCASTERS


def learn(event: CloudEvent, memory: Memory) -> list[Action]:
    """Remember the state of a record."""
    return remember(event, REFERENCES.projection, memory)


handler = Projection(
    REFERENCES.projection,
    record_types=REFERENCES.record_types,
    table=table,
    apply=learn,
    gap=StreamGapDetected,
    divergence=StreamDiverged,
    upcasters=UPCASTERS,
)
