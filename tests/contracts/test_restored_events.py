"""Every type of record has an event that a restore publishes about it."""

import importlib
from typing import Any

import pytest

from kernel.runtime.contexts import contexts, record_types

TYPES = sorted(record_types())


def stores(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    of_contexts = ("CONTACTS_TABLE_NAME", "REPORTING_TABLE_NAME", "IMPORTS_TABLE_NAME")
    for name in ("TABLE_NAME", *of_contexts, "FILES_BUCKET"):
        monkeypatch.setenv(name, "table")
    found = {}
    for context in contexts():
        try:
            bootstrap = importlib.import_module(f"{context}.bootstrap")
        except ModuleNotFoundError:
            continue
        found |= {store.record_type: store for store in bootstrap.stores()}
    return found


@pytest.mark.parametrize("record_type", TYPES)
def test_a_record_has_an_event_of_changed_fields(
    record_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stores(monkeypatch)[record_type].documents.model
    event = model.updated_event
    assert event is not None, "a restore of it would publish nothing"
    assert {"current", "changed", "previous"} == event.model_fields.keys()
    assert issubclass(model, event.model_fields["current"].annotation)
