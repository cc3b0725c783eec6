"""A stack in memory."""

from typing import Any

import pytest

from tests.component.zebros.bus import RESOURCES
from zebros.client.connection import Deployment


@pytest.fixture
def stack(cloud: Any) -> Deployment:
    return Deployment(RESOURCES, None, "us-east-1")
