"""The API accepts the demo company to the last record; loading it twice changes nothing."""

from datetime import date
from typing import Any

import pytest

from tests.component.zebros import in_process
from zebros.demo import company, load
from zebros.demo.people import SELLERS


@pytest.fixture(autouse=True)
def _crm(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    in_process.create_tables(cloud, monkeypatch)
    monkeypatch.setattr("kernel.web.batch._THREADS", 1)  # moto copies a table while others write
    monkeypatch.setattr("zebros.demo.loading._IN_FLIGHT", 1)
    monkeypatch.setattr(company, "DEALS", 90)  # and copies it whole for every transaction


def deals() -> dict[str, Any]:
    """The deals the API knows, by external id."""
    with in_process.client() as client:
        return {
            deal["external_ids"]["demo"]: deal
            for seller in SELLERS
            for deal in client.items("/opportunities", owner_id=seller.user_id)
        }


def test_every_record_is_accepted_and_a_second_load_changes_nothing() -> None:
    today = date(2026, 3, 10)
    with in_process.client() as client:
        summary = load(client, today=today)
        first = deals()
        again = load(client, today=today)
    made = company.generate(20_260, today)
    assert summary.records["opportunities"] == len(first) == 90
    for deal in made.opportunities:
        landed = first[deal["external_ids"]["demo"]]
        assert landed["stage"] == deal["stage"]
        assert landed["amount"] == deal["amount"]
        assert landed.get("closed_on") == deal.get("closed_on")
    assert not summary.found
    assert again.found
    assert deals() == first
