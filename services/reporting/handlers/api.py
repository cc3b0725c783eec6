"""REST routes of reports."""

from typing import ClassVar

from pydantic import AwareDatetime, Field

from kernel.domain.auth import Caller
from kernel.storage.store import Page
from kernel.tasks.state import TaskRunStatus
from kernel.web.http import Api, ListQuery
from reporting.bootstrap import service, table
from reporting.events import ReportRunState
from reporting.parameters import ReportParameters
from reporting.service import ReportDetails

handler = app = Api("reporting", table)

_WAITING_TEXTS = {
    TaskRunStatus.PENDING: "Waiting for a worker",
    TaskRunStatus.PROCESSING: "Starting",
    TaskRunStatus.RETRY_PENDING: "The worker was lost; waiting for another",
}


class ReportQuery(ListQuery):
    """Your own runs by default."""

    all: bool = Field(False, description="Everyone's runs; for those who may write reports.")


class ReportRunView(ReportRunState):
    """A run, how far it is, and, once it is completed, where its file is."""

    # Progress moves and links expire without a new version.
    versioned: ClassVar[bool] = False

    progress: int | None = Field(None, ge=0, le=100, description="Percent, until it has ended.")
    progress_text: str | None = Field(None, description="What is being done, for people.")
    progress_at: AwareDatetime | None = None
    download_url: str | None = Field(None, description="Fetch the file here; no token needed.")
    download_expires_at: AwareDatetime | None = Field(
        None, description="Ask for the run again to get a new address."
    )

    @classmethod
    def of(cls, details: ReportDetails) -> "ReportRunView":
        """What is shown of a run."""
        run, progress, link = details.run, details.progress, details.link
        shown = {name: getattr(run, name) for name in ReportRunState.model_fields}
        if progress:
            shown |= {
                "progress": progress.percent,
                "progress_text": progress.text,
                "progress_at": progress.at,
            }
        elif not run.ended:
            shown |= {"progress": 0, "progress_text": _WAITING_TEXTS[run.status]}
        elif run.status is TaskRunStatus.COMPLETED:
            shown |= {"progress": 100}
        if link:
            shown |= {"download_url": link.url, "download_expires_at": link.expires_at}
        return cls.model_construct(**shown)


@app.post("/reports", status=202)
def request_report(caller: Caller, body: ReportParameters) -> ReportRunState:
    """Ask for a report; follow Location to see it being made."""
    return service().request(caller, body)


@app.get("/reports")
def list_reports(caller: Caller, query: ReportQuery) -> Page[ReportRunState]:
    """List your report runs, newest first (or everyone's)."""
    if query.all:
        return service().all(caller, query.limit, query.cursor)
    return service().mine(caller, query.limit, query.cursor)


@app.get("/reports/{report_id}")
def get_report(caller: Caller, report_id: str) -> ReportRunView:
    """Get a report run: its progress, or the link to its file."""
    return ReportRunView.of(service().get(caller, report_id))


@app.post("/reports/{report_id}/cancel")
def cancel_report(caller: Caller, report_id: str) -> ReportRunState:
    """Cancel a report run that has not ended; needs no If-Match, its state is the guard."""
    return service().cancel(caller, report_id)
