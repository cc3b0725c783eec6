"""The older form that chaos puts records into is the one in which the first release stored them."""

import pytest
from boto3.dynamodb.types import TypeSerializer

from tests.chaos.upgrading import aged
from tests.component.stored.kinds import KINDS
from tests.component.stored.test_releases import items
from tools import stored

FIRST = stored.FOLDER / "0.1.0" / "records"
KIND_NAMES = ("account", "contact", "opportunity", "task")


@pytest.mark.parametrize("name", KIND_NAMES)
def test_a_record_of_this_release_is_aged_to_the_item_of_the_first(name: str) -> None:
    store, wire = KINDS[name].store, TypeSerializer().serialize
    found = items(FIRST / f"{name}.json")
    assert found
    for item in found:
        record = store.from_item(item)
        today = store.item(record, store.documents.encode(record, record))
        older = aged({key: wire(value) for key, value in today.items()})
        assert older == {key: wire(value) for key, value in item.items()}
        assert ("search" in today) == (name in ("account", "contact"))
