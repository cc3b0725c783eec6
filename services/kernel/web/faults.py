"""What becomes of a failure nobody raised on purpose: 503 when it passes, 500 when it is ours.

A service that throttles or is down will take the same request in a while. One that says the request
is wrong (a ValidationException, an AccessDenied, a missing table) will say so for ever.
"""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # botocore's own: a service that cannot be reached
    HTTPClientError,
)

from kernel.domain.errors import CrmError, NotReady
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


def explained(fault: Exception) -> CrmError:
    """The problem to answer with; the failure itself is for the log, which has it now."""
    if isinstance(fault, CrmError):
        return fault
    code = _code(fault)
    if code.startswith(_THROTTLED):
        logger().exception("service fault", code=code)
        return NotReady("A service behind this API is throttling; send the request again shortly.")
    if _passes(fault, code):
        logger().exception("service fault", code=code)
        return NotReady("A service behind this API failed; send the request again shortly.")
    logger().exception("unexpected fault", fault=repr(fault), code=code)
    return CrmError(
        "This is our mistake and it is logged; quote the correlation_id when you ask about it."
    )


def _code(fault: Exception) -> str:
    if isinstance(fault, ClientError):
        return str(fault.response.get("Error", {}).get("Code", ""))
    return type(fault).__name__ if isinstance(fault, BotoCoreError) else ""


def _passes(fault: Exception, code: str) -> bool:
    if not isinstance(fault, ClientError):
        return isinstance(fault, HTTPClientError | ConnectionError)
    status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code.startswith(_DOWN) or status >= _SERVER_ERROR
