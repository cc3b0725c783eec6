"""The timeline consumes every event of its record types; a missing one would be a gap."""

import json

from activities.consumers.timeline import handler
from kernel.runtime.contexts import contexts
from tools.drift import ROOT


def test_every_record_type_of_these_contexts_has_a_timeline() -> None:
    expected = {
        one.name
        for name in ("activities", "customers", "opportunities")
        for one in contexts()[name].record_types
    }
    assert handler.record_types == expected
    assert expected == {
        *("account", "contact", "opportunity", "person", "pipeline", "product", "task")
    }


def test_every_event_is_about_a_record_type_of_its_context() -> None:
    without_a_record = {"stream", "region_move"}
    for context in contexts().values():
        known = {one.name for one in context.record_types} | without_a_record
        for example in (ROOT / "events" / "examples" / context.name).glob("*.json"):
            subject = json.loads(example.read_text(encoding="utf-8"))["subject"]
            assert subject.split("/")[0] in known, example.name
