"""A stack in memory."""

from typing import Any

import pytest

from tests.component.zebros.bus import RESOURCES
from zebros.client import aws
from zebros.client.connection import Deployment


@pytest.fixture
def stack(cloud: Any) -> Deployment:
    aws.client.cache_clear()
    return Deployment(RESOURCES, None, "us-east-1")
