"""The REST API of scaling: the Lambda behind its routes."""

from kernel.web.api import Api
from scaling.bootstrap import stores, table
from scaling.handlers import actions, advice, usage

handler = Api("scaling", table, actions.routes, usage.routes, advice.routes, stores=stores)
