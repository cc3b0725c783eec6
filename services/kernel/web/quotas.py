"""Quotas of tenants in HTTP: the fields of draft-ietf-httpapi-ratelimit-headers-10, and the 429."""

from functools import cache

from kernel.cache.connect import shared_cache
from kernel.cache.quotas import Quota, TenantQuotas, Usage
from kernel.domain.errors import QuotaExceeded
from kernel.runtime.settings import QuotaSettings, read_settings
from kernel.web.requests import Event, claims_of

FIELDS = ("RateLimit", "RateLimit-Policy")
_USAGE = "quota_usage"
"""Where an event keeps the usage until its answer is made."""


@cache
def tenant_quotas() -> TenantQuotas | None:
    """The quotas of this function, or None where there are none."""
    settings = read_settings(QuotaSettings)
    if not settings.tenant_requests_per_second:
        return None
    quota = Quota(settings.tenant_requests_per_second, settings.tenant_burst)
    return TenantQuotas(shared_cache(), quota)


def take_from_quota(event: Event) -> None:
    """Count a request of the caller's tenant. Raises QuotaExceeded."""
    quotas, tenant = tenant_quotas(), claims_of(event).get("tenant")
    if quotas is None or not tenant:
        return
    event[_USAGE] = usage = quotas.take(tenant)
    if not usage.bucket.allowed:
        quota = usage.quota
        raise QuotaExceeded(
            f"Your organisation may send {quota.per_second:g} requests a second, and "
            f"{quota.burst} at once after a pause; send this one again later.",
            usage.retry_after_s,
        )


def quota_fields(event: Event) -> dict[str, list[str]]:
    """The response fields that show the tenant's quota and what is left of it."""
    usage: Usage | None = event.get(_USAGE)
    if usage is None:
        return {}
    # Figures of one instance have a name of their own: those of the next may differ.
    name = '"tenant"' if usage.shared else '"instance"'
    left, quota = usage.bucket.tokens, usage.quota
    return {
        "RateLimit": [f"{name};r={left};t={usage.full_after_s}"],
        "RateLimit-Policy": [f"{name};q={quota.burst};w={quota.window_s}"],
    }
