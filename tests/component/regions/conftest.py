"""Two regions in memory."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.component.conftest import MOTO, isolate_requests
from tests.component.regions.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Two regions without traffic, unless a test writes."""
    isolate_requests(monkeypatch)
    with mock_aws(config={"core": MOTO}):
        made = World(1, monkeypatch)
        made.traffic = False
        yield made
