"""A record is looked up once, although many rows in many threads refer to it."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from zebros.errors import NotReady
from zebros.loading.mapper import Reference
from zebros.loading.references import References


class Api:
    """An API that answers slowly and records its requests."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.known = {"crm:a": "ID-A"}
        self.fails = 0

    def get(self, _path: str, **query: Any) -> Any:
        self.requests.append(query["external_id"])
        time.sleep(0.02)
        if self.fails:
            self.fails -= 1
            raise NotReady("no answer")
        found = self.known.get(query["external_id"])
        return {"items": [{"id": found}] if found else []}

    def items(self, _path: str, **_query: Any) -> Any:
        self.requests.append("catalogue")
        return [{"id": "P1", "code": "C", "name": "N"}, {"id": "P2", "name": "N"}]


def account(value: str) -> Reference:
    return Reference("account_id", "accounts", "external_ids.crm", value, "reject")


def test_threads_that_look_up_the_same_record_wait_for_one_answer() -> None:
    api = Api()
    references = References(api)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(references.find, [account("a")] * 40))
    assert found == ["ID-A"] * 40
    assert api.requests == ["crm:a"]


def test_a_missing_record_is_looked_up_again_after_the_first_pass() -> None:
    api = Api()
    references = References(api)
    assert references.find(account("b")) is None
    assert references.find(account("b")) is None
    api.known["crm:b"] = "ID-B"
    references.forget_missing()
    assert references.find(account("b")) == "ID-B"
    assert api.requests == ["crm:b", "crm:b"]


def test_a_failed_lookup_is_not_cached() -> None:
    api = Api()
    api.fails = 1
    references = References(api)
    with pytest.raises(NotReady):
        references.find(account("a"))
    assert references.find(account("a")) == "ID-A"


def test_all_products_are_read_once_to_find_them_by_code_or_name() -> None:
    api = Api()
    references = References(api)
    assert references.find(Reference("product_id", "products", "code", "C", "reject")) == "P1"
    assert references.find(Reference("product_id", "products", "name", "N", "reject")) == "P1"
    assert references.find(Reference("product_id", "products", "name", "X", "reject")) is None
    assert api.requests == ["catalogue"]
