"""Wires this context to AWS, once per cold start."""

from functools import cache
from typing import Any

from kernel.cache.connect import cached_reads
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.dax import dax_reads
from kernel.storage.records import RecordStore
from kernel.storage.references import References
from kernel.storage.table import Table
from opportunities.context import REFERENCES
from opportunities.repository.boards import BoardRepository
from opportunities.repository.cached import PipelineReads
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
def _api_table() -> Table:
    """The same table for the API, which may read it through DAX; consumers never do."""
    return Table(client("dynamodb"), read_settings(Settings).table_name, dax_reads())


@cache
def pipelines() -> PipelineService:
    """The use cases of pipelines and their boards."""
    repository = PipelineRepository(_api_table(), utc_now)
    # Boards come from the cache; through DAX as well, their delays would add up.
    reads = PipelineReads(repository, BoardRepository(table()), cached_reads())
    opportunities = OpportunityRepository(table(), utc_now)
    return PipelineService(repository, opportunities, reads, utc_now)


@cache
def products() -> ProductService:
    """The use cases of products."""
    return ProductService(ProductRepository(_api_table(), utc_now), utc_now)


@cache
def opportunities() -> OpportunityService:
    """The use cases of opportunities."""
    return OpportunityService(
        OpportunityRepository(_api_table(), utc_now),
        PipelineRepository(table(), utc_now),
        ProductRepository(table(), utc_now),
        references(),
        utc_now,
    )


def references() -> References:
    """The records of other contexts, and the people, that this context knows."""
    return References(table(), REFERENCES.projection, utc_now)


def stores() -> tuple[RecordStore[Any], ...]:
    """The stores of every type of record, for maintenance: straight from the table."""
    repositories = (OpportunityRepository, PipelineRepository, ProductRepository)
    return tuple(repository(table(), utc_now) for repository in repositories)
