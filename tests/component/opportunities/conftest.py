"""The opportunities API, and common test data."""

from typing import Any

import pytest

from tests.component.conftest import ApiClient

ANY = {"if-match": "*"}
UNKNOWN_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
"""An id that no record has."""
STAGES = [
    {"key": "open", "name": "Open", "probability": 40, "forecast_category": "commit"},
    {"key": "won", "name": "Won", "probability": 100, "kind": "won"},
    {"key": "lost", "name": "Lost", "probability": 0, "kind": "lost"},
]
"""The stages of a pipeline other than the default one."""


@pytest.fixture
def api(cloud: Any) -> ApiClient:
    from opportunities.handlers.api import handler

    return ApiClient(handler)
