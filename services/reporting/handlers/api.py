"""The REST API of reporting: the Lambda behind its routes."""

from kernel.web.api import Api
from reporting.bootstrap import people, stores, table
from reporting.handlers import reports

handler = Api("reporting", table, reports.routes, people=people, stores=stores)
