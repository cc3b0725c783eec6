"""Reactors: handle single events, independently of each other.

Events are delivered at least once, so a reactor's effect must be idempotent by the event's id.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from kernel.domain.cloud_events import CloudEvent
from kernel.messaging.messages import MessageBatch, log_consumed
from kernel.messaging.naming import names_in_event
from kernel.messaging.upcasting import EventUpcasters, upcast
from kernel.runtime.work import working_on


class Reactor:
    """Calls a function for each event of certain types; a Lambda handler (SQS)."""

    def __init__(
        self,
        name: str,
        *,
        types: Iterable[str],
        react: Callable[[CloudEvent], None],
        rebuild: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        upcasters: EventUpcasters | None = None,
    ) -> None:
        self.name, self.types, self._react = name, frozenset(types), react
        self._rebuild, self._upcasters = rebuild, upcasters or {}

    def __call__(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        """React to every event; the partial batch response names those that failed.

        A request of `zebros events rebuild` is answered where there is something to rebuild.
        """
        if self._rebuild and "rebuild" in event:
            with working_on(partial(names_in_event, event)):
                return self._rebuild(event["rebuild"])
        batch = MessageBatch(self.name, event)
        for message in batch.messages():
            with batch.isolate(message):
                if message.event.type in self.types:
                    self._react(upcast(message.event, self._upcasters))
                    log_consumed(self.name, message.event)
                else:
                    log_consumed(self.name, message.event, "ignored")
        return batch.response()
