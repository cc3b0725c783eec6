"""Consumers read events of older versions as the one that they know."""

from typing import Any

import pytest

from kernel.domain.cloud_events import CloudEvent
from kernel.domain.events import REGISTRY
from kernel.messaging.projection import Projection
from kernel.messaging.reactor import Reactor
from kernel.messaging.upcasting import EventUpcaster, upcast
from tests.component.kernel.queues import body, event, lambda_event


def received(dataschema: Any = None, **data: Any) -> CloudEvent:
    detail = {**event("acme", "thing/1", 1), "data": data}
    return CloudEvent.parse(detail if dataschema is None else {**detail, "dataschema": dataschema})


def renamed(data: dict[str, Any]) -> dict[str, Any]:
    return {"title": data["name"]}


def dated(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "year": 2020}


@pytest.mark.parametrize(
    ("dataschema", "version"),
    [
        ("urn:zebros:schema:things/Thing.v1", 1),
        ("urn:zebros:schema:things/Thing.v12", 12),
        ("urn:zebros:schema:things/Thing", 1),
        ("urn:zebros:schema:things/Thing.v0", 1),
        ("x.vy", 1),
        (5, 1),
    ],
)
def test_the_schema_names_the_version(dataschema: Any, version: int) -> None:
    assert received(dataschema).version == version


@pytest.mark.parametrize(
    ("version", "data", "read"),
    [
        (1, {"name": "a"}, {"title": "a", "year": 2020}),
        (2, {"title": "a"}, {"title": "a", "year": 2020}),
        (3, {"title": "a", "year": 1}, {"title": "a", "year": 1}),
        (4, {"later": 1}, {"later": 1}),
    ],
)
def test_an_event_is_brought_from_its_version_to_the_known_one(
    version: int, data: dict[str, Any], read: dict[str, Any]
) -> None:
    before = received(f"x.v{version}", **data)
    after = upcast(before, {before.type: (renamed, dated)})
    assert after.data == read
    assert before.data == data
    assert (after.id, after.detail) == (before.id, before.detail)


def test_events_of_other_types_stay_as_they_are() -> None:
    before = received("x.v1", name="a")
    assert upcast(before, {"Other": (renamed,)}) is before


def test_a_reactor_reads_the_version_that_it_knows() -> None:
    seen: list[dict[str, Any]] = []
    detail = event("acme", "thing/1", 1)
    upcasters: dict[str, list[EventUpcaster]] = {detail["type"]: [dated]}
    reactor = Reactor(
        "r", types=[detail["type"]], react=lambda e: seen.append(e.data), upcasters=upcasters
    )
    assert reactor(lambda_event([body(detail)]), None) == {"batchItemFailures": []}
    assert seen[0]["year"] == 2020


CONSUMERS = ("activities", "opportunities", "notifications", "reporting", "imports")


def test_every_consumer_says_how_it_reads_older_versions() -> None:
    """A second version of an event needs an entry in `UPCASTERS` of each consuming context."""
    import importlib

    latest: dict[str, int] = {}
    for key in REGISTRY:
        name, _, number = key.rpartition("/")[2].rpartition(".v")
        latest[name] = max(latest.get(name, 0), int(number))
    for context in CONSUMERS:
        known = importlib.import_module(f"{context}.incoming").UPCASTERS
        assert {name: len(steps) + 1 for name, steps in known.items()} == {
            name: number for name, number in latest.items() if number > 1
        }


def test_every_consumer_applies_its_upcasters() -> None:
    import importlib

    names = {"activities": "timeline", "opportunities": "board"}
    names |= {"notifications": "inbox", "reporting": "workflow", "imports": "workflow"}
    for context, name in names.items():
        consumer = importlib.import_module(f"{context}.consumers.{name}").handler
        assert isinstance(consumer, Projection | Reactor)
        known = importlib.import_module(f"{context}.incoming").UPCASTERS
        consumer_has: Any = consumer._upcasters
        assert consumer_has == known
