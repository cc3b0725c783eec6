"""REST routes of the scaling controller."""

from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.web.models import ListQuery
from kernel.web.routes import Routes
from scaling.bootstrap import actions, watched
from scaling.events import ScalingActionState
from scaling.service.actions import SettingList

routes = Routes()


@routes.get("/scaling/actions")
def list_scaling_actions(request: RequestContext, query: ListQuery) -> Page[ScalingActionState]:
    """List what the scaling controller did, newest first.

    Changes that it proposed, made, kept, took back or refused, each with its reason. For
    administrators of the tenant that operates the system.
    """
    return actions().list(request, query.limit, query.cursor)


@routes.get("/scaling/settings")
def list_scaling_settings(request: RequestContext) -> SettingList:
    """List the settings that the controller may change.

    Each with its value now and the value of the template. Where they differ, `parameter` says
    what to deploy so that the value stays.
    """
    actions().ensure_operator(request)
    return actions().settings(request, watched)
