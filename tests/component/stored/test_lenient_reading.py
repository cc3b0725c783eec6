"""A stored record that its model refuses is shown as far as possible, and can be mended."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.storage.packing import pack
from tests.component.conftest import Answer, examples
from tests.component.stored.conftest import Reported
from tests.component.stored.kinds import KINDS, Kind

ALL = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
READ = pytest.mark.parametrize(
    "kind", [k for k in KINDS.values() if k.gets], ids=[k.name for k in KINDS.values() if k.gets]
)
PATCHED = [k for k in KINDS.values() if k.patch]
MENDED = pytest.mark.parametrize("kind", PATCHED, ids=[k.name for k in PATCHED])
ANY = {"if-match": "*"}
WRONG = {"account": "name", "contact": "last_name", "task": "title"}
"""A required text; `name` of the others."""


def required(kind: Kind) -> str:
    return WRONG.get(kind.name, "name")


def slug(answer: Answer) -> str:
    return str(answer.json["type"]).removeprefix("urn:zebros:problem:")


def wrong_names(answer: Answer) -> list[str]:
    return [one["field"] for one in answer.json["errors"]]


def patch(kind: Kind, record_id: str, body: dict[str, Any]) -> Answer:
    return kind.api("PATCH", f"{kind.path}/{record_id}", body, ANY)


@ALL
def test_a_wrong_record_is_in_its_list(kind: Kind, reported: Reported) -> None:
    document = kind.document()
    kind.store_as({**document, "created_at": "yesterday", "team_id": 7})
    answer = kind.list()
    assert answer.status == 200, answer.text
    shown = answer.json["items"][-1]
    if kind.shows:
        assert shown["created_at"] == "yesterday", "a required field is shown as stored"
    assert "team_id" not in shown, "an optional one is left out"
    line = reported.lines[-1]
    assert line["fields"] == {"created_at": "datetime_from_date_parsing", "team_id": "string_type"}
    assert (line["tenant"], line["record"]) == ("acme", f"{kind.name}/{kind.example().id}")
    assert line["DifferingRecords"] == 1
    assert "yesterday" not in json.dumps(reported.lines), "no value is logged"


@READ
def test_a_wrong_record_is_shown(kind: Kind, reported: Reported) -> None:
    record_id = kind.store_as({**kind.document(), "created_by": 5, "tags": "none"})
    answer = kind.get(record_id)
    assert answer.status == 200, answer.text
    assert answer.json["created_by"] == 5
    assert "tags" not in answer.json
    assert reported.lines[-1]["fields"] == {"created_by": "string_type", "tags": "list_type"}


@READ
@pytest.mark.parametrize("status", [5, [], None, "gone"])
def test_a_wrong_status_is_shown_or_left_out(kind: Kind, status: Any) -> None:
    record_id = kind.store_as({**kind.document(), "status": status})
    answer = kind.get(record_id)
    assert answer.status == 200
    if "status" in kind.document() and kind.name not in ("report", "import") and status:
        assert answer.json["status"] == status


@ALL
def test_what_cannot_be_read_is_left_out_of_lists(kind: Kind, reported: Reported) -> None:
    for text in ("no JSON", "[]"):
        kind.store_as(text)
        answer = kind.list()
        assert (answer.status, [i for i in answer.json["items"] if i["id"] != "default"]) == (
            200,
            [],
        )
        assert reported.lines[-1]["outcome"] == "unreadable"
        assert reported.lines[-1]["record"] == f"{kind.name}/{kind.example().id}"


@READ
@pytest.mark.parametrize(
    "doc", [b"", b"\xff" + pack("{}")[1:], pack("[1]"), pack("{"), "text", 5, pack("[" * 99_999)]
)
def test_what_cannot_be_read_is_a_problem(kind: Kind, doc: Any, reported: Reported) -> None:
    record_id = kind.store_as("{}", doc=doc)
    answer = kind.get(record_id)
    assert (answer.status, slug(answer)) == (409, "unreadable-record")
    assert record_id in answer.json["detail"]
    assert reported.lines[-1]["outcome"] == "unreadable"
    if kind.patch:
        assert slug(patch(kind, record_id, kind.patch)) == "unreadable-record"


@MENDED
def test_a_patch_mends_a_required_field(kind: Kind, reported: Reported) -> None:
    field = required(kind)
    record_id = kind.store_as({**kind.document(), field: 5})
    assert kind.get(record_id).json[field] == 5
    blocked = patch(kind, record_id, kind.patch or {})
    assert (blocked.status, slug(blocked)) == (422, "invalid-request")
    assert wrong_names(blocked) == [field], "the wrong field is named"
    mended = patch(kind, record_id, {field: "Right"})
    assert (mended.status, mended.json[field]) == (200, "Right")
    known = len(reported.lines)
    assert kind.get(record_id).json == mended.json
    assert len(reported.lines) == known, "the record does not differ any more"


@MENDED
def test_a_wrong_optional_field_stays_as_stored_until_it_is_replaced(kind: Kind) -> None:
    record_id = kind.store_as({**kind.document(), "team_id": 7})
    changed = patch(kind, record_id, kind.patch or {})
    assert changed.status == 200, changed.text
    assert kind.stored()["doc"]["team_id"] == 7, "nothing is lost"
    assert patch(kind, record_id, {"team_id": "south"}).json["team_id"] == "south"
    assert kind.stored()["doc"]["team_id"] == "south"


@MENDED
def test_a_wrong_optional_field_can_be_removed(kind: Kind, reported: Reported) -> None:
    record_id = kind.store_as({**kind.document(), "team_id": 7})
    assert patch(kind, record_id, {"team_id": None, **(kind.patch or {})}).status == 200
    assert "team_id" not in kind.stored()["doc"]


@MENDED
def test_a_patch_that_only_removes_a_wrong_field_is_stored(kind: Kind) -> None:
    record_id = kind.store_as({**kind.document(), "team_id": 7})
    assert patch(kind, record_id, {"team_id": None}).status == 200
    assert "team_id" not in kind.stored()["doc"]


@MENDED
@pytest.mark.parametrize("field", ["created_at", "created_by", "sequence"])
def test_a_patch_names_what_it_cannot_mend(kind: Kind, field: str) -> None:
    record_id = kind.store_as(
        {**kind.document(), field: "-"} | ({field: 5} if field == "created_by" else {})
    )
    answer = patch(kind, record_id, kind.patch or {})
    assert (answer.status, slug(answer)) == (409, "unreadable-record")
    assert wrong_names(answer) == [field]


@MENDED
@pytest.mark.parametrize("field", ["updated_at", "updated_by"])
def test_a_change_sets_its_time_and_user_anew(kind: Kind, field: str) -> None:
    record_id = kind.store_as({**kind.document(), field: [0]})
    assert patch(kind, record_id, kind.patch or {}).status == 200
    assert kind.stored()["doc"]["updated_by"] == "ann"


@MENDED
def test_a_wrong_version_in_the_document_is_that_of_the_item(kind: Kind) -> None:
    record_id = kind.store_as({**kind.document(), "version": "three"}, version=3)
    read = kind.get(record_id)
    assert (read.json["version"], read.headers["etag"]) == (3, '"3"')
    changed = kind.api("PATCH", f"{kind.path}/{record_id}", kind.patch, read.etag)
    assert (changed.status, changed.json["version"]) == (200, 4)


def test_a_transition_replaces_a_wrong_optional_field() -> None:
    kind = KINDS["opportunity"]
    stage = {"status": "open", "stage": "lead", "stage_name": "Lead", "opened_on": "2026-01-05"}
    record_id = kind.store_as({**kind.document(), **stage, "closed_on": 5, "region": 5})
    path = f"/opportunities/{record_id}/won"
    assert kind.api("POST", path, {"closed_on": "2026-06-01"}, ANY).status == 200
    document = kind.stored()["doc"]
    assert (document["closed_on"], document["region"]) == ("2026-06-01", 5)


def test_a_transition_needs_right_required_fields() -> None:
    kind = KINDS["opportunity"]
    document = {**kind.document(), "status": "open", "stage": "lead"}
    record_id = kind.store_as({**document, "stage_entered_at": 5.5e300})
    answer = kind.api("POST", f"/opportunities/{record_id}/lost", {"reason": "Price"}, ANY)
    assert (answer.status, slug(answer)) == (409, "unreadable-record")
    assert wrong_names(answer) == ["stage_entered_at"]


def test_a_published_event_has_no_wrong_value(cloud: Any) -> None:
    from tests.component.conftest import published

    kind = KINDS["account"]
    record_id = kind.store_as({**kind.document(), "country": "Atlantis", "later": {"x": 1}})
    assert patch(kind, record_id, {"region": "South"}).status == 200
    (event,) = published(cloud)
    assert not {"country", "later", "$aside"} & event["data"]["current"].keys()


def test_the_document_cannot_replace_the_key() -> None:
    kind = KINDS["account"]
    other = "01JZEBR0S00000000000000099"
    record_id = kind.store_as({**kind.document(), "id": other, "tenant_id": "globex"})
    assert kind.get(record_id).json["id"] == record_id
    assert [one["id"] for one in kind.list().json["items"]] == [record_id]


def test_a_record_with_an_external_id_is_found_although_it_is_wrong() -> None:
    kind = KINDS["account"]
    record_id = kind.store_as({**kind.document(), "name": 5})
    pk = "TENANT#acme#EXTERNAL#ACCOUNT#erp#1"
    kind.store.table.put({"pk": pk, "sk": "EXTERNAL", "record_id": record_id})
    found = kind.api("GET", "/accounts?external_id=erp:1")
    assert [one["name"] for one in found.json["items"]] == [5]
    kind.store_as("no JSON")
    assert kind.api("GET", "/accounts?external_id=erp:1").json["items"] == []


def test_an_import_keeps_the_wrong_fields_that_it_does_not_name() -> None:
    kind = KINDS["account"]
    record_id = kind.store_as({**kind.document(), "team_id": 7, "region": 5, "name": 5})
    pk = "TENANT#acme#EXTERNAL#ACCOUNT#erp#1"
    kind.store.table.put({"pk": pk, "sk": "EXTERNAL", "record_id": record_id})
    row = {"name": "Umbra", "region": "South", "external_ids": {"erp": "1"}}
    answer = kind.api("POST", "/accounts/batch", {"items": [row]})
    assert [one["status"] for one in answer.json["results"]] == [200], answer.text
    document = kind.stored()["doc"]
    assert (document["name"], document["region"], document["team_id"]) == ("Umbra", "South", 7)


def test_an_unreadable_entry_is_left_out_of_a_timeline(reported: Reported) -> None:
    kind = KINDS["task"]
    pk = "TENANT#acme#TIMELINE#account#01JZEBR0S00000000000000001"
    for number, doc in enumerate((b"", "text", pack("{}"), pack('{"at": 5}'), None)):
        item = {"pk": pk, "sk": f"2026#{number}"} | ({} if doc is None else {"doc": doc})
        kind.store.table.put(item)
    right = {"at": "2026-01-01T00:00:00Z", "type": "X", "text": "x", "actor": "ann"}
    right |= {"subject": "account/1", "sequence": 1, "event_id": "01JZEBR0S0000000000000000E"}
    right |= {"correlation_id": "c"}
    kind.store.table.put({"pk": pk, "sk": "2026#9", "doc": pack(json.dumps(right))})
    answer = kind.api("GET", "/timeline/account/01JZEBR0S00000000000000001")
    assert (answer.status, len(answer.json["items"])) == (200, 1)
    assert {one["record"] for one in reported.lines} == {
        "timeline/account#01JZEBR0S00000000000000001"
    }


def board(kind: Kind, record_id: str) -> Answer:
    return kind.api("GET", f"/pipelines/{record_id}/board")


def test_an_unreadable_column_is_left_out_of_a_board(reported: Reported) -> None:
    kind = KINDS["pipeline"]
    pk = f"TENANT#acme#BOARD#{kind.example().id}"
    right = {"pk": pk, "sk": "STAGE#open#EUR", "opportunities": 2, "minor_units": 5}
    wrong = {"pk": pk, "sk": "STAGE#open#USD", "opportunities": "many"}
    for item in (right, wrong, {"pk": pk, "sk": "STAGE#open"}):
        kind.store.table.put(item)
    record_id = kind.store_as({**kind.document(), "name": 5})
    answer = board(kind, record_id)
    assert (answer.status, answer.json["name"]) == (200, 5)
    assert [column["count"] for column in answer.json["columns"]] == [2, 0, 0]
    assert [one["outcome"] for one in reported.lines] == ["read", "unreadable", "unreadable"]


def test_a_board_whose_stages_cannot_be_read_is_a_problem() -> None:
    kind = KINDS["pipeline"]
    for stages in (5, [], {}):
        answer = board(kind, kind.store_as({**kind.document(), "stages": stages}))
        assert (answer.status, slug(answer)) == (409, "unreadable-record"), stages


def test_progress_that_cannot_be_read_is_left_out(reported: Reported) -> None:
    kind = KINDS["report"]
    record_id = kind.store_as({**kind.document(), "status": "processing"})
    kind.store.table.put({"pk": kind.store.key("acme", record_id), "sk": "PROGRESS", "at": "-"})
    answer = kind.get(record_id)
    assert (answer.status, answer.json["progress"]) == (200, 0)
    assert reported.lines[-1]["outcome"] == "unreadable"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=5,
)


@ALL
@given(data=st.data())
@examples(40)
def test_no_value_of_any_field_fails_a_request(kind: Kind, data: st.DataObject) -> None:
    names = sorted(kind.store.documents.model.model_fields.keys() | {"$schema", "later"})
    document = kind.document()
    for name in data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=2)):
        document[name] = data.draw(json_values, label=name)
    record_id = kind.store_as(document)
    answers = [kind.list()]
    if kind.gets:
        answers.append(kind.get(record_id))
    if kind.patch:
        answers.append(patch(kind, record_id, kind.patch))
        answers.append(patch(kind, record_id, {required(kind): "Right", "team_id": None}))
    actions = {"account": "archive", "opportunity": "reopen", "task": "complete"}
    actions |= {"report": "cancel", "import": "cancel", "notification": "read"}
    if kind.name in actions:
        path = f"{kind.path}/{record_id}/{actions[kind.name]}"
        answers.append(kind.api("POST", path, {}, ANY))
    for answer in answers:
        assert answer.status < 500, answer.text
