"""Publishes which moves of writes between two regions were refused (docs/adr/0067).

A refusal never changes, so it is an event without a record: an outbox entry, which the relay
publishes as every other one.
"""

from collections.abc import Mapping
from typing import Any

from kernel.domain.clock import Clock
from kernel.domain.cloud_events import envelope
from kernel.domain.errors import StaleVersion
from kernel.domain.ids import ids_at
from kernel.domain.principal import SYSTEM_USER, system_request
from kernel.storage.outbox import outbox_entry
from kernel.storage.table import Table
from scaling.events import RegionMoveRefused, RegionMoveState


class RegionMoves:
    """The events about moves, in the tenant of the operator."""

    def __init__(self, table: Table, tenant: str, now: Clock) -> None:
        self._table, self._tenant, self._now = table, tenant, now

    def refuse(self, run: str, move: Mapping[str, Any]) -> None:
        """Publish that a move was refused; once for a run, which is a ULID.

        `move` has the fields of RegionMoveState. Raises ValueError when one is wrong, and
        ReadOnlyRegion in a region that does not write.
        """
        at = self._now()
        state = RegionMoveState.model_validate(
            {
                **move,
                "id": run,
                "version": 1,
                "created_at": at,
                "created_by": SYSTEM_USER,
                "updated_at": at,
                "updated_by": SYSTEM_USER,
            }
        )
        document = envelope(
            RegionMoveRefused(current=state),
            event_id=ids_at(at, 1)[0],
            subject=f"region_move/{run}",
            sequence=1,
            request=system_request(self._tenant, correlation_id=run),
            at=at,
        )
        try:
            self._table.transact(
                [outbox_entry(f"TENANT#{self._tenant}#REGION_MOVE#{run}", 1, document)]
            )
        except StaleVersion:
            return  # The command line has repeated an invocation whose answer was lost.
