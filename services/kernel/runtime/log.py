"""Structured logs: one JSON line each, with the correlation id, the tenant and the event's id.

A warning or an error also names the work in progress (work.py, docs/adr/0065).
"""

import logging
from functools import cache

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter

from kernel.runtime.faults import describe_with_traceback
from kernel.runtime.settings import PlatformSettings, read_settings
from kernel.runtime.work import missing_names


class _Formatter(LambdaPowertoolsFormatter):
    """Writes of an exception what `faults.py` says, never its own text."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; that of a problem says which request, event or task it is about."""
        if record.levelno >= logging.WARNING:
            vars(record).update(missing_names(vars(record)))
        return super().format(record)

    def _extract_log_exception(  # type: ignore[override]  # never notes: they are free text
        self, log_record: logging.LogRecord
    ) -> tuple[str | None, str | None, None]:
        error = log_record.exc_info[1] if log_record.exc_info else None
        if error is None:
            return None, None, None
        return describe_with_traceback(error), type(error).__name__, None


@cache
def logger() -> Logger:
    """The process's logger; the service name is the function's."""
    settings = read_settings(PlatformSettings)
    service = settings.powertools_service_name or settings.aws_lambda_function_name
    # No line has these; to find them out takes time (Python's logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # missing in typeshed
    # Messages are plain text, which the formatter would otherwise try to read as JSON.
    formatter = _Formatter(
        use_rfc3339=True, utc=True, json_deserializer=str, serialize_stacktrace=False
    )
    return Logger(service=service, logger_formatter=formatter)
