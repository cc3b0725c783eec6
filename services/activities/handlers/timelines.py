"""REST routes of timelines."""

from activities.bootstrap import timelines
from activities.repository import TimelineEntry
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.web.models import ListQuery, PeopleQuery
from kernel.web.routes import Routes

routes = Routes()


class TimelineQuery(ListQuery, PeopleQuery):
    """The query of a timeline."""


@routes.get("/timeline/{record_type}/{record_id}")
def get_timeline(
    request: RequestContext, record_type: str, record_id: str, query: TimelineQuery
) -> Page[TimelineEntry]:
    """Get a record's timeline, newest first.

    An entry for every event about the record and about what belongs to it, within seconds. The
    record's own right to be read is needed.
    """
    return timelines().list(request, record_type, record_id, query.limit, query.cursor)
