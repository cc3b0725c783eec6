"""The controller with a table in memory."""

from typing import Any

import pytest

from kernel.storage.table import Table
from tests.component.scaling.world import World


@pytest.fixture
def world(cloud: Any) -> World:
    """A system with everything that the controller may change, in the mode apply."""
    return World(Table(cloud, "table"))
