"""REST routes of the usage of tenants."""

from pydantic import Field

from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.web.models import ListQuery, Query
from kernel.web.routes import Routes
from scaling.bootstrap import usage
from scaling.service.usage import MAX_DAYS, UsageDays, UsageOfTenant

routes = Routes()


class DaysQuery(Query):
    """Which days of a tenant."""

    last: int = Field(31, ge=1, le=MAX_DAYS, description="How many days, up to today (UTC).")


@routes.get("/scaling/usage")
def list_usage(request: RequestContext, query: ListQuery) -> Page[UsageOfTenant]:
    """List what each tenant uses, and its usage tier.

    By the name of the tenant. For administrators of the tenant that operates the system.
    """
    return usage().list(request, query.limit, query.cursor)


@routes.get("/scaling/usage/{tenant}")
def get_usage(request: RequestContext, tenant: str, query: DaysQuery) -> UsageDays:
    """Get the daily usage of a tenant.

    Days on which nothing changed are absent. For administrators of the tenant that operates the
    system.
    """
    return usage().days(request, tenant, query.last)
