"""Commands of operators on the records of this context, and what operators were refused.

{"command": "refuse_move", "run": "…", "move": {…}}
    A move of writes between two regions was refused (`zebros region`): an event is published.
    `run` is a ULID, `move` has the fields of RegionMoveState.
"""

from typing import Any

from kernel.storage.maintenance import COMMANDS, Maintenance, Stores
from scaling.bootstrap import region_moves, stores


def refuse_move(_stores: Stores, event: dict[str, Any]) -> dict[str, Any]:
    """Publish the event of a refused move. Raises ValueError for a wrong event."""
    move = event.get("move")
    if not isinstance(move, dict):
        raise ValueError("move must be an object")
    region_moves().refuse(str(event.get("run")), move)
    return {}


handler = Maintenance(stores, {**COMMANDS, "refuse_move": refuse_move})
