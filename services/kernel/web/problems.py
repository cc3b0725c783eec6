"""Maps any exception to a problem: 503 when a retry may succeed, 500 when the CRM has an error.

A service that throttles or is unavailable may accept the same request later; a ValidationException,
an AccessDenied or a missing table stays an error.
"""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # botocore's class: the service cannot be reached
    HTTPClientError,
)

from kernel.domain.errors import CrmError, InternalError, NotReady
from kernel.runtime.faults import describe
from kernel.runtime.log import logger

_THROTTLED = (
    "Throttl",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TooManyRequests",
    "SlowDown",
    "ExecutionLimitExceeded",
)
_DOWN = (
    "InternalServerError",
    "InternalError",
    "InternalFailure",
    "ServiceUnavailable",
    "ServiceException",
    "RequestTimeout",
    "TransactionConflict",
    "TransactionInProgress",
)
_SERVER_ERROR = 500


def problem_of(error: Exception) -> CrmError:
    """The problem for an exception; an unexpected one is logged."""
    if isinstance(error, CrmError):
        return error
    code = _error_code(error)
    if code.startswith(_THROTTLED):
        logger().exception("service fault", code=code)
        return NotReady("A service behind this API is throttling; send the request again shortly.")
    if _is_transient(error, code):
        logger().exception("service fault", code=code)
        return NotReady("A service behind this API failed; send the request again shortly.")
    logger().exception("unexpected fault", fault=describe(error), code=code)
    return InternalError(
        "The CRM failed, and the failure is logged; quote the correlation_id when you ask about it."
    )


def _error_code(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__ if isinstance(error, BotoCoreError) else ""


def _is_transient(error: Exception, code: str) -> bool:
    if not isinstance(error, ClientError):
        return isinstance(error, HTTPClientError | ConnectionError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code.startswith(_DOWN) or status >= _SERVER_ERROR
