"""The records that a task is about: they must exist and be active."""

from typing import Any

import pytest

from tests.component.conftest import Answer, ApiClient
from tests.component.references import ARCHIVED, aged_id, complete, deliver

ANY = {"if-match": "*"}
UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from activities.handlers.api import handler

    return ApiClient(handler)


@pytest.fixture
def known(cloud: Any) -> Any:
    """The consumer of the timeline, which knows all of acme's records."""
    from activities.consumers.timeline import handler

    complete(handler)
    return handler


def task(*related: tuple[str, str]) -> dict[str, Any]:
    return {"title": "Call", "related": [{"type": kind, "id": one} for kind, one in related]}


def errors(answer: Answer) -> dict[str, str]:
    assert answer.status == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json["errors"]}


@pytest.mark.parametrize("kind", ["account", "contact", "opportunity"])
def test_a_record_that_does_not_exist_is_refused(api: ApiClient, known: Any, kind: str) -> None:
    answer = api("POST", "/tasks", task((kind, UNKNOWN_ID)))
    assert errors(answer) == {"related.0.id": f"there is no {kind} {UNKNOWN_ID}"}


@pytest.mark.parametrize("kind", ["account", "contact", "opportunity"])
def test_an_archived_record_is_refused(api: ApiClient, known: Any, kind: str) -> None:
    one = aged_id(days=3)
    deliver(known, f"{kind}/{one}")
    assert api("POST", "/tasks", task((kind, one))).status == 201
    deliver(known, f"{kind}/{one}", 2, **ARCHIVED)
    answer = api("POST", "/tasks", task((kind, one)))
    assert errors(answer) == {"related.0.id": f"{kind} {one} is archived; restore it first"}


def test_every_wrong_record_is_named_by_its_place(api: ApiClient, known: Any) -> None:
    good = aged_id(days=1)
    deliver(known, f"account/{good}")
    related = (("account", UNKNOWN_ID), ("account", good), ("contact", good))
    assert errors(api("POST", "/tasks", task(*related))).keys() == {"related.0.id", "related.2.id"}


def test_a_new_record_and_an_incomplete_timeline_are_accepted(api: ApiClient, known: Any) -> None:
    assert api("POST", "/tasks", task(("account", aged_id(minutes=1)))).status == 201
    other = api.as_(tenant="bolt")
    assert other("POST", "/tasks", task(("account", UNKNOWN_ID))).status == 201


def test_only_added_records_are_checked(api: ApiClient, known: Any) -> None:
    account = aged_id(days=1)
    deliver(known, f"account/{account}")
    made = api("POST", "/tasks", task(("account", account)))
    deliver(known, f"account/{account}", 2, **ARCHIVED)
    path = f"/tasks/{made.json['id']}"
    new = aged_id(minutes=1)
    assert api("PATCH", path, task(("contact", new), ("account", account)), ANY).status == 200
    patch = task(("account", account), ("contact", UNKNOWN_ID))
    assert errors(api("PATCH", path, patch, ANY)).keys() == {"related.1.id"}
    assert api("POST", f"{path}/complete", None, ANY).status == 200
