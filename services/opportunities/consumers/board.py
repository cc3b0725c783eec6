"""The board projection: counts and sums opportunities per pipeline stage and currency."""

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.positions import Memory
from kernel.messaging.projection import Projection
from kernel.storage.table import Action
from opportunities.bootstrap import table
from opportunities.events.streams import StreamDiverged, StreamGapDetected
from opportunities.incoming import UPCASTERS, BoardOpportunity
from opportunities.repository.boards import count_change


def count(event: CloudEvent, memory: Memory) -> list[Action]:
    """Subtract an opportunity from its previous column and add it to its current one."""
    opportunity = BoardOpportunity.model_validate(event.data["current"])
    now: Memory = {}
    if opportunity.archived_at is None:
        amount = opportunity.amount
        now = {
            "pipeline": opportunity.pipeline_id,
            "stage": opportunity.stage,
            "currency": amount.currency if amount else "",
            "minor_units": amount.minor_units if amount else 0,
        }
    before = dict(memory)
    memory.clear()
    memory.update(now)
    changes: dict[tuple[str, str, str], tuple[int, int]] = {}
    for sign, counted in ((-1, before), (1, now)):
        if counted:
            column = (counted["pipeline"], counted["stage"], counted["currency"])
            total, minor_units = changes.get(column, (0, 0))
            changes[column] = (total + sign, minor_units + sign * counted["minor_units"])
    return [
        count_change(event.tenant_id, *column, total, minor_units)
        for column, (total, minor_units) in changes.items()
        if total or minor_units
    ]


handler = Projection(
    "board",
    record_types=("opportunity",),
    table=table,
    apply=count,
    gap=StreamGapDetected,
    divergence=StreamDiverged,
    upcasters=UPCASTERS,
)
