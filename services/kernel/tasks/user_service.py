"""Use cases of runs for users: to get, list and cancel them. Contexts add how one is requested."""

from typing import NamedTuple

from kernel.domain.aggregate import Change
from kernel.domain.clock import Clock
from kernel.domain.permissions import Area, Level
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.repository import RecordedProgress, TaskRunRepository
from kernel.tasks.run import TaskRun
from kernel.tasks.slots import SlotRepository
from kernel.tasks.state import TaskRunStatus


class SeenRun[R: TaskRun](NamedTuple):
    """A run, and how far it is."""

    run: R
    progress: RecordedProgress | None
    """Only while the run is processing."""
    place: int | None
    """Only while the run waits for its tenant's other runs: 1 is the next to start."""


class TaskRunUserService[R: TaskRun]:
    """What users do with the runs of one kind.

    Whoever may read in `area` may request runs, get any of the tenant, and list and cancel their
    own; listing all and cancelling those of others needs write rights.
    """

    def __init__(
        self, repository: TaskRunRepository[R], slots: SlotRepository, area: Area, now: Clock
    ) -> None:
        self._repo, self._slots, self._area, self._now = repository, slots, area, now

    def list_mine(self, request: RequestContext, limit: int, cursor: str | None) -> Page[R]:
        """The caller's own runs, newest first."""
        request.principal.require(Level.READ, self._area)
        owner_id = request.principal.user_id
        return self._repo.list_by_owner(request.tenant_id, owner_id, limit, cursor)

    def list_all(self, request: RequestContext, limit: int, cursor: str | None) -> Page[R]:
        """The runs of all users, newest first."""
        request.principal.require(Level.WRITE, self._area)
        return self._repo.list_all(request.tenant_id, limit, cursor)

    def cancel(self, unit: UnitOfWork, run_id: str) -> R:
        """Cancel a run."""
        principal = unit.principal
        principal.require(Level.READ, self._area)

        def decide(run: R) -> Change[R]:
            if run.owner_id != principal.user_id:
                principal.require(Level.WRITE, self._area)
            return run.cancel(principal.user_id, self._now())

        return self._repo.change(unit.tenant_id, run_id, decide, by=unit)

    def _seen(self, request: RequestContext, run_id: str) -> SeenRun[R]:
        """A run of any user of the tenant."""
        request.principal.require(Level.READ, self._area)
        run, progress = self._repo.with_progress(request.tenant_id, run_id)
        processing = run.status is TaskRunStatus.PROCESSING
        waits = run.status is TaskRunStatus.PENDING and run.admitted_at is None
        place = self._slots.place(request.tenant_id, run_id) if waits else None
        return SeenRun(run, progress if processing else None, place)

    def _save_requested(self, unit: UnitOfWork, change: Change[R]) -> R:
        """Store a new run, which waits for one of its tenant's slots."""
        run = change.state
        wait = self._slots.wait(run.tenant_id, run.id, unit.principal.plan)
        return self._repo.runs.save(unit, None, change, wait)
