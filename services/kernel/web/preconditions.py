"""Conditional requests (RFC 9110, section 13): If-Match for changes, If-None-Match for reads.

A record's ETag is its version in quotes; that of a record with its people goes on with a digest of
them, which If-Match does not compare. Other responses have a weak ETag of their content. Both
headers also accept the weak form of a version (`W/"3"`), because proxies that compress responses
send it.
"""

import random
import re
import time
from collections.abc import Callable

from kernel.domain.aggregate import Version
from kernel.domain.errors import Busy, Invalid, PreconditionRequired, StaleVersion

_ETAG = re.compile(r'^(?:W/)?"(\d{1,12})(?:-[0-9a-f]{24})?"$')
_ATTEMPTS = 6
_FIRST_PAUSE_SECONDS = 0.02


def read_if_match(if_match: str | None) -> Version:
    """The version that If-Match names.

    Raises PreconditionRequired without the header, Invalid when it is not one ETag of this API.
    """
    if if_match is None:
        raise PreconditionRequired(
            "Send If-Match with the ETag of the version you saw, or * to change any version."
        )
    if if_match.strip() == "*":
        return None
    matched = _ETAG.match(if_match.strip())
    if not matched:
        raise Invalid.field("If-Match", 'must be one ETag of this API such as "3", or *')
    return int(matched.group(1))


def matches_etag(if_none_match: str | None, etag: str) -> bool:
    """Whether If-None-Match names this ETag, so that the answer is 304 (weak comparison)."""
    listed = [one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")]
    return "*" in listed or etag.removeprefix("W/") in listed


def retry_when_stale[T](change: Callable[[], T]) -> T:
    """Carry out a change that accepts any version; repeat it when another change came first.

    Raises Busy when every attempt fails.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311 - jitter
        try:
            return change()
        except StaleVersion:
            continue
    raise Busy("Other requests keep changing this record; send the request again shortly.")
