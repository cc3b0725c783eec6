"""Wires this context to AWS, once per cold start."""

from functools import cache
from typing import Any

from activities.context import REFERENCES
from activities.repository import TaskRepository, TimelineRepository
from activities.service import TaskService, TimelineService
from activities.settings import Settings
from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.runtime.settings import read_settings
from kernel.storage.records import RecordStore
from kernel.storage.references import References
from kernel.storage.table import Table


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), read_settings(Settings).table_name)


@cache
def tasks() -> TaskService:
    """The use cases of tasks."""
    return TaskService(TaskRepository(table(), utc_now), references(), utc_now)


def references() -> References:
    """The records of other contexts, and the people, that this context knows."""
    return References(table(), REFERENCES.projection, utc_now)


@cache
def timelines() -> TimelineService:
    """The use cases of timelines."""
    return TimelineService(TimelineRepository(table()))


def stores() -> tuple[RecordStore[Any], ...]:
    """The stores of every type of record, for maintenance: straight from the table."""
    return (TaskRepository(table(), utc_now),)
