"""`include=people`: answers have the names of the people that they mention."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.component.conftest import Answer, ApiClient, create_table
from tests.component.references import deliver
from tests.component.test_budgets import Meter

ANN = {"name": "Ann Lee", "team_id": "north", "active": True}
BOB = {"name": "Bob Holm", "active": True}
ANY = {"if-match": "*"}


class Context(NamedTuple):
    """The API of a context, and how it learns of people."""

    api: ApiClient
    know: Callable[..., None]
    """Adds or changes a person: id and fields."""


def customers(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "contacts")
    create_table(cloud, "contacts")
    from customers.handlers.api import handler

    api = ApiClient(handler)

    def know(person_id: str, **fields: Any) -> None:
        item = {"id": person_id, **fields}
        answer = api("POST", "/people/batch", {"items": [item]})
        assert answer.json["results"][0]["status"] in (200, 201), answer.text

    return Context(api, know)


def opportunities(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Context:
    from opportunities.consumers.references import handler as consumer
    from opportunities.handlers.api import handler

    return Context(ApiClient(handler), delivering(consumer))


def activities(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Context:
    from activities.consumers.timeline import handler as consumer
    from activities.handlers.api import handler

    return Context(ApiClient(handler), delivering(consumer))


def delivering(consumer: Any) -> Callable[..., None]:
    """What delivers the events of people, in order."""
    sequences: dict[str, int] = {}

    def know(person_id: str, **fields: Any) -> None:
        sequences[person_id] = sequence = sequences.get(person_id, 0) + 1
        deliver(consumer, f"person/{person_id}", sequence, **{"active": True, **fields})

    return know


KINDS: dict[str, tuple[Callable[..., Context], dict[str, Any], str]] = {
    "accounts": (customers, {"name": "A", "owner_id": "bob"}, "owner_id=bob"),
    "contacts": (customers, {"last_name": "A", "owner_id": "bob"}, "owner_id=bob"),
    "opportunities": (opportunities, {"name": "A", "owner_id": "bob"}, "owner_id=bob"),
    "tasks": (activities, {"title": "A", "assignee_id": "bob"}, "assignee_id=bob"),
}


class Case(NamedTuple):
    """A record of a kind that Bob owns or is assigned, made by Ann."""

    context: Context
    record: Answer
    one: str
    """The path of the record."""
    all: str
    """The path of the list that shows it."""


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest, cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Case:
    kind = request.param
    make, fields, filtered = KINDS[kind]
    context = make(cloud, monkeypatch)
    context.know("ann", name="Ann Lee", team_id="north")
    context.know("bob", name="Bob Holm")
    record = context.api("POST", f"/{kind}", fields)
    assert record.status == 201, record.text
    return Case(context, record, f"/{kind}/{record.json['id']}", f"/{kind}?{filtered}")


def test_a_list_has_the_people_of_its_records(case: Case) -> None:
    page = case.context.api("GET", f"{case.all}&include=people")
    assert page.status == 200, page.text
    assert page.json["people"] == {"ann": ANN, "bob": BOB}
    assert [one["id"] for one in page.json["items"]] == [case.record.json["id"]]


def test_a_single_record_has_its_people(case: Case) -> None:
    answer = case.context.api("GET", f"{case.one}?include=people")
    assert answer.status == 200, answer.text
    alone = case.context.api("GET", case.one).json
    assert answer.json == {**alone, "people": {"ann": ANN, "bob": BOB}}


def test_who_does_not_ask_gets_no_people_and_pays_for_none(case: Case) -> None:
    meter = Meter()
    assert "people" not in case.context.api("GET", case.all).json
    assert "people" not in case.context.api("GET", case.one).json
    assert meter.taken() == {"Query": 1, "GetItem": 1}


def test_people_are_one_more_read_however_many_records_there_are(case: Case) -> None:
    kind, fields, _ = next(
        (kind, fields, filtered)
        for kind, (_, fields, filtered) in KINDS.items()
        if case.one.startswith(f"/{kind}/")
    )
    for _ in range(5):
        case.context.api("POST", f"/{kind}", fields)
    meter = Meter()
    page = case.context.api("GET", f"{case.all}&include=people").json
    assert (len(page["items"]), page["people"].keys()) == (6, {"ann", "bob"})
    assert meter.taken() == {"Query": 1, "BatchGetItem": 1}
    case.context.api("GET", f"{case.one}?include=people")
    assert meter.taken() == {"GetItem": 1, "BatchGetItem": 1}


def test_an_empty_list_reads_no_people(case: Case) -> None:
    empty = case.all.replace("bob", "nobody")
    meter = Meter()
    assert case.context.api("GET", f"{empty}&include=people").json == {"items": [], "people": {}}
    assert meter.taken() == {"Query": 1}


def test_a_leaver_keeps_the_name_and_is_not_active(case: Case) -> None:
    case.context.know("bob", name="Bob Holm", active=False)
    page = case.context.api("GET", f"{case.all}&include=people").json
    assert page["people"]["bob"] == {**BOB, "active": False}


def test_a_new_name_is_a_new_etag_of_list_and_record(case: Case) -> None:
    paths = (f"{case.all}&include=people", f"{case.one}?include=people")
    known = {path: case.context.api("GET", path).headers["etag"] for path in paths}
    for path in paths:
        assert case.context.api("GET", path, headers={"if-none-match": known[path]}).status == 304
    case.context.know("bob", name="Bob Holm-Reed")
    for path in paths:
        answer = case.context.api("GET", path, headers={"if-none-match": known[path]})
        assert answer.status == 200, path
        assert answer.json["people"]["bob"]["name"] == "Bob Holm-Reed"


def test_the_etag_of_a_record_with_people_is_good_for_if_match(case: Case) -> None:
    field = next(iter(case.record.json.keys() & {"name", "last_name", "title"}))
    seen = case.context.api("GET", f"{case.one}?include=people").headers["etag"]
    case.context.know("bob", name="Bob Holm-Reed")
    changed = case.context.api("PATCH", case.one, {field: "B"}, {"if-match": seen})
    assert changed.status == 200, "a new name of a person is no change of the record"
    assert case.context.api("PATCH", case.one, {field: "C"}, {"if-match": seen}).status == 412


def test_unknown_people_are_left_out(case: Case) -> None:
    api = ApiClient(case.context.api.handler, user="gus")
    kind = case.one.split("/")[1]
    made = api("POST", f"/{kind}", KINDS[kind][1])
    page = api("GET", f"{case.one.rpartition('/')[0]}/{made.json['id']}?include=people").json
    assert page["people"].keys() == {"bob"}
    assert page["created_by"] == "gus"


def test_people_of_another_tenant_are_unknown(case: Case) -> None:
    api = ApiClient(case.context.api.handler, tenant="bolt")
    kind = case.one.split("/")[1]
    made = api("POST", f"/{kind}", KINDS[kind][1]).json
    assert api("GET", f"/{kind}/{made['id']}?include=people").json["people"] == {}


@pytest.mark.parametrize("wrong", ["include=persons", "include=", "include=people&include=people"])
def test_nothing_else_can_be_included(case: Case, wrong: str) -> None:
    for path in (f"{case.all}&{wrong}", f"{case.one}?{wrong}"):
        answer = case.context.api("GET", path)
        assert answer.status == 422, path
        assert [one["field"] for one in answer.json["errors"]] == ["include"]


def test_an_unknown_parameter_of_a_record_is_named(case: Case) -> None:
    answer = case.context.api("GET", f"{case.one}?expand=people")
    assert answer.status == 422
    assert answer.json["errors"][0] == {
        "field": "expand",
        "message": "is not a parameter of this request; it has: include",
    }


def test_timelines_have_the_people_who_acted(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from activities.consumers.timeline import handler as consumer

    context = activities(cloud, monkeypatch)
    context.know("ann", name="Ann Lee", team_id="north")
    account = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
    deliver(consumer, f"account/{account}", actor="ann")
    page = context.api("GET", f"/timeline/account/{account}?include=people").json
    assert page["people"] == {"ann": ANN}


def test_a_person_remembered_by_an_earlier_release_has_no_name_until_a_rebuild(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    from kernel.storage.references import position_key
    from opportunities.bootstrap import table

    context = opportunities(cloud, monkeypatch)
    context.know("bob", name="Bob Holm")
    key = position_key("acme", "opportunities-references", "person/bob")
    item = table().get(key, "POSITION")
    assert item is not None
    assert json.loads(str(item["memory"])) == {"name": "Bob Holm"}
    table().put({**item, "memory": "{}"})
    made = context.api("POST", "/opportunities", {"name": "A", "owner_id": "bob"}).json
    path = f"/opportunities/{made['id']}?include=people"
    assert context.api("GET", path).json["people"] == {}


def test_more_than_a_hundred_people_are_all_named(
    cloud: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One read for each hundred: a page of the usual size has at most as many people."""
    from kernel.domain.references import KnownPerson
    from kernel.storage.references import References

    context = opportunities(cloud, monkeypatch)
    ids = [f"p{n}" for n in range(101)]
    for one in ids:
        context.know(one, name="N" * 200)
    from opportunities.bootstrap import table

    meter = Meter()
    found = References(table(), "opportunities-references").people("acme", ids)
    assert found == dict.fromkeys(ids, KnownPerson("N" * 200, None, True))
    assert meter.taken() == {"BatchGetItem": 2}
