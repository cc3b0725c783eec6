"""If-Match for changes, and If-None-Match for reads."""

from collections.abc import Callable
from typing import Any

import pytest

from customers.bootstrap import accounts
from kernel.domain.errors import Busy, StaleVersion
from kernel.domain.principal import system_request
from kernel.runtime import aws
from kernel.storage.retries import retry_when_stale
from kernel.storage.unit_of_work import UnitOfWork
from kernel.web.preconditions import matches_etag
from tests.component.conftest import ApiClient
from tests.component.customers.conftest import an_account, path_of


@pytest.fixture
def fails() -> Callable[[int], Callable[[], str]]:
    """Makes a change that fails so many times because of a concurrent one."""

    def made(times: int) -> Callable[[], str]:
        left = [times]

        def change() -> str:
            left[0] -= 1
            if left[0] >= 0:
                raise StaleVersion("Someone was first.")
            return "done"

        return change

    return made


def test_a_change_for_any_version_is_retried_after_a_conflict(fails: Any) -> None:
    assert retry_when_stale(fails(0)) == "done"
    assert retry_when_stale(fails(5)) == "done"
    with pytest.raises(Busy, match="send the request again"):
        retry_when_stale(fails(6))


@pytest.mark.parametrize(
    ("header", "same"),
    [
        (None, False),
        ("", False),
        ('"2"', False),
        ('"3"', True),
        ('W/"3"', True),
        ('"1", W/"3"', True),
        ('"1","2"', False),
        ("*", True),
    ],
)
def test_if_none_match_accepts_a_version_in_any_listed_form(header: str | None, same: bool) -> None:
    assert matches_etag(header, '"3"') is same


def test_an_unchanged_record_is_not_sent_again(api: ApiClient) -> None:
    path = path_of(an_account(api))
    for header in ('"1"', 'W/"1"', '"7", "1"', "*"):
        answer = api("GET", path, headers={"if-none-match": header})
        assert (answer.status, answer.text, answer.headers["etag"]) == (304, "", '"1"')
    assert api("GET", path, headers={"if-none-match": '"2"'}).status == 200


def test_a_change_for_any_version_takes_effect_after_a_concurrent_change(api: ApiClient) -> None:
    made = an_account(api)
    others = list[dict[str, str]]()

    def someone_is_first(**_: Any) -> None:
        if others:
            accounts().update(
                UnitOfWork(system_request("acme")), made.json["id"], None, others.pop()
            )

    aws.client("dynamodb").meta.events.register(
        "before-call.dynamodb.TransactWriteItems", someone_is_first
    )
    others.append({"phone": "+41443334455"})
    assert api("PATCH", path_of(made), {"sector": "retail"}, {"if-match": '"1"'}).status == 412
    others.append({"region": "North"})
    changed = api("PATCH", path_of(made), {"sector": "hotels"}, {"if-match": "*"})
    assert (changed.status, others) == (200, []), changed.text
    shown = changed.json
    assert (shown["version"], shown["sector"], shown["region"]) == (4, "hotels", "North")
