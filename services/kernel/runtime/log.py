"""Structured logs: one JSON line each, with the correlation id, the tenant and the event's id."""

import logging
from functools import cache

from aws_lambda_powertools import Logger

from kernel.runtime.settings import PlatformSettings, read_settings


@cache
def logger() -> Logger:
    """The process's logger; the service name is the function's."""
    settings = read_settings(PlatformSettings)
    service = settings.powertools_service_name or settings.aws_lambda_function_name
    # No line has these; to find them out takes time (Python's logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # missing in typeshed
    # Messages are plain text, which the formatter would otherwise try to read as JSON.
    return Logger(service=service, use_rfc3339=True, utc=True, json_deserializer=str)
