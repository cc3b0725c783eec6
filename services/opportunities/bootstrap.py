"""Wires this context to AWS, once per cold start."""

from functools import cache

from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.table import Table
from opportunities.repository.boards import BoardRepository
from opportunities.repository.opportunities import OpportunityRepository
from opportunities.repository.pipelines import PipelineRepository
from opportunities.repository.products import ProductRepository
from opportunities.service.opportunities import OpportunityService
from opportunities.service.pipelines import PipelineService
from opportunities.service.products import ProductService
from opportunities.settings import Settings


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), read_settings(Settings).table_name)


@cache
def pipelines() -> PipelineService:
    """The use cases of pipelines and their boards."""
    return PipelineService(PipelineRepository(table(), utc_now), BoardRepository(table()), utc_now)


@cache
def products() -> ProductService:
    """The use cases of products."""
    return ProductService(ProductRepository(table(), utc_now), utc_now)


@cache
def opportunities() -> OpportunityService:
    """The use cases of opportunities."""
    return OpportunityService(
        OpportunityRepository(table(), utc_now),
        PipelineRepository(table(), utc_now),
        ProductRepository(table(), utc_now),
        utc_now,
    )
