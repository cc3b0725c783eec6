"""A stack in memory."""

from typing import Any

import pytest

from local.connection import Deployment
from tests.component.local.bus import OUTPUTS


@pytest.fixture
def stack(cloud: Any) -> Deployment:
    return Deployment(OUTPUTS, None, "us-east-1")
