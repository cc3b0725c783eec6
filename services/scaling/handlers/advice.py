"""REST routes of the adviser."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints

from kernel.domain.patterns import described
from kernel.domain.principal import RequestContext
from kernel.web.models import Query
from kernel.web.routes import Routes
from scaling.bootstrap import actions, adviser, inventory, metrics
from scaling.events import Word
from scaling.service.advice_views import AdviceState, BillState

_MONTH = described("^20[0-9]{2}-(0[1-9]|1[0-2])$", "must be a month such as 2026-11")

routes = Routes()


class AdviceQuery(Query):
    """Whom the advice is about."""

    tenant: Word | None = Field(None, description="Only this tenant, and the system.")


class BillQuery(Query):
    """Which bill."""

    month: Annotated[str, StringConstraints(pattern=_MONTH)] | None = Field(
        None, description="Such as 2026-11; by default the last complete one."
    )
    cents: int | None = Field(
        None,
        ge=0,
        le=10**12,
        description="US cents to divide in place of the computed cost, such as an invoice.",
    )


@routes.get("/scaling/advice")
def get_scaling_advice(request: RequestContext, query: AdviceQuery) -> AdviceState:
    """Get advice on the phase, tables and tenants.

    From the usage of all tenants: what to deploy, what a move changes and interrupts, its cost
    before and after, and the alternatives. For administrators of the tenant that operates the
    system.
    """
    actions().ensure_operator(request)
    return adviser().advise(request, inventory(), metrics(), query.tenant)


@routes.get("/scaling/bill")
def get_scaling_bill(request: RequestContext, query: BillQuery) -> BillState:
    """Get the cost of a month by tenant and feature.

    Divided to the cent, by what each tenant used. For administrators of the tenant that operates
    the system.
    """
    month = date.fromisoformat(f"{query.month}-01") if query.month else None
    return adviser().bill(request, month, query.cents)
