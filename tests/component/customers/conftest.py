"""The customers API with its two tables."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.component.conftest import ApiClient, create_table


@pytest.fixture
def api(cloud: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiClient]:
    monkeypatch.setenv("CONTACTS_TABLE_NAME", "contacts")
    create_table(cloud, "contacts")
    from customers.handlers.api import handler

    yield ApiClient(handler)
