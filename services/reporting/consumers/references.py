"""The projection of people, for the names of owners in reports.

The memory of its positions is what it knows.
"""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.storage.references import remember
from kernel.storage.table import Action
from reporting.bootstrap import table
from reporting.context import REFERENCES
from reporting.events import StreamDiverged, StreamGapDetected
from reporting.incoming import UPCASTERS


def learn(event: CloudEvent, memory: Memory) -> list[Action]:
    """Remember the name, team and activity of a person."""
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
