"""The API accepts every record of the demo company; a second load changes nothing."""

from datetime import date
from typing import Any

import pytest

from tests.component.zebros import in_process
from zebros.demo import company, load
from zebros.demo.sellers import SELLERS


@pytest.fixture(autouse=True)
def _crm(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_process.create_tables(cloud, monkeypatch)
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    monkeypatch.setattr("zebros.demo.load_company._IN_FLIGHT", 1)
    monkeypatch.setattr(company, "OPPORTUNITIES", 90)  # and copies all of it for every transaction


def opportunities() -> dict[str, Any]:
    """The opportunities of the API, by external id."""
    with in_process.client() as client:
        return {
            one["external_ids"]["demo"]: one
            for seller in SELLERS
            for one in client.items("/opportunities", owner_id=seller.user_id)
        }


def test_every_record_is_accepted_and_a_second_load_changes_nothing() -> None:
    today = date(2026, 3, 10)
    with in_process.client() as client:
        summary = load(client, today=today)
        first = opportunities()
        again = load(client, today=today)
    made = company.generate(20_260, today)
    assert summary.records["opportunities"] == len(first) == 90
    for one in made.opportunities:
        loaded = first[one["external_ids"]["demo"]]
        assert loaded["stage"] == one["stage"]
        assert loaded["amount"] == one["amount"]
        assert loaded.get("closed_on") == one.get("closed_on")
    assert not summary.already_loaded
    assert again.already_loaded
    assert opportunities() == first
