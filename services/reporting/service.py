"""Use cases of reports: what people do with them. What workers do is kernel/tasks/service.py."""

from dataclasses import dataclass

from pydantic import ValidationError

from kernel.domain.aggregate import invalid
from kernel.domain.auth import Area, Caller, Level
from kernel.domain.clock import Clock
from kernel.domain.ids import new_id
from kernel.storage.store import Page
from kernel.tasks.failures import BadParameters
from kernel.tasks.repository import RecordedProgress
from kernel.tasks.run import Change
from kernel.tasks.service import TaskRunService
from kernel.tasks.state import TaskRunStatus
from reporting.files import Link, ReportFiles
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

    def request(self, caller: Caller, parameters: ReportParameters) -> ReportRun:
        """Ask for a report. It reads data and changes none: the right to read reports is enough."""
        caller.must(Level.READ, Area.REPORTS)
        run, events = ReportRun.request(caller, new_id(), parameters, self._now())
        return self._repo.add(caller, run, *events)

    def get(self, caller: Caller, run_id: str) -> ReportDetails:
        """A run of anyone in the tenant: it shows nothing that the right to read does not."""
        caller.must(Level.READ, Area.REPORTS)
        run, progress = self._repo.with_progress(caller.tenant_id, run_id)
        processing = run.status is TaskRunStatus.PROCESSING
        link = self._files.link(run, run.outcome) if run.outcome else None
        return ReportDetails(run, progress if processing else None, link)

    def mine(self, caller: Caller, limit: int, cursor: str | None) -> Page[ReportRun]:
        """The caller's own runs, newest first."""
        caller.must(Level.READ, Area.REPORTS)
        return self._repo.of_owner(caller.tenant_id, caller.user_id, limit, cursor)

    def all(self, caller: Caller, limit: int, cursor: str | None) -> Page[ReportRun]:
        """Everyone's runs, newest first, for those who manage reports."""
        caller.must(Level.WRITE, Area.REPORTS)
        return self._repo.of_everyone(caller.tenant_id, limit, cursor)

    def cancel(self, caller: Caller, run_id: str) -> ReportRun:
        """Stop a run: one's own, or anyone's with the right to write reports."""
        caller.must(Level.READ, Area.REPORTS)

        def decide(run: ReportRun) -> Change[ReportRun]:
            if run.owner_id != caller.user_id:
                caller.must(Level.WRITE, Area.REPORTS)
            return run.cancel(caller.user_id, self._now())

        return self._repo.change(caller.tenant_id, run_id, decide, by=caller)


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
        raise BadParameters(invalid(fault).detail) from fault
