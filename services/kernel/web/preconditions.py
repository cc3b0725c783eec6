"""Conditional requests (RFC 9110, section 13): If-Match for changes, If-None-Match for reads.

A record's ETag is its version in quotes; that of a record with its people goes on with a digest of
them, which If-Match does not compare. Other responses have a weak ETag of their content. Both
headers also accept the weak form of a version (`W/"3"`), because proxies that compress responses
send it.
"""

import re

from kernel.domain.aggregate import Version
from kernel.domain.errors import Invalid, PreconditionRequired

_ETAG = re.compile(r'^(?:W/)?"(\d{1,12})(?:-[0-9a-f]{24})?"$')


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
