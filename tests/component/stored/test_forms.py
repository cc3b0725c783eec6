"""Forms of stored documents: older ones are upcast, later ones are read, nothing is lost."""

import json
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from kernel.domain.aggregate import Aggregate, Change, Upcaster, new_record
from kernel.domain.aside import aside_of
from kernel.domain.clock import utc_now
from kernel.domain.errors import UnreadableRecord
from kernel.domain.events import Fields
from kernel.domain.ids import new_id
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.runtime import aws
from kernel.storage.documents import Documents
from kernel.storage.packing import unpack
from kernel.storage.records import RecordStore
from kernel.storage.table import Table
from kernel.storage.unit_of_work import UnitOfWork
from tests.component.stored.conftest import Reported
from tests.component.stored.kinds import KINDS, Kind

ANN = UnitOfWork(
    RequestContext(Principal("acme", "ann", frozenset({Role.ADMINISTRATOR})), correlation_id="c-1")
)
ALL = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


class Size(BaseModel):
    """A value inside of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metres: int


class WideSize(Size):
    """The same in a later release."""

    unit: str = "cm"


class Thing(Aggregate):
    """A record in its first form."""

    name: str
    size: Size | None = None
    parts: list[Size] = Field(default_factory=list)


class WideThing(Thing):
    """The same form in a later release, which has more optional fields."""

    size: WideSize | None = None
    parts: list[WideSize] = Field(default_factory=list)  # type: ignore[assignment]
    color: str | None = None
    labels: dict[str, int] | None = None


def split_name(document: dict[str, Any]) -> dict[str, Any]:
    first, _, last = document.pop("name").partition(" ")
    return {**document, "first": first, "last": last}


class Person(Aggregate):
    """The second form of Thing."""

    upcasters: ClassVar[tuple[Upcaster, ...]] = (split_name,)
    first: str
    last: str


class Member(Aggregate):
    """The third form."""

    upcasters: ClassVar[tuple[Upcaster, ...]] = (
        split_name,
        lambda document: {**document, "since": 2020},
    )
    first: str
    last: str
    since: int


def a_store[A: Aggregate](model: type[A]) -> RecordStore[A]:
    return RecordStore(Table(aws.client("dynamodb"), "table"), model, "thing", lambda _: {})


def made[A: Aggregate](store: RecordStore[A], **fields: Any) -> A:
    model = store.documents.model
    record = model(**new_record("acme", new_id(), "ann", utc_now()), **fields)
    return store.save(ANN, None, Change(record))


def text_of(store: RecordStore[Any], record_id: str) -> str:
    item = store.table.get(store.key("acme", record_id), "STATE", consistent=True)
    assert item is not None
    return unpack(item["doc"])


def test_the_first_form_has_no_number() -> None:
    store = a_store(Thing)
    assert "$schema" not in text_of(store, made(store, name="Ida Holm").id)


def test_an_older_form_is_read_as_the_current_one_and_stored_as_it(reported: Reported) -> None:
    record_id = made(a_store(Thing), name="Ida Holm").id
    store = a_store(Person)
    person = store.get("acme", record_id)
    assert (person.first, person.last, person.version) == ("Ida", "Holm", 1)
    store.save(ANN, person, Change(person.with_changes(first="Eva")))
    assert text_of(store, record_id).startswith('{"$schema":2,"version":2,')
    assert store.get("acme", record_id).first == "Eva"
    member = a_store(Member).get("acme", record_id)
    assert (member.first, member.since) == ("Eva", 2020), "one step of two"
    assert reported.lines == []


def test_every_step_is_carried_out_from_the_first_form() -> None:
    member = a_store(Member).get("acme", made(a_store(Thing), name="Ida Holm").id)
    assert (member.first, member.last, member.since) == ("Ida", "Holm", 2020)


def test_an_older_form_with_a_wrong_field_is_shown(reported: Reported) -> None:
    store = a_store(Thing)
    thing = made(store, name="Ida Holm")
    wrong = store.documents.encode(None, thing).replace('"ann"', "[]")
    store.table.put(store.item(thing, wrong))
    person = a_store(Person).show("acme", thing.id)
    assert person is not None
    assert (person.first, person.created_by) == ("Ida", None)
    assert reported.lines[-1]["fields"] == {
        "created_by": "string_type",
        "updated_by": "string_type",
    }


@pytest.mark.parametrize("mend", [None, Fields])
def test_a_later_form_is_shown_and_cannot_be_changed(
    reported: Reported, mend: type[Fields] | None
) -> None:
    record_id = made(a_store(Member), first="Ida", last="Holm", since=2024).id
    store = a_store(Person)
    person = store.show("acme", record_id)
    assert person is not None
    assert (person.first, person.last) == ("Ida", "Holm")
    assert reported.lines[-1]["fields"] == {"$schema": "later_release"}
    with pytest.raises(UnreadableRecord, match="by a later release of the CRM, and can be read"):
        store.get("acme", record_id, mend=mend)


@pytest.mark.parametrize("number", ['"2"', "0", "-1", "true", "null", "[]", "1.5"])
def test_a_number_that_is_none_makes_a_record_unchangeable(number: str) -> None:
    store = a_store(Person)
    thing = made(store, first="Ida", last="Holm")
    text = store.documents.encode(None, thing).replace('"$schema":2', f'"$schema":{number}')
    store.table.put(store.item(thing, text))
    assert store.show("acme", thing.id) is not None
    with pytest.raises(UnreadableRecord, match="stored wrongly") as raised:
        store.get("acme", thing.id)
    assert "unknown_form" in raised.value.errors[0].message


def test_a_document_that_cannot_be_upcast_is_shown_and_cannot_be_changed() -> None:
    store = a_store(Thing)
    thing = made(store, name="Ida Holm")
    store.table.put(store.item(thing, '{"name":5,"first":"Ida","version":1}'))
    person = a_store(Person).show("acme", thing.id)
    assert person is not None
    assert (person.first, person.last) == ("Ida", None)
    assert person.model_extra is not None
    assert person.model_extra["name"] == 5, "as stored, although the step has removed it"
    with pytest.raises(UnreadableRecord) as raised:
        a_store(Person).get("acme", thing.id, mend=Fields)
    assert raised.value.errors[0].field == "$schema"


class ThingFields(Fields):
    """What a change of a thing may set."""

    name: str


def test_a_change_that_leaves_a_required_field_wrong_is_not_stored() -> None:
    store = a_store(Thing)
    thing = made(store, name="Ida Holm")
    wrong = store.documents.encode(None, thing).replace('"Ida Holm"', "5")
    store.table.put(store.item(thing, wrong))
    before = store.get("acme", thing.id, mend=ThingFields)
    assert before.name is None
    with pytest.raises(UnreadableRecord) as raised:
        store.save(ANN, before, Change(before.with_changes(tags=["x"])))
    assert raised.value.errors[0].field == "name"
    assert text_of(store, thing.id) == wrong
    after = store.save(ANN, before, Change(before.with_changes(name="Eva")))
    aside = aside_of(after)
    assert aside is None or not aside.wrong, "it is right now"


def test_a_release_with_a_wider_record_can_be_rolled_back(reported: Reported) -> None:
    wide, today = a_store(WideThing), a_store(Thing)
    size, parts = WideSize(metres=1), [WideSize(metres=n, unit="in") for n in (1, 2)]
    thing = made(wide, name="a", size=size, parts=parts, color="red", labels={"x": 1})
    for name in ("b", "c"):
        before = today.get("acme", thing.id)
        assert before.size == Size(metres=1)
        changed = today.save(ANN, before, Change(before.with_changes(name=name)))
        assert changed.version == before.version + 1
    after = wide.get("acme", thing.id)
    assert (after.name, after.color, after.labels) == ("c", "red", {"x": 1})
    assert (after.size, after.parts) == (size, parts), "also inside of values"
    assert reported.lines == [], "a field of a later release is no fault"


def test_a_value_that_is_replaced_loses_what_belonged_to_the_one_before() -> None:
    wide, today = a_store(WideThing), a_store(Thing)
    parts = [WideSize(metres=1, unit="in")]
    thing = made(wide, name="a", size=WideSize(metres=1, unit="mm"), parts=parts)
    before = today.get("acme", thing.id)
    today.save(ANN, before, Change(before.with_changes(size=Size(metres=2))))
    after = wide.get("acme", thing.id)
    assert after.size == WideSize(metres=2), "another size has no unit"
    assert after.parts == parts


@ALL
def test_every_type_of_record_keeps_fields_of_a_later_release(kind: Kind) -> None:
    """The later release stores, this one changes, the later one reads."""
    today = kind.store
    model = create_model("Wide", __base__=today.documents.model, later=(str | None, None))
    wide = RecordStore(today.table, model, today.record_type, today._index)
    example = {**json.loads(kind.example().model_dump_json()), "later": "kept"}
    stored = model.model_validate_json(json.dumps(example))
    wide.table.put(wide.item(stored, wide.documents.encode(None, stored)))
    if kind.patch:
        path = f"{kind.path}/{stored.id}"
        changed = kind.api("PATCH", path, kind.patch, {"if-match": "*"})
        assert (changed.status, "later" in changed.json) == (200, False)
    else:
        before = today.get("acme", stored.id)
        today.save(ANN, before, Change(before.with_changes(team_id="south")))
    after = wide.get("acme", stored.id)
    assert (after.version, after.later) == (stored.version + 1, "kept")  # type: ignore[attr-defined]
    for answer in (kind.list(), *([kind.get(stored.id)] if kind.gets else [])):
        assert answer.status == 200
        assert "later" not in answer.text, "it is not shown"


@ALL
def test_a_new_record_has_no_field_that_its_model_does_not_know(kind: Kind) -> None:
    assert kind.document().keys() <= kind.store.documents.model.model_fields.keys()


def test_a_report_keeps_parameters_of_a_later_release(reported: Reported) -> None:
    kind = KINDS["report"]
    document = {**kind.document(), "status": "pending", "started_at": None, "attempts": 0}
    for name in ("started_at", "ended_at", "outcome", "failure", "reason", "cancelled_by"):
        document.pop(name, None)
    parameters = {**document["parameters"], "layout": "wide"}
    record_id = kind.store_as({**document, "parameters": parameters})
    assert "layout" not in kind.get(record_id).text
    assert kind.api("POST", f"/reports/{record_id}/cancel", {}).status == 200
    stored = kind.stored()["doc"]
    assert (stored["status"], stored["parameters"]) == ("cancelled", parameters)
    assert reported.lines == []


def test_a_report_that_no_longer_exists_is_read() -> None:
    kind = KINDS["report"]
    parameters = {"report": "churn", "by": "planet", "format": "odt", "from": "2026-01-01"}
    record_id = kind.store_as({**kind.document(), "parameters": parameters})
    assert kind.get(record_id).json["parameters"] == parameters


def test_a_document_is_upcast_as_json() -> None:
    documents = Documents(Member)
    thing = '{"name":"Ida Holm","later":[1]}'
    upcast = documents.upcast(thing)
    assert upcast.startswith('{"$schema":3,')
    assert json.loads(upcast) == {
        "$schema": 3,
        "later": [1],
        "first": "Ida",
        "last": "Holm",
        "since": 2020,
    }
    assert documents.is_current(upcast)
    assert not documents.is_current(thing)
    assert Documents(Thing).is_current(thing)
    assert not Documents(Thing).is_current(upcast)
    for wrong in ('{"$schema":4}', '{"name":5}', "[]", "no JSON"):
        with pytest.raises(ValueError, match=r"upcast|object|Expecting"):
            documents.upcast(wrong)


FINAL = {"ImportResult", "ReportResult", "StreamPosition"}
"""Values of a run that has ended, which is never changed again."""


def values_of(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The models inside of a model, at any depth."""
    found: set[type[BaseModel]] = set()

    def visit(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
            found.add(kind)
            for field in kind.model_fields.values():
                visit(field.annotation)
        for part in getattr(kind, "__args__", ()):
            visit(part)

    visit(model)
    return found - {model}


@ALL
def test_an_unknown_field_inside_of_a_value_is_noticed(kind: Kind) -> None:
    """A value whose model ignored unknown fields would lose them."""
    for value in values_of(kind.store.documents.model):
        assert value.model_config.get("extra") == "forbid" or value.__name__ in FINAL, value
