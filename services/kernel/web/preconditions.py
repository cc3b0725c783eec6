"""Conditional requests (RFC 9110, section 13): If-Match for changes, If-None-Match for reads.

A record's ETag is its version in quotes. Something on the way may have made it weak (`W/"3"`, when
it compressed the answer), so either form is taken for either purpose: a version is exact anyway.
"""

import random
import re
import time
from collections.abc import Callable

from kernel.domain.errors import Busy, Invalid, PreconditionRequired, StaleVersion

_ETAG = re.compile(r'^(?:W/)?"(\d{1,12})"$')
_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.02


def expected(if_match: str | None) -> int | None:
    """The version a change is meant for; None for `*`, whichever it is.

    Raises PreconditionRequired without the header, Invalid for what is no single ETag of ours.
    """
    if if_match is None:
        raise PreconditionRequired(
            "Send If-Match with the ETag of the version you saw (or * to change whatever is there)."
        )
    if if_match.strip() == "*":
        return None
    matched = _ETAG.match(if_match.strip())
    if not matched:
        raise Invalid.field("If-Match", 'must be one ETag of this API such as "3", or *')
    return int(matched.group(1))


def unchanged(if_none_match: str | None, etag: str) -> bool:
    """Whether the caller has this version already: it is one of those listed, or any will do."""
    listed = [one.strip() for one in (if_none_match or "").split(",")]
    return "*" in listed or etag in (one.removeprefix("W/") for one in listed)


def whatever_is_there[T](change: Callable[[], T]) -> T:
    """Carry out a change that is meant for any version: when another came first, once more.

    Raises Busy when others come first every time.
    """
    for tried in range(_TRIES):
        if tried:
            time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**tried))  # noqa: S311 - jitter
        try:
            return change()
        except StaleVersion:
            continue
    raise Busy("Others keep changing this record; send the request again shortly.")
