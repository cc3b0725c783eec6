"""The REST API of opportunities: the Lambda behind its routes."""

from kernel.web.api import Api
from opportunities.bootstrap import references, stores, table
from opportunities.handlers import opportunities, pipelines, products

handler = Api(
    "opportunities",
    table,
    pipelines.routes,
    products.routes,
    opportunities.routes,
    people=references,
    stores=stores,
)
