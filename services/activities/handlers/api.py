"""The REST API of activities: the Lambda behind its routes."""

from activities.bootstrap import references, stores, table
from activities.handlers import tasks, timelines
from kernel.web.api import Api

handler = Api("activities", table, tasks.routes, timelines.routes, people=references, stores=stores)
