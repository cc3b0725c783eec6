"""Every failure a context may raise on purpose, and the HTTP status and problem type it becomes.

CrmError
  Invalid               422  the request says what this API does not understand (names the fields)
  Malformed             400  the request cannot be read at all
  Unauthenticated       401  no caller
  Forbidden             403  the caller's role may not
  NotFound              404  no such thing in this tenant
  Conflict              409  the thing exists already, or someone changed it meanwhile
    Busy                409  too many writers at once; the same request may be sent again
  StaleVersion          412  If-Match names a version that is no longer the current one
  TooLarge              413  more than this API takes at once
  UnsupportedMediaType  415  not JSON
  RuleViolation         422  the domain said no
  PreconditionRequired  428  a change came without If-Match
  NotReady              503  a part this answer needs is not there (yet)

Problem types are stable URNs, `urn:zebros:problem:<slug>` (RFC 9457); the slugs are listed in
docs/problems.md.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field and what would be right; `field` is a dotted path such as `amount.currency`."""

    field: str
    message: str


class CrmError(Exception):
    """Base of all expected failures; `detail` is written for the person who called."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    slug: str = "internal"

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = (), slug: str = "") -> None:
        super().__init__(detail)
        self.detail, self.errors = detail, errors
        if slug:
            self.slug = slug

    @property
    def type(self) -> str:
        """The problem type as RFC 9457 wants it: a URI that never changes."""
        return f"urn:zebros:problem:{self.slug}"


class Invalid(CrmError):
    status, title, slug = 422, "Invalid request", "invalid-request"

    @classmethod
    def field(cls, name: str, message: str) -> "Invalid":
        """One wrong field."""
        return cls(f"{name}: {message}", errors=(FieldError(name, message),))


class Malformed(CrmError):
    status, title, slug = 400, "Malformed request", "malformed-request"


class Unauthenticated(CrmError):
    status, title, slug = 401, "Not signed in", "unauthenticated"


class Forbidden(CrmError):
    status, title, slug = 403, "Not allowed", "forbidden"


class NotFound(CrmError):
    status, title, slug = 404, "Not found", "not-found"


class Conflict(CrmError):
    status, title, slug = 409, "Conflict", "conflict"


class Busy(Conflict):
    title, slug = "Busy", "busy"


class StaleVersion(CrmError):
    status, title, slug = 412, "Changed meanwhile", "stale-version"


class TooLarge(CrmError):
    status, title, slug = 413, "Too large", "too-large"


class UnsupportedMediaType(CrmError):
    status, title, slug = 415, "Unsupported media type", "unsupported-media-type"


class RuleViolation(CrmError):
    status, title, slug = 422, "Not possible in this state", "rule-violation"


class PreconditionRequired(CrmError):
    status, title, slug = 428, "If-Match required", "precondition-required"


class NotReady(CrmError):
    status, title, slug = 503, "Not ready", "not-ready"
