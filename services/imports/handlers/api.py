"""The REST API of imports: the Lambda behind its routes."""

from imports.bootstrap import stores, table
from imports.handlers import imports
from kernel.web.api import Api

handler = Api("imports", table, imports.routes, stores=stores)
