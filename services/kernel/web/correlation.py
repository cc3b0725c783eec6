"""The correlation id, by which a request is found in every log: the caller's or a new one."""

import re
from typing import Any

from kernel.domain.ids import new_id

HEADER = "X-Correlation-Id"
_USABLE = re.compile(r"[\x21-\x7e]{1,128}")


def correlation_id(event: dict[str, Any]) -> str:
    """The X-Correlation-Id of an API Gateway event if it is safe to log, else a new id."""
    for name, value in (event.get("headers") or {}).items():
        if name.lower() == HEADER.lower() and value and _USABLE.fullmatch(value):
            return str(value)
    return new_id()
