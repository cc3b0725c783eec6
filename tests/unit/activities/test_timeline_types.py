"""The timeline consumes whole histories: an event left out would be a gap that never closes."""

import activities.events
import customers.events
import opportunities.events
from activities.events import RecordType
from activities.handlers.events import handler
from kernel.domain.events import REGISTRY, StreamGap


def test_every_event_about_a_record_with_a_timeline_is_consumed() -> None:
    contexts = {
        m.__name__.split(".")[0]
        for m in (activities.events, customers.events, opportunities.events)
    }
    published = {
        event.__name__
        for event in REGISTRY.values()
        if event.context in contexts and not issubclass(event, StreamGap)
    }
    assert handler.types == published


def test_every_kind_of_record_of_these_contexts_has_a_timeline() -> None:
    kinds = tuple(kind.capitalize() for kind in RecordType)
    assert all(name.startswith(kinds) for name in handler.types)
