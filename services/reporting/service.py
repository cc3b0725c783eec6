"""Use cases of reports for users; those for workers are in kernel/tasks/service.py."""

from typing import NamedTuple

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
from kernel.tasks.slots import SlotRepository
from kernel.tasks.state import TaskRunStatus
from kernel.tasks.tiers import Tier
from reporting.adapters.files import Link, ReportFiles
from reporting.context import REPORTS
from reporting.lake.size import LakeSize, measure
from reporting.lake.storage import LakeReader
from reporting.model import ReportRun
from reporting.parameters import ReportParameters, ReportRequest
from reporting.repository import ReportRepository


class ReportDetails(NamedTuple):
    """A run, its progress and the link to its file."""

    run: ReportRun
    progress: RecordedProgress | None
    """Only while the run is processing."""
    link: Link | None
    """Only once the run is completed."""
    place: int | None = None
    """Only while the run waits for its tenant's other runs: 1 is the next to start."""


class ReportService:
    """What users do with reports."""

    def __init__(
        self, repository: ReportRepository, slots: SlotRepository, files: ReportFiles, now: Clock
    ) -> None:
        self._repo, self._slots, self._files, self._now = repository, slots, files, now

    def request(self, unit: UnitOfWork, wanted: ReportRequest) -> ReportRun:
        """Request a report; it changes no data, so the right to read reports is enough."""
        unit.principal.require(Level.READ, REPORTS)
        now = self._now()
        parameters = wanted.parameters(now, unit.principal.time_zone)
        change = ReportRun.request(unit.request, new_id(), parameters, now)
        run = change.state
        wait = self._slots.wait(run.tenant_id, run.id, unit.principal.plan)
        return self._repo.runs.save(unit, None, change, wait)

    def get(self, request: RequestContext, run_id: str) -> ReportDetails:
        """A run of any user of the tenant."""
        request.principal.require(Level.READ, REPORTS)
        run, progress = self._repo.with_progress(request.tenant_id, run_id)
        processing = run.status is TaskRunStatus.PROCESSING
        link = self._files.link(run, run.outcome) if run.outcome and run.parameters else None
        waits = run.status is TaskRunStatus.PENDING and run.admitted_at is None
        place = self._slots.place(request.tenant_id, run_id) if waits else None
        return ReportDetails(run, progress if processing else None, link, place)

    def list_mine(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ReportRun]:
        """The caller's own runs, newest first."""
        request.principal.require(Level.READ, REPORTS)
        owner_id = request.principal.user_id
        return self._repo.list_by_owner(request.tenant_id, owner_id, limit, cursor)

    def list_all(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ReportRun]:
        """The runs of all users, newest first; needs write rights on reports."""
        request.principal.require(Level.WRITE, REPORTS)
        return self._repo.list_all(request.tenant_id, limit, cursor)

    def cancel(self, unit: UnitOfWork, run_id: str) -> ReportRun:
        """Cancel a run; another user's needs write rights on reports."""
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
        """Raise BadParameters when the report no longer exists."""
        checked_parameters(run)


class ReportTiers:
    """Chooses where a report is made, by the size of the events that it reads.

    What a report takes depends on its events, hardly on its kind: every report reads all of them.
    """

    def __init__(self, lake: LakeReader, function: LakeSize, standard: LakeSize) -> None:
        self._lake, self._function, self._standard = lake, function, standard

    def choose(self, run: ReportRun) -> Tier:
        """The smallest tier whose limit the events fit."""
        size = measure(self._lake, run.tenant_id, run.parameters.contexts, self._standard)
        if size.fits(self._function):
            return Tier.FUNCTION
        return Tier.STANDARD if size.fits(self._standard) else Tier.ANALYTICS


def checked_parameters(run: ReportRun) -> ReportParameters:
    """The parameters of a run. Raises BadParameters when they are no longer valid."""
    try:
        return run.parameters.checked()
    except ValidationError as fault:
        raise BadParameters(invalid_fields(fault).detail) from fault
