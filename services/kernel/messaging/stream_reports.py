"""Events about the stream of a subject: a gap, or another history of it.

Their subject is `stream/<projection>.<subject>`; its sequence is counted by the position.
"""

from datetime import datetime
from typing import Any

from kernel.domain.cloud_events import CloudEvent, envelope
from kernel.domain.events import (
    DivergenceState,
    DomainEvent,
    StreamDivergence,
    StreamGap,
    StreamState,
)
from kernel.domain.ids import ids_at, new_id
from kernel.domain.principal import SYSTEM_USER, system_request
from kernel.messaging.positions import Position
from kernel.messaging.sequencing import Gap
from kernel.storage.outbox import outbox_entry
from kernel.storage.table import Put


class StreamReports:
    """The reports of one projection; each is an outbox entry beside its position."""

    def __init__(
        self, projection: str, gap: type[StreamGap], divergence: type[StreamDivergence]
    ) -> None:
        self._projection, self._gap, self._divergence = projection, gap, divergence

    def gap(self, position: Position, gap: Gap[CloudEvent], at: datetime) -> Put:
        """StreamGapDetected, the report after those that the position counts."""
        waiting = gap.waiting
        state = StreamState(
            **self._state(waiting, at),
            missing_sequence=gap.first,
            waiting_sequence=waiting.sequence,
            waiting_event_id=waiting.id,
        )
        return self._entry(position, self._gap(current=state), waiting, at)

    def divergence(
        self, position: Position, event: CloudEvent, lost_event_id: str, at: datetime
    ) -> Put:
        """StreamDiverged, the report after those that the position counts."""
        state = DivergenceState(
            **self._state(event, at),
            sequence=event.sequence,
            event_id=event.id,
            lost_event_id=lost_event_id,
        )
        return self._entry(position, self._divergence(current=state), event, at)

    def _state(self, about: CloudEvent, at: datetime) -> dict[str, Any]:
        return {
            "id": new_id(),
            "version": 1,
            "created_at": at,
            "created_by": SYSTEM_USER,
            "updated_at": at,
            "updated_by": SYSTEM_USER,
            "projection": self._projection,
            "subject": about.subject,
        }

    def _entry(
        self, position: Position, event: DomainEvent, about: CloudEvent, at: datetime
    ) -> Put:
        number = position.reports + 1
        document = envelope(
            event,
            event_id=ids_at(at, 1)[0],
            subject=f"stream/{self._projection}.{about.subject.replace('/', '.')}",
            sequence=number,
            request=system_request(
                about.tenant_id, correlation_id=about.correlation_id, causation_id=about.id
            ),
            at=at,
        )
        return outbox_entry(position.pk, number, document)
