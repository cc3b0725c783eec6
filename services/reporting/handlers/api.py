"""The REST API of reporting: the Lambda behind its routes."""

from kernel.web.api import Api
from reporting.bootstrap import table
from reporting.handlers import reports

handler = Api("reporting", table, reports.routes)
