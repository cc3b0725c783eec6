"""Wires this context to AWS, once per cold start."""

import os
from functools import cache

from kernel.domain.clock import utc_now
from kernel.runtime.aws import client
from kernel.storage.dynamo import Table
from reporting.failures import FAILURES
from reporting.files import ReportFiles
from reporting.flow import ReportFlow
from reporting.lake.writer import LakeBucket
from reporting.repository import ReportRepository
from reporting.service import ReportRunService, ReportService


@cache
def table() -> Table:
    """The context's table."""
    return Table(client("dynamodb"), os.environ["TABLE_NAME"])


@cache
def repository() -> ReportRepository:
    """The context's records."""
    return ReportRepository(table(), utc_now)


@cache
def files() -> ReportFiles:
    """The finished reports."""
    return ReportFiles(client("s3"), os.environ["FILES_BUCKET"], utc_now)


@cache
def service() -> ReportService:
    """What people do."""
    return ReportService(repository(), files(), utc_now)


@cache
def runs() -> ReportRunService:
    """What steps and workers do."""
    return ReportRunService(repository(), utc_now, FAILURES)


@cache
def flow() -> ReportFlow:
    """The state machine."""
    return ReportFlow(client("stepfunctions"), os.environ["STATE_MACHINE_ARN"])


@cache
def lake() -> LakeBucket:
    """The event lake."""
    return LakeBucket(client("s3"), lake_bucket())


def lake_bucket() -> str:
    """The name of the event lake's bucket."""
    return os.environ["LAKE_BUCKET"]
