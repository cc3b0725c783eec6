"""A stack in memory."""

from typing import Any

import pytest

from tests.component.zebros.bus import OUTPUTS
from zebros.client.connection import Deployment


@pytest.fixture
def stack(cloud: Any) -> Deployment:
    return Deployment(OUTPUTS, None, "us-east-1")
