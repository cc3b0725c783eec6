"""The REST API of scaling: the Lambda behind its routes."""

from kernel.web.api import Api
from scaling.bootstrap import table
from scaling.handlers import actions

handler = Api("scaling", table, actions.routes)
