"""Accounts and contacts of opportunities: they must exist and be active."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient, opportunity_events
from tests.component.opportunities.conftest import ANY, UNKNOWN_ID
from tests.component.references import ARCHIVED, aged_id, complete, deliver

FIELDS = [("account_id", "account"), ("contact_id", "contact")]


@pytest.fixture
def known(cloud: Any) -> Any:
    """The consumer that learns of accounts and contacts; it knows all of acme's."""
    from opportunities.consumers.references import handler

    complete(handler)
    return handler


def errors(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json["errors"]}


@pytest.mark.parametrize(("field", "record_type"), FIELDS)
def test_a_record_that_does_not_exist_is_refused(
    api: ApiClient, known: Any, cloud: Any, field: str, record_type: str
) -> None:
    answer = api("POST", "/opportunities", {"name": "Big", field: UNKNOWN_ID})
    assert errors(answer) == {field: f"there is no {record_type} {UNKNOWN_ID}"}
    assert opportunity_events(cloud) == []


@pytest.mark.parametrize(("field", "record_type"), FIELDS)
def test_an_archived_record_is_refused_until_it_is_restored(
    api: ApiClient, known: Any, field: str, record_type: str
) -> None:
    one = aged_id(days=3)
    deliver(known, f"{record_type}/{one}")
    assert api("POST", "/opportunities", {"name": "A", field: one}).status == 201
    deliver(known, f"{record_type}/{one}", 2, **ARCHIVED)
    answer = api("POST", "/opportunities", {"name": "B", field: one})
    assert errors(answer) == {field: f"{record_type} {one} is archived; restore it first"}
    deliver(known, f"{record_type}/{one}", 3)
    assert api("POST", "/opportunities", {"name": "C", field: one}).status == 201


def test_every_wrong_reference_is_named(api: ApiClient, known: Any) -> None:
    ids = {"account_id": aged_id(days=1), "contact_id": aged_id(days=2)}
    assert errors(api("POST", "/opportunities", {"name": "A", **ids})).keys() == ids.keys()


def test_the_id_of_a_record_of_another_type_is_refused(api: ApiClient, known: Any) -> None:
    contact = aged_id(days=1)
    deliver(known, f"contact/{contact}")
    answer = api("POST", "/opportunities", {"name": "A", "account_id": contact})
    assert errors(answer) == {"account_id": f"there is no account {contact}"}


def test_a_record_of_another_tenant_is_refused(api: ApiClient, known: Any) -> None:
    account = aged_id(days=1)
    deliver(known, f"account/{account}", tenant="bolt")
    assert errors(api("POST", "/opportunities", {"name": "A", "account_id": account}))


@pytest.mark.parametrize(("minutes", "status"), [(0, 201), (59, 201), (61, 422), (-1, 201)])
def test_the_event_of_a_new_record_may_take_an_hour(
    api: ApiClient, known: Any, minutes: float, status: int
) -> None:
    """The alarm about a consumer that is behind comes after a quarter of it."""
    new = aged_id(minutes=minutes)
    assert api("POST", "/opportunities", {"name": "A", "account_id": new}).status == status


def test_an_id_of_the_distant_future_is_refused(api: ApiClient, known: Any) -> None:
    """Clocks differ by minutes, so that no record has such an id."""
    assert errors(api("POST", "/opportunities", {"name": "A", "account_id": "7" + 25 * "Z"}))


def test_unknown_ids_are_accepted_while_the_projection_may_be_incomplete(
    api: ApiClient, cloud: Any
) -> None:
    """An upgraded stack has records of which no event was consumed, until a rebuild."""
    from opportunities.consumers.references import handler

    answer = api("POST", "/opportunities", {"name": "A", "account_id": UNKNOWN_ID})
    assert answer.status == 201
    archived = aged_id(days=1)
    deliver(handler, f"account/{archived}", **ARCHIVED)
    assert errors(api("POST", "/opportunities", {"name": "A", "account_id": archived}))
    complete(handler, "bolt")
    assert api("POST", "/opportunities", {"name": "A", "account_id": UNKNOWN_ID}).status == 201


def test_only_a_reference_that_changes_is_checked(api: ApiClient, known: Any) -> None:
    account = aged_id(days=1)
    deliver(known, f"account/{account}")
    made = api("POST", "/opportunities", {"name": "A", "account_id": account})
    deliver(known, f"account/{account}", 2, **ARCHIVED)
    path = f"/opportunities/{made.json['id']}"
    assert api("PATCH", path, {"name": "B", "account_id": account}, ANY).status == 200
    assert api("POST", f"{path}/won", {}, ANY).status == 200
    assert errors(api("PATCH", path, {"account_id": UNKNOWN_ID}, ANY))
    assert api("PATCH", path, {"account_id": None}, ANY).status == 200
    assert errors(api("PATCH", path, {"account_id": account}, ANY))


def test_an_item_of_a_batch_with_a_wrong_reference_fails_alone(api: ApiClient, known: Any) -> None:
    def item(number: int, **fields: str) -> dict[str, Any]:
        return {"name": f"Deal {number}", "external_ids": {"erp": str(number)}, **fields}

    items = [item(1), item(2, account_id=UNKNOWN_ID), item(3)]
    results = api("POST", "/opportunities/batch", {"items": items}).json["results"]
    assert [one["status"] for one in results] == [201, 422, 201]
    assert results[1]["problem"]["errors"][0]["field"] == "account_id"
    items = [item(1, contact_id=UNKNOWN_ID), item(3, name="Renamed")]
    results = api("POST", "/opportunities/batch", {"items": items}).json["results"]
    assert [one["status"] for one in results] == [422, 200]


def test_events_in_any_order_and_twice_leave_the_last_state(api: ApiClient, known: Any) -> None:
    account = aged_id(days=1)
    first, second, third = (aged_id(minutes=9), aged_id(minutes=8), aged_id(minutes=7))
    deliver(known, f"account/{account}", 3, event_id=third)
    deliver(known, f"account/{account}", 2, event_id=second, **ARCHIVED)
    assert api("POST", "/opportunities", {"name": "A", "account_id": account}).status == 201
    deliver(known, f"account/{account}", 1, event_id=first)
    deliver(known, f"account/{account}", 2, event_id=second, **ARCHIVED)
    assert api("POST", "/opportunities", {"name": "A", "account_id": account}).status == 201
    deliver(known, f"account/{account}", 4, **ARCHIVED)
    assert errors(api("POST", "/opportunities", {"name": "A", "account_id": account}))


def test_a_write_without_a_reference_reads_nothing_more(
    api: ApiClient, known: Any, cloud: Any
) -> None:
    from opportunities.bootstrap import table

    read: list[int] = []
    before = table().get_many
    try:
        table().get_many = lambda keys, **options: (  # type: ignore[method-assign]
            read.append(len(keys)) or before(keys, **options)  # type: ignore[func-returns-value]
        )
        api("POST", "/opportunities", {"name": "A"})
        assert read == []
        both = {"account_id": aged_id(minutes=1), "contact_id": aged_id(minutes=1)}
        api("POST", "/opportunities", {"name": "A", **both})
        assert read == [4], "both, whether the projection is complete, and the pipeline"
    finally:
        del table().get_many  # type: ignore[method-assign]
