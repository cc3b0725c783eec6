"""Use cases of imports for users; those for workers are in kernel/tasks/service.py."""

from typing import NamedTuple

from imports.adapters.uploads import Link, Uploads
from imports.context import IMPORTS
from imports.model import ImportRun
from imports.parameters import ImportParameters
from imports.repository import ImportRepository
from kernel.domain.aggregate import Change
from kernel.domain.clock import Clock
from kernel.domain.errors import Invalid
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.failures import BadParameters
from kernel.tasks.repository import RecordedProgress
from kernel.tasks.retry import RetryPolicy
from kernel.tasks.service import TaskRunService
from kernel.tasks.slots import SlotRepository
from kernel.tasks.state import TaskRunStatus

POLICY = RetryPolicy(max_seconds=6 * 3600)
MAX_RUN_SECONDS = POLICY.max_attempts * (POLICY.max_wait_seconds + POLICY.max_seconds)
"""No import takes longer: each attempt may wait for a worker, and then work."""


class Upload(NamedTuple):
    """Where a file is to be uploaded."""

    id: str
    size_bytes: int
    link: Link


class ImportDetails(NamedTuple):
    """A run, its progress and the link to its rejected lines."""

    run: ImportRun
    progress: RecordedProgress | None
    """Only while the run is processing."""
    rejected: Link | None
    """Only once the run is completed with rejected lines."""
    place: int | None = None
    """Only while the run waits for its tenant's other imports: 1 is the next to start."""


class ImportService:
    """Uploads, and requesting, getting, listing and cancelling imports."""

    def __init__(
        self, repository: ImportRepository, slots: SlotRepository, uploads: Uploads, now: Clock
    ) -> None:
        self._repo, self._slots, self._uploads, self._now = repository, slots, uploads, now

    def begin_upload(self, request: RequestContext, size_bytes: int) -> Upload:
        """A link to upload a file; nothing is stored."""
        request.principal.require(Level.READ, IMPORTS)
        upload_id = new_id()
        link = self._uploads.upload_link(request.tenant_id, upload_id, size_bytes)
        return Upload(upload_id, size_bytes, link)

    def request(self, unit: UnitOfWork, parameters: ImportParameters) -> ImportRun:
        """Request an import. Raises Invalid unless a file was uploaded.

        The right to read imports is enough: the context that owns the records checks the rights on
        each of them.
        """
        unit.principal.require(Level.READ, IMPORTS)
        if wrong := parameters.wrong_field():
            raise Invalid.field(*wrong)
        size = self._uploads.size(unit.tenant_id, parameters.upload_id)
        if size is None:
            raise Invalid.field(
                "upload_id", "has no file: upload one with the link, then ask again"
            )
        if size == 0:
            raise Invalid.field("upload_id", "has an empty file: upload one with records")
        run_id = new_id()
        change = ImportRun.request(unit.request, run_id, parameters, self._now())
        wait = self._slots.wait(unit.tenant_id, run_id, unit.principal.plan)
        return self._repo.runs.save(unit, None, change, wait)

    def get(self, request: RequestContext, run_id: str) -> ImportDetails:
        """An import of any user of the tenant."""
        request.principal.require(Level.READ, IMPORTS)
        run, progress = self._repo.with_progress(request.tenant_id, run_id)
        processing = run.status is TaskRunStatus.PROCESSING
        rejected = run.outcome is not None and run.outcome.rejected_bytes is not None
        link = self._uploads.rejected_link(run) if rejected else None
        waits = run.status is TaskRunStatus.PENDING and run.admitted_at is None
        place = self._slots.place(request.tenant_id, run_id) if waits else None
        return ImportDetails(run, progress if processing else None, link, place)

    def list_mine(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ImportRun]:
        """The caller's own imports, newest first."""
        request.principal.require(Level.READ, IMPORTS)
        owner_id = request.principal.user_id
        return self._repo.list_by_owner(request.tenant_id, owner_id, limit, cursor)

    def list_all(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ImportRun]:
        """The imports of all users, newest first; needs write rights on imports."""
        request.principal.require(Level.WRITE, IMPORTS)
        return self._repo.list_all(request.tenant_id, limit, cursor)

    def cancel(self, unit: UnitOfWork, run_id: str) -> ImportRun:
        """Cancel an import; another user's needs write rights on imports."""
        principal = unit.principal
        principal.require(Level.READ, IMPORTS)

        def decide(run: ImportRun) -> Change[ImportRun]:
            if run.owner_id != principal.user_id:
                principal.require(Level.WRITE, IMPORTS)
            return run.cancel(principal.user_id, self._now())

        return self._repo.change(unit.tenant_id, run_id, decide, by=unit)


class ImportRunService(TaskRunService[ImportRun]):
    """What the state machine's steps and the workers do with imports."""

    def check(self, run: ImportRun) -> None:
        """Raise BadParameters when such records can no longer be imported."""
        if wrong := run.parameters.wrong_field():
            raise BadParameters(" ".join(wrong))
