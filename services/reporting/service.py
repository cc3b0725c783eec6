"""Use cases of reports: what people do with them. What workers do is kernel/tasks/service.py."""

from dataclasses import dataclass

from pydantic import ValidationError

from kernel.domain.aggregate import Change
from kernel.domain.clock import Clock
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.domain.validation import invalid_fields
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.failures import BadParameters
from kernel.tasks.repository import RecordedProgress
from kernel.tasks.service import TaskRunService
from kernel.tasks.state import TaskRunStatus
from reporting.adapters.files import Link, ReportFiles
from reporting.context import REPORTS
from reporting.model import ReportRun
from reporting.parameters import ReportParameters
from reporting.repository import ReportRepository


@dataclass(frozen=True, slots=True)
class ReportDetails:
    """A run, how far it is, and where its file is."""

    run: ReportRun
    progress: RecordedProgress | None
    """Of a run that is being made."""
    link: Link | None
    """Of a run that is completed."""


class ReportService:
    """What people do with reports."""

    def __init__(self, repository: ReportRepository, files: ReportFiles, now: Clock) -> None:
        self._repo, self._files, self._now = repository, files, now

    def request(self, unit: UnitOfWork, parameters: ReportParameters) -> ReportRun:
        """Ask for a report. It reads data and changes none: the right to read reports is enough."""
        unit.principal.require(Level.READ, REPORTS)
        change = ReportRun.request(unit.request, new_id(), parameters, self._now())
        return self._repo.runs.save(unit, None, change)

    def get(self, request: RequestContext, run_id: str) -> ReportDetails:
        """A run of anyone in the tenant: it shows nothing that the right to read does not."""
        request.principal.require(Level.READ, REPORTS)
        run, progress = self._repo.with_progress(request.tenant_id, run_id)
        processing = run.status is TaskRunStatus.PROCESSING
        link = self._files.link(run, run.outcome) if run.outcome else None
        return ReportDetails(run, progress if processing else None, link)

    def list_mine(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ReportRun]:
        """The caller's own runs, newest first."""
        request.principal.require(Level.READ, REPORTS)
        owner_id = request.principal.user_id
        return self._repo.list_by_owner(request.tenant_id, owner_id, limit, cursor)

    def list_all(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ReportRun]:
        """Everyone's runs, newest first, for those who manage reports."""
        request.principal.require(Level.WRITE, REPORTS)
        return self._repo.list_all(request.tenant_id, limit, cursor)

    def cancel(self, unit: UnitOfWork, run_id: str) -> ReportRun:
        """Cancel a run: one's own, or anyone's with the right to write reports."""
        principal = unit.principal
        principal.require(Level.READ, REPORTS)

        def decide(run: ReportRun) -> Change[ReportRun]:
            if run.owner_id != principal.user_id:
                principal.require(Level.WRITE, REPORTS)
            return run.cancel(principal.user_id, self._now())

        return self._repo.change(unit.tenant_id, run_id, decide, by=unit)


class ReportRunService(TaskRunService[ReportRun]):
    """What the state machine's steps and the workers do with report runs."""

    def check(self, run: ReportRun) -> None:
        """Raise BadParameters when no such report exists (any more)."""
        checked_parameters(run)


def checked_parameters(run: ReportRun) -> ReportParameters:
    """What a run asks for. Raises BadParameters: what was valid once need not be valid now."""
    try:
        return run.parameters.checked()
    except ValidationError as fault:
        raise BadParameters(invalid_fields(fault).detail) from fault
