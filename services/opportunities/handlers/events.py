"""The board: events of deals, counted and summed per pipeline stage and currency."""

from kernel.domain.envelope import CloudEvent
from kernel.messaging.projection import Memory, Projection
from kernel.storage.dynamo import Action
from opportunities.bootstrap import table
from opportunities.events import StreamGapDetected
from opportunities.incoming import BoardedDeal
from opportunities.repository import board_counter

TYPES = (
    "OpportunityCreated",
    "OpportunityUpdated",
    "OpportunityAmountChanged",
    "OpportunityStageChanged",
    "OpportunityReassigned",
    "OpportunityWon",
    "OpportunityLost",
    "OpportunityReopened",
)


def count(event: CloudEvent, memory: Memory) -> list[Action]:
    """Take a deal out of the column it was counted in and put it into the one it is in now."""
    deal = BoardedDeal.model_validate(event.data["current"])
    now: Memory = {}
    if deal.archived_at is None:
        now = {
            "pipeline": deal.pipeline_id,
            "stage": deal.stage,
            "currency": deal.amount.currency if deal.amount else "",
            "minor_units": deal.amount.minor_units if deal.amount else 0,
        }
    before = dict(memory)
    memory.clear()
    memory.update(now)
    changes: dict[tuple[str, str, str], tuple[int, int]] = {}
    for sign, counted in ((-1, before), (1, now)):
        if counted:
            column = (counted["pipeline"], counted["stage"], counted["currency"])
            deals, minor_units = changes.get(column, (0, 0))
            changes[column] = (deals + sign, minor_units + sign * counted["minor_units"])
    return [
        board_counter(event.tenant_id, *column, deals, minor_units)
        for column, (deals, minor_units) in changes.items()
        if deals or minor_units
    ]


handler = Projection("board", types=TYPES, table=table, apply=count, gap=StreamGapDetected)
