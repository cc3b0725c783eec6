"""A record is looked up once, however many rows in however many threads mean it."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from zebros.errors import NotReady
from zebros.loading.mapping import Reference
from zebros.loading.references import References


class Api:
    """Answers slowly, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known = {"crm:a": "ID-A"}
        self.fails = 0

    def get(self, _path: str, **query: Any) -> Any:
        self.asked.append(query["external_id"])
        time.sleep(0.02)
        if self.fails:
            self.fails -= 1
            raise NotReady("no answer")
        found = self.known.get(query["external_id"])
        return {"items": [{"id": found}] if found else []}

    def items(self, _path: str, **_query: Any) -> Any:
        self.asked.append("catalogue")
        return [{"id": "P1", "code": "C", "name": "N"}, {"id": "P2", "name": "N"}]


def account(value: str) -> Reference:
    return Reference("account_id", "accounts", "external_ids.crm", value, "reject")


def test_threads_that_want_the_same_record_wait_for_one_answer() -> None:
    api = Api()
    references = References(api)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(references.find, [account("a")] * 40))
    assert found == ["ID-A"] * 40
    assert api.asked == ["crm:a"]


def test_what_was_missing_is_asked_for_again_once_it_may_be_there() -> None:
    api = Api()
    references = References(api)
    assert references.find(account("b")) is None
    assert references.find(account("b")) is None
    api.known["crm:b"] = "ID-B"
    references.forget_missing()
    assert references.find(account("b")) == "ID-B"
    assert api.asked == ["crm:b", "crm:b"]


def test_a_question_that_failed_is_not_remembered() -> None:
    api = Api()
    api.fails = 1
    references = References(api)
    with pytest.raises(NotReady):
        references.find(account("a"))
    assert references.find(account("a")) == "ID-A"


def test_products_are_found_by_code_or_name_in_one_reading() -> None:
    api = Api()
    references = References(api)
    assert references.find(Reference("product_id", "products", "code", "C", "reject")) == "P1"
    assert references.find(Reference("product_id", "products", "name", "N", "reject")) == "P1"
    assert references.find(Reference("product_id", "products", "name", "X", "reject")) is None
    assert api.asked == ["catalogue"]
