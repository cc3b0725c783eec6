"""Use cases of imports for users; those for workers are in kernel/tasks/service.py."""

from typing import NamedTuple

from imports.adapters.uploads import Uploads
from imports.context import IMPORTS
from imports.model import ImportRun
from imports.parameters import ImportParameters
from imports.repository import ImportRepository
from kernel.domain.clock import Clock
from kernel.domain.errors import Invalid
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.storage.objects import Link
from kernel.storage.unit_of_work import UnitOfWork
from kernel.tasks.failures import BadParameters
from kernel.tasks.retry import RetryPolicy
from kernel.tasks.service import TaskRunService
from kernel.tasks.slots import SlotRepository
from kernel.tasks.user_service import SeenRun, TaskRunUserService

POLICY = RetryPolicy(max_seconds=6 * 3600)
MAX_RUN_SECONDS = POLICY.max_attempts * (POLICY.max_wait_seconds + POLICY.max_seconds)
"""No import takes longer: each attempt may wait for a worker, and then work."""


class Upload(NamedTuple):
    """Where a file is to be uploaded."""

    id: str
    size_bytes: int
    link: Link


class ImportDetails(NamedTuple):
    """A run and the link to its rejected lines."""

    seen: SeenRun[ImportRun]
    rejected: Link | None
    """Only once the run is completed with rejected lines."""


class ImportService(TaskRunUserService[ImportRun]):
    """Uploads, and what users do with imports."""

    def __init__(
        self, repository: ImportRepository, slots: SlotRepository, uploads: Uploads, now: Clock
    ) -> None:
        super().__init__(repository, slots, IMPORTS, now)
        self._uploads = uploads

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
        return self._save_requested(
            unit, ImportRun.request(unit.request, new_id(), parameters, self._now())
        )

    def get(self, request: RequestContext, run_id: str) -> ImportDetails:
        """An import of any user of the tenant."""
        seen = self._seen(request, run_id)
        outcome = seen.run.outcome
        rejected = outcome is not None and outcome.rejected_bytes is not None
        return ImportDetails(seen, self._uploads.rejected_link(seen.run) if rejected else None)


class ImportRunService(TaskRunService[ImportRun]):
    """What the state machine's steps and the workers do with imports."""

    def check(self, run: ImportRun) -> None:
        """Raise BadParameters when such records can no longer be imported."""
        if wrong := run.parameters.wrong_field():
            raise BadParameters(" ".join(wrong))
