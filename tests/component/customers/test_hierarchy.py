"""Parent accounts: they exist in the same tenant, form no loop, and are at most ten."""

from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from hypothesis import given
from hypothesis import strategies as st

from customers.model.accounts import MAX_ANCESTORS
from kernel.runtime import aws
from tests.component.conftest import Answer, ApiClient, examples, published
from tests.component.customers.conftest import an_account, path_of, problem, wrong_fields

ANY = {"if-match": "*"}
UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


def set_parent(api: ApiClient, child: str, parent: str | None) -> Answer:
    return api("PATCH", f"/accounts/{child}", {"parent_account_id": parent}, ANY)


def chain(api: ApiClient, length: int) -> list[str]:
    """Accounts, each with the previous one as its parent."""
    ids: list[str] = []
    for i in range(length):
        more = {"parent_account_id": ids[-1]} if ids else {}
        ids.append(an_account(api, f"level {i}", **more).json["id"])
    return ids


def rejected(answer: Answer, message: str) -> None:
    assert (answer.status, problem(answer)) == (422, "invalid-request")
    assert wrong_fields(answer) == {"parent_account_id"}
    assert message in answer.json["detail"]


def test_the_parent_of_an_account_is_set_and_removed(api: ApiClient) -> None:
    parent, child = chain(api, 2)
    assert api("GET", f"/accounts/{child}").json["parent_account_id"] == parent
    assert "parent_account_id" not in set_parent(api, child, None).json


def test_a_parent_must_exist(api: ApiClient, cloud: Any) -> None:
    answer = api("POST", "/accounts", {"name": "A", "parent_account_id": UNKNOWN_ID})
    rejected(answer, f"there is no account {UNKNOWN_ID}")
    account = an_account(api)
    rejected(set_parent(api, account.json["id"], UNKNOWN_ID), "there is no account")
    assert len(published(cloud)) == 1


def test_a_parent_of_another_tenant_does_not_exist(api: ApiClient) -> None:
    foreign = an_account(api.as_(tenant="globex")).json["id"]
    answer = api("POST", "/accounts", {"name": "A", "parent_account_id": foreign})
    rejected(answer, "there is no account")


def test_an_archived_account_gets_no_new_child_and_keeps_its_children(api: ApiClient) -> None:
    parent, child = chain(api, 2)
    api("POST", f"/accounts/{parent}/archive", None, ANY)
    answer = api("POST", "/accounts", {"name": "A", "parent_account_id": parent})
    rejected(answer, "archived")
    assert api("PATCH", f"/accounts/{child}", {"sector": "food"}, ANY).status == 200


@pytest.mark.parametrize("length", [1, 2, 5, MAX_ANCESTORS])
def test_an_account_is_never_its_own_ancestor(api: ApiClient, cloud: Any, length: int) -> None:
    ids = chain(api, length)
    before = len(published(cloud))
    rejected(set_parent(api, ids[0], ids[-1]), "among its own parent accounts")
    assert len(published(cloud)) == before
    assert "parent_account_id" not in api("GET", f"/accounts/{ids[0]}").json


def test_an_account_has_at_most_ten_ancestors(api: ApiClient) -> None:
    ids = chain(api, MAX_ANCESTORS + 1)
    answer = api("POST", "/accounts", {"name": "A", "parent_account_id": ids[-1]})
    rejected(answer, f"{MAX_ANCESTORS} accounts above")
    assert an_account(api, "A", parent_account_id=ids[-2]).status == 201


def test_concurrent_changes_of_parents_make_no_loop(api: ApiClient) -> None:
    a, b = (an_account(api, name) for name in "ab")
    inner: list[Answer] = []

    def meanwhile(**_: Any) -> None:
        """Make the other change after this one has decided and before it commits."""
        if not inner:
            inner.append(a)
            inner[0] = set_parent(api, b.json["id"], a.json["id"])

    events = aws.client("dynamodb").meta.events
    events.register("before-call.dynamodb.TransactWriteItems", meanwhile)
    outer = set_parent(api, a.json["id"], b.json["id"])
    events.unregister("before-call.dynamodb.TransactWriteItems", meanwhile)
    assert inner[0].status == 200
    assert (outer.status, problem(outer)) == (409, "busy")
    assert outer.headers["retry-after"] == "1"
    assert "parent_account_id" not in api("GET", path_of(a)).json
    rejected(set_parent(api, a.json["id"], b.json["id"]), "among its own parent accounts")


@examples(8)
@given(moves=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=4, max_size=10))
def test_no_sequence_of_parent_changes_makes_a_loop(
    api: ApiClient, moves: list[tuple[int, int]]
) -> None:
    ids = [an_account(api, f"a{i}").json["id"] for i in range(5)]
    above: dict[str, str] = {}
    for child, parent in ((ids[c], ids[p]) for c, p in moves):
        line, top = [parent], parent
        while top in above:
            top = above[top]
            line.append(top)
        answer = set_parent(api, child, parent)
        assert answer.status == (422 if child in line else 200)
        if answer.status == 200:
            above[child] = parent
    for account in ids:
        shown = api("GET", f"/accounts/{account}").json
        assert shown.get("parent_account_id") == above.get(account)


def test_only_a_change_of_parent_reads_the_ancestors(api: ApiClient) -> None:
    ids = chain(api, 4)
    reads: list[Any] = []
    events = aws.client("dynamodb").meta.events
    events.register("before-call.dynamodb.GetItem", lambda **_: reads.append(1))
    api("PATCH", f"/accounts/{ids[3]}", {"sector": "food"}, ANY)
    assert len(reads) == 1
    set_parent(api, ids[3], ids[1])
    assert len(reads) == 1 + 3, "the account, its new parent, and the parent of that"


def answered(code: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetItem")


@pytest.mark.parametrize(
    ("fault", "status", "slug"),
    [
        (answered("InternalServerError"), 503, "not-ready"),
        (answered("ThrottlingException"), 503, "not-ready"),
        (answered("TransactionConflictException"), 503, "not-ready"),
        (answered("SomethingNew", 502), 503, "not-ready"),
        (EndpointConnectionError(endpoint_url="x"), 503, "not-ready"),
        (ReadTimeoutError(endpoint_url="x"), 503, "not-ready"),
        # A retry would fail again: these are errors of the CRM.
        (answered("ValidationException"), 500, "internal"),
        (answered("AccessDeniedException"), 500, "internal"),
        (answered("ResourceNotFoundException"), 500, "internal"),
        (ParamValidationError(report="x"), 500, "internal"),
    ],
    ids=str,
)
def test_a_failing_service_is_not_reported_as_a_rejection(
    api: ApiClient, fault: Exception, status: int, slug: str
) -> None:
    account = an_account(api).json["id"]

    def down(**_: Any) -> None:
        raise fault

    aws.client("dynamodb").meta.events.register("before-call.dynamodb.GetItem", down)
    answer = api("POST", "/accounts", {"name": "A", "parent_account_id": account})
    assert (answer.status, problem(answer)) == (status, slug)
    assert ("retry-after" in answer.headers) == (status == 503)
