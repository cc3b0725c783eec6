"""REST routes of reports."""

from typing import ClassVar

from pydantic import AwareDatetime, Field

from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.slots import MOST_PLACES
from kernel.tasks.view import shown_progress
from kernel.web.models import ListQuery, PeopleQuery
from kernel.web.routes import Routes
from reporting.bootstrap import service
from reporting.events import ReportRunState
from reporting.parameters import ReportRequest
from reporting.service import ReportDetails

routes = Routes()


class ReportQuery(ListQuery, PeopleQuery):
    """The caller's own runs by default."""

    all: bool = Field(False, description="Everyone's runs; needs the right to write reports.")


class ReportRunView(ReportRunState):
    """A run with its progress and, when it is completed, a link to its file."""

    # Progress and links change without a new version.
    versioned: ClassVar[bool] = False

    progress: int | None = Field(None, ge=0, le=100, description="In percent.")
    progress_text: str | None = Field(
        None, max_length=500, description="The current step, for people."
    )
    progress_at: AwareDatetime | None = None
    queue_position: int | None = Field(
        None,
        ge=1,
        le=MOST_PLACES,
        description="While your organisation has as many reports running as it may: the place "
        "among those that wait; 1 starts next.",
    )
    download_url: str | None = Field(
        None,
        max_length=8_000,
        description="A link to the file; needs no token. CSV and JSON are sent with "
        "`Content-Encoding: gzip`, whatever the request accepts; `curl` needs `--compressed`.",
    )
    download_expires_at: AwareDatetime | None = Field(
        None, description="Get the run again for a new link."
    )

    @classmethod
    def of(cls, details: ReportDetails) -> "ReportRunView":
        """The public view of a run."""
        seen, link = details
        shown = {name: getattr(seen.run, name) for name in ReportRunState.model_fields}
        shown |= shown_progress(seen, "reports")
        if link:
            shown |= {"download_url": link.url, "download_expires_at": link.expires_at}
        return cls.model_construct(**shown)


@routes.post("/reports", status=202)
def request_report(unit: UnitOfWork, body: ReportRequest) -> ReportRunState:
    """Request a report; Location links to its progress.

    It is made in the background. When your organisation has as many reports running as it may,
    the run waits for its turn; a notification says when the file is ready.
    """
    return service().request(unit, body)


@routes.get("/reports")
def list_reports(request: RequestContext, query: ReportQuery) -> Page[ReportRunState]:
    """List report runs, yours by default, newest first.

    With `all`, those of everybody, which needs the right to write reports.
    """
    if query.all:
        return service().list_all(request, query.limit, query.cursor)
    return service().list_mine(request, query.limit, query.cursor)


@routes.get("/reports/{report_id}")
def get_report(
    request: RequestContext,
    report_id: str,
    query: PeopleQuery,  # noqa: ARG001 - the API adds the people
) -> ReportRunView:
    """Get a report run: its progress, or the link to its file.

    While it is being made, poll it every few seconds; with `If-None-Match` an unchanged run is
    a 304. The link to the file is valid for a short time: get the run again for a new one.
    """
    return ReportRunView.of(service().get(request, report_id))


@routes.post("/reports/{report_id}/cancel")
def cancel_report(unit: UnitOfWork, report_id: str) -> ReportRunState:
    """Cancel a report run that has not ended; needs no If-Match.

    It stops within seconds. A run that has ended already is a 422.
    """
    return service().cancel(unit, report_id)
