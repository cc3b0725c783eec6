"""Every failure a context may raise on purpose: one class per problem type (RFC 9457).

CrmError
  InternalError            500
  NotReady                 503  retryable
    ReadOnlyRegion         503  retryable
  Malformed                400
  Unauthenticated          401
  Forbidden                403
    PermissionDenied       403
    TenantSuspended        403
  NotFound                 404
  MethodNotAllowed         405
  Conflict                 409
    Busy                   409  retryable
    DuplicateExternalId    409  lost a race
    IdempotencyKeyInUse    409  retryable
  UnreadableRecord         409
  StaleVersion             412  lost a race
  TooLarge                 413
  UnsupportedMediaType     415
  Throttled                429  retryable
    QuotaExceeded          429  retryable
  Invalid                  422
    UnindexedFilter        422
    IdempotencyKeyReused   422
  RuleViolation            422
    RecordArchived         422
  PreconditionRequired     428

Each docstring describes when the problem occurs; docs/problems.md is generated from the classes.
A context adds its own subclasses in its `errors.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

MAX_ERRORS = 20
"""The most wrong fields that one answer names."""
MAX_TYPE, MAX_TITLE, MAX_DETAIL, MAX_FIELD, MAX_MESSAGE = 100, 100, 8_000, 500, 1_000
"""The most characters of a problem's texts; longer ones are cut off."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """A wrong field and how to correct it; `field` is a dotted path such as `amount.currency`."""

    field: str
    message: str


class CrmError(Exception):
    """Base of all expected failures; `detail` is written for the caller."""

    status: ClassVar[int]
    title: ClassVar[str]
    slug: ClassVar[str]
    """The last part of the problem type, which never changes once it is released."""
    retryable: ClassVar[bool] = False
    """Whether the same request may succeed when it is sent again."""
    lost_race: ClassVar[bool] = False
    """Whether a concurrent request won. An upsert, which names no version, is then repeated."""
    advice: ClassVar[str] = ""
    """What the caller can do about it; shown in docs/problems.md."""

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = ()) -> None:
        super().__init__(detail)
        self.detail, self.errors = detail, errors
        self.retry_after_s = 1
        """When the same request may succeed; only sent if the problem is `retryable`."""

    @property
    def type(self) -> str:
        """The problem type, a URI (RFC 9457)."""
        return f"urn:zebros:problem:{self.slug}"

    def document(self, correlation_id: str = "") -> dict[str, Any]:
        """The problem details document (RFC 9457); that of a batch's item has no correlation id."""
        errors = [
            {"field": error.field[:MAX_FIELD], "message": error.message[:MAX_MESSAGE]}
            for error in self.errors[:MAX_ERRORS]
        ]
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail[:MAX_DETAIL],
            **({"errors": errors} if errors else {}),
            **({"correlation_id": correlation_id} if correlation_id else {}),
        }


class InternalError(CrmError):
    """A fault of the CRM; it is logged under the `correlation_id`."""

    status, title, slug = 500, "Internal error", "internal"
    advice = "Report the `correlation_id`."


class NotReady(CrmError):
    """A service behind the API throttles, fails or does not answer."""

    status, title, slug, retryable = 503, "Not ready", "not-ready", True
    advice = "Send the request again after the seconds in `Retry-After`."


class ReadOnlyRegion(NotReady):
    """Another region writes, or writes are moving to it; reads work."""

    title, slug = "Read-only region", "read-only-region"
    advice = (
        "Send the request again after the seconds in `Retry-After`; the API's address leads to the "
        "region that writes within a minute of a failover."
    )

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.retry_after_s = 10


class Malformed(CrmError):
    """The request cannot be read: it is not JSON, not UTF-8, or nested too deeply."""

    status, title, slug = 400, "Malformed request", "malformed-request"
    advice = "Correct the body."


class Unauthenticated(CrmError):
    """There is no bearer token, or it is not accepted."""

    status, title, slug = 401, "Not signed in", "unauthenticated"
    advice = "Sign in again."


class Forbidden(CrmError):
    """The caller's role does not have this right, or not any more."""

    status, title, slug = 403, "Not allowed", "forbidden"
    advice = "Ask an administrator; `detail` says which right is missing."


class PermissionDenied(Forbidden):
    """The act needs a permission that the caller's role does not grant."""

    slug = "forbidden-act"
    advice = "Ask a sales manager or an administrator."


class TenantSuspended(Forbidden):
    """The tenant is suspended; API Gateway sends this for every request with its tokens."""

    title, slug = "Suspended", "tenant-suspended"
    advice = "Ask whoever runs the CRM; the data is kept."


class NotFound(CrmError):
    """There is no such record or path in this tenant."""

    status, title, slug = 404, "Not found", "not-found"
    advice = "If the record is new, try again: timelines are updated within seconds."


class MethodNotAllowed(CrmError):
    """The path exists, but not with this method; `Allow` lists the ones that it has."""

    status, title, slug = 405, "Method not allowed", "method-not-allowed"
    advice = "Use one of the methods in `Allow`."

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allow = ", ".join(sorted(allowed))
        super().__init__(f"This path has no {method[:20]}; it has {self.allow}.")


class Conflict(CrmError):
    """The record exists already, or the request contradicts another record."""

    status, title, slug = 409, "Conflict", "conflict"
    advice = "Read `detail`, which names the other record."


class Busy(Conflict):
    """Too many requests change the same record at once."""

    title, slug, retryable = "Busy", "busy", True
    advice = "Send the request again after the seconds in `Retry-After`."


class DuplicateExternalId(Conflict):
    """Another record has this external id."""

    slug, lost_race = "duplicate-external-id", True
    advice = "`detail` names that record: use it; an archived one is restored, or releases its ids."


class IdempotencyKeyInUse(Conflict):
    """A request with this Idempotency-Key is being carried out, or its answer is gone."""

    slug, retryable = "idempotency-key-in-use", True
    advice = (
        "Send the request again after the seconds in `Retry-After`; if that does not help, read "
        "the record."
    )


class UnreadableRecord(CrmError):
    """The stored record is damaged, or of a later release; the log names its wrong fields."""

    status, title, slug = 409, "Record cannot be read", "unreadable-record"
    advice = (
        "Correct the fields that `errors` names, if a PATCH may change them; "
        "otherwise report the record's id."
    )


class StaleVersion(CrmError):
    """If-Match names a version that is no longer the current one."""

    status, title, slug, lost_race = 412, "Changed meanwhile", "stale-version", True
    advice = "Read the record again and repeat the change."

    def __init__(self, detail: str, *, incomplete: str = "") -> None:
        super().__init__(detail)
        self.incomplete = incomplete
        """The partition key of a record that has an event beyond its state, because it has arrived
        in part from another region; empty where somebody has changed it."""


class TooLarge(CrmError):
    """The request, or the event it would publish, exceeds the limit."""

    status, title, slug = 413, "Too large", "too-large"
    advice = "Send fewer records, or shorten texts."


class UnsupportedMediaType(CrmError):
    """The body is not JSON."""

    status, title, slug = 415, "Unsupported media type", "unsupported-media-type"
    advice = "Send `application/json`."


class Throttled(CrmError):
    """Too many requests at once, or an API key's quota is used up; API Gateway sends this."""

    status, title, slug, retryable = 429, "Too many requests", "throttled", True
    advice = "Send the request again after the seconds in `Retry-After`."


class QuotaExceeded(Throttled):
    """The tenant's requests are more than its quota; other tenants are not affected."""

    slug = "quota-exceeded"
    advice = "Wait for the seconds in `Retry-After`; `RateLimit` shows what is left."

    def __init__(self, detail: str, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Invalid(CrmError):
    """Fields are wrong; `errors` names each of them and how to correct it."""

    status, title, slug = 422, "Invalid request", "invalid-request"
    advice = "Correct the fields that `errors` names."

    @classmethod
    def field(cls, name: str, message: str) -> "Invalid":
        """One wrong field."""
        return cls(f"{name}: {message}", errors=(FieldError(name, message),))


class UnindexedFilter(Invalid):
    """No index serves this combination of filters."""

    slug = "unindexed-filter"
    advice = "Use one of the filters."


class IdempotencyKeyReused(Invalid):
    """The Idempotency-Key was used for a different request."""

    slug = "idempotency-key-reused"
    advice = "Use a new key."


class RuleViolation(CrmError):
    """The record's state does not allow this."""

    status, title, slug = 422, "Not possible in this state", "rule-violation"
    advice = "Read `detail`, which explains what the state allows."


class RecordArchived(RuleViolation):
    """The record is archived."""

    slug = "archived"
    advice = "Restore the record first, or release its external ids; `detail` names it."


class PreconditionRequired(CrmError):
    """A change was sent without If-Match."""

    status, title, slug = 428, "If-Match required", "precondition-required"
    advice = "Send `If-Match` with the ETag that you saw, or `*`."
