"""Wires this context to AWS, once per cold start."""

import os
from functools import cache

from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.storage.dynamo import Table
from opportunities.repository import OpportunityRepository
from opportunities.service import OpportunityService


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), os.environ["TABLE_NAME"])


@cache
def service() -> OpportunityService:
    """The context's use cases."""
    return OpportunityService(OpportunityRepository(table(), utc_now), utc_now)
