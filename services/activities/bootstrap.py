"""Wires this context to AWS, once per cold start."""

import os
from functools import cache

from activities.repository import ActivityRepository
from activities.service import ActivityService
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.storage.dynamo import Table


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), os.environ["TABLE_NAME"])


@cache
def service() -> ActivityService:
    """The context's use cases."""
    return ActivityService(ActivityRepository(table(), utc_now), utc_now)
