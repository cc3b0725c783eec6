"""Structured logs: one JSON line each, with the correlation id, the tenant and the event's id."""

import os
from functools import cache

from aws_lambda_powertools import Logger


@cache
def logger() -> Logger:
    """The process's logger; the service name is the function's."""
    return Logger(
        service=os.environ.get("POWERTOOLS_SERVICE_NAME")
        or os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "zebros"),
        use_rfc3339=True,
    )
