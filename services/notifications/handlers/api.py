"""The REST API of notifications: the Lambda behind its routes."""

from kernel.web.api import Api
from notifications.bootstrap import stores, table
from notifications.handlers import notifications

handler = Api("notifications", table, notifications.routes, stores=stores)
