"""Events of older versions, brought to the one that a consumer reads.

`dataschema` names the version of an event's data. A new version of an event is a new class
(CONTRIBUTING.md); the archive and parked events still have the older one. A consumer declares
beside its narrow models (`incoming.py`) how it reads them. An event of a later version than it
knows is read as it is: the narrow models ignore what they do not know.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kernel.domain.cloud_events import CloudEvent

type EventUpcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes an event's `data` of the next version; a pure function."""
type EventUpcasters = Mapping[str, Sequence[EventUpcaster]]
"""By event type: from each version to the next one, the first from version 1 to version 2."""


def upcast(event: CloudEvent, upcasters: EventUpcasters) -> CloudEvent:
    """The event with data of the version that the consumer reads."""
    steps = upcasters.get(event.type, ())[event.version - 1 :]
    if not steps:
        return event
    data = event.data
    for step in steps:
        data = step(data)
    return replace(event, data=data)
