"""Use cases of reports for users; those for workers are in kernel/tasks/service.py."""

from typing import NamedTuple

from pydantic import ValidationError

from kernel.domain.clock import Clock
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.domain.validation import invalid_fields
from kernel.storage.objects import Link
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.failures import BadParameters
from kernel.tasks.service import TaskRunService
from kernel.tasks.slots import SlotRepository
from kernel.tasks.tiers import Tier
from kernel.tasks.user_service import SeenRun, TaskRunUserService
from reporting.adapters.files import ReportFiles
from reporting.context import REPORTS
from reporting.lake.size import LakeSize, measure
from reporting.lake.storage import LakeReader
from reporting.model import ReportRun
from reporting.parameters import ReportParameters, ReportRequest
from reporting.repository import ReportRepository


class ReportDetails(NamedTuple):
    """A run and the link to its file."""

    seen: SeenRun[ReportRun]
    link: Link | None
    """Only once the run is completed."""


class ReportService(TaskRunUserService[ReportRun]):
    """What users do with reports."""

    def __init__(
        self, repository: ReportRepository, slots: SlotRepository, files: ReportFiles, now: Clock
    ) -> None:
        super().__init__(repository, slots, REPORTS, now)
        self._files = files

    def request(self, unit: UnitOfWork, wanted: ReportRequest) -> ReportRun:
        """Request a report; it changes no data, so the right to read reports is enough."""
        unit.principal.require(Level.READ, REPORTS)
        now = self._now()
        parameters = wanted.parameters(now, unit.principal.time_zone)
        return self._save_requested(
            unit, ReportRun.request(unit.request, new_id(), parameters, now)
        )

    def get(self, request: RequestContext, run_id: str) -> ReportDetails:
        """A run of any user of the tenant."""
        seen = self._seen(request, run_id)
        run = seen.run
        link = self._files.link(run, run.outcome) if run.outcome and run.parameters else None
        return ReportDetails(seen, link)


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
