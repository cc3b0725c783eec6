"""People whom others change meanwhile, and those whom a restore of the context has archived."""

from typing import Any

import pytest

from customers import bootstrap
from kernel.domain.aggregate import Change
from kernel.domain.clock import utc_now
from kernel.domain.errors import StaleVersion
from kernel.domain.principal import system_request
from kernel.storage.unit_of_work import UnitOfWork
from tests.component.conftest import ApiClient
from tests.component.customers.conftest import problem
from tests.component.customers.test_sign_ins import sign_in

ANY = {"if-match": "*"}
BOB = {"id": "bob", "name": "Bob Holm", "team_id": "south"}


@pytest.fixture
def archived(api: ApiClient) -> None:
    """A person who was added after the time of a restore."""
    sign_in("bob", "Bob Holm", "south")
    sign_in("cleo", "Cleo")
    api("POST", "/people", {"id": "eve", "name": "Eve"})
    api("POST", "/accounts", {"name": "Bob's", "owner_id": "bob"})
    repository = bootstrap.people()._people
    before = repository.get("acme", "bob")
    change = Change(before.as_created_later(utc_now(), lost=False))
    repository.save(UnitOfWork(system_request("acme")), before, change)


def test_a_change_of_an_earlier_version_is_refused(api: ApiClient) -> None:
    etag = api("POST", "/people", BOB).etag
    assert api("PATCH", "/people/bob", {"name": "Bob Reed"}, etag).status == 200
    late = api("PATCH", "/people/bob", {"active": False}, etag)
    assert (late.status, api("GET", "/people/bob").json["active"]) == (412, True)


def test_an_archived_person_is_not_changed_and_owns_nothing_new(
    api: ApiClient, archived: None
) -> None:
    changed = api("PATCH", "/people/bob", {"name": "B"}, ANY)
    assert (changed.status, problem(changed)) == (422, "archived")
    (result,) = api("POST", "/people/batch", {"items": [BOB | {"name": "B"}]}).json["results"]
    assert result["status"] == 422
    sign_in("bob", "Bobby", "east")
    assert api("GET", "/people/bob").json["name"] == "Bob Holm"
    assert [one["id"] for one in api("GET", "/people").json["items"]] == ["cleo", "eve"]
    owned = api("POST", "/accounts", {"name": "A", "owner_id": "bob"})
    assert (owned.status, owned.json["errors"][0]["field"]) == (422, "owner_id")
    given = api("POST", "/accounts/reassign", {"from_id": "eve", "to_id": "bob"})
    assert (given.status, given.json["errors"][0]["field"]) == (422, "to_id")
    rows = [{"name": "A", "owner_id": "bob", "external_ids": {"crm": "1"}}]
    (result,) = api("POST", "/accounts/batch", {"items": rows}).json["results"]
    assert result["status"] == 422
    shown = api("GET", "/accounts?owner_id=bob&include=people").json
    assert [one["name"] for one in shown["items"]] == ["Bob's"]
    assert shown["people"]["bob"]["active"] is False


@pytest.mark.parametrize("query", ["", "?name_prefix=b", "?external_id=hr:7"])
def test_a_caller_without_a_role_reads_nobody(api: ApiClient, query: str) -> None:
    api("POST", "/people", BOB | {"external_ids": {"hr": "7"}})
    assert len(api("GET", f"/people{query}").json["items"]) == 1
    assert api.as_(roles="")("GET", f"/people{query}").status == 403


def stale_once(monkeypatch: pytest.MonkeyPatch, service: Any, times: int) -> None:
    """Let others change a person first, this many times."""
    save = service._people.save
    lost: list[object] = []

    def late(*arguments: Any) -> Any:
        if len(lost) < times:
            lost.append(arguments)
            raise StaleVersion("Somebody was faster.")
        return save(*arguments)

    monkeypatch.setattr(service._people, "save", late)


@pytest.mark.parametrize(("times", "status"), [(2, 200), (3, 409)])
def test_an_item_of_a_batch_is_tried_three_times(
    api: ApiClient, monkeypatch: pytest.MonkeyPatch, times: int, status: int
) -> None:
    api("POST", "/people", BOB)
    stale_once(monkeypatch, bootstrap.people(), times)
    (result,) = api("POST", "/people/batch", {"items": [BOB | {"name": "Bob"}]}).json["results"]
    assert result["status"] == status
    assert api("GET", "/people/bob").json["name"] == ("Bob" if status == 200 else "Bob Holm")


def test_a_sign_in_is_tried_again(api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in("bob", "Bob Holm")
    stale_once(monkeypatch, bootstrap.signed_in_people(), 2)
    sign_in("bob", "Bob Reed")
    assert api("GET", "/people/bob").json["name"] == "Bob Reed"


def test_more_people_than_one_read_finds_are_all_found(api: ApiClient) -> None:
    sign_in("bob", "Bob")
    sign_in("cleo", "Cleo")
    unknown = [f"u{number}" for number in range(100)]
    found = bootstrap.people()._people.show_all("acme", ["bob", *unknown, "cleo"])
    assert [one.id for one in found] == ["bob", "cleo"]
