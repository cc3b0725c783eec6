"""Records with an amount in a currency that ISO 4217 has withdrawn."""

from typing import Any

import pytest

from tests.component.conftest import published
from tests.component.stored.conftest import Reported
from tests.component.stored.kinds import KINDS

OLD = {"minor_units": 123456, "currency": "HRK"}
AMOUNTS = {"opportunity": "amount", "product": "price", "account": "annual_revenue"}


@pytest.mark.parametrize("name", AMOUNTS)
def test_an_amount_in_a_withdrawn_currency_is_shown_and_published(
    name: str, reported: Reported, everything: Any
) -> None:
    kind, field = KINDS[name], AMOUNTS[name]
    record_id = kind.store_as({**kind.document(), field: OLD})
    found = kind.get(record_id)
    assert found.json[field] == OLD
    assert [one[field] for one in kind.list().json["items"] if one["id"] == record_id] == [OLD]
    path = f"{kind.path}/{record_id}"
    changed = kind.api("PATCH", path, {**(kind.patch or {}), "tags": ["b"]}, found.etag)
    assert (changed.status, changed.json[field]) == (200, OLD)
    assert [one["data"]["current"][field] for one in published(everything)] == [OLD]
    refused = kind.api("PATCH", path, {field: {"minor_units": 1, "currency": "BGN"}}, changed.etag)
    assert (refused.status, refused.json["errors"][0]["field"]) == (422, f"{field}.currency")
    assert reported.lines == []
