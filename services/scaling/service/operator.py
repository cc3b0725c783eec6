"""Who may see the scaling of the system."""

from kernel.domain.errors import Forbidden
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from scaling.context import SCALING


def ensure_operator(request: RequestContext, operator: str) -> None:
    """Raise Forbidden unless an administrator of the operator's tenant asks."""
    request.principal.require(Level.READ, SCALING)
    if request.tenant_id != operator:
        raise Forbidden("Only the tenant that operates the system sees its scaling.")
