"""An import: a task run (kernel.tasks.run) with the parameters of an import. No AWS, no clock."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from imports.errors import ImportEnded
from imports.events import (
    ImportCancelled,
    ImportCompleted,
    ImportFailed,
    ImportFailureCode,
    ImportRequested,
    ImportRunState,
    ImportStarted,
    ImportUpdated,
)
from imports.parameters import ImportParameters
from kernel.domain.aggregate import Change
from kernel.domain.events import DomainEvent
from kernel.domain.principal import Principal, RequestContext
from kernel.domain.time_zones import DEFAULT_ZONE
from kernel.tasks.run import TaskKind, TaskRun


class Requester(BaseModel):
    """Who requested an import, besides the user id: its records are sent with these rights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roles: list[str] = []
    team_id: str | None = None
    name: str = ""
    plan: str = "standard"
    country: str | None = None
    time_zone: str = DEFAULT_ZONE

    @classmethod
    def of(cls, principal: Principal) -> "Requester":
        """The requester that a principal is."""
        return cls(
            roles=sorted(principal.roles),
            team_id=principal.team_id,
            name=principal.name,
            plan=principal.plan,
            country=principal.country,
            time_zone=principal.time_zone,
        )


class ImportRun(ImportRunState, TaskRun):
    """An import with its tenant."""

    kind: ClassVar[TaskKind] = TaskKind(
        name="import",
        started=ImportStarted,
        completed=ImportCompleted,
        failed=ImportFailed,
        cancelled=ImportCancelled,
        has_ended=ImportEnded,
        failure_codes=ImportFailureCode,
    )

    updated_event: ClassVar[type[DomainEvent]] = ImportUpdated

    requester: Requester = Requester()
    """Stored, and neither shown nor published. Without roles nothing may be imported."""

    @classmethod
    def request(
        cls, request: RequestContext, run_id: str, parameters: ImportParameters, at: datetime
    ) -> Change["ImportRun"]:
        """A new run, waiting for a worker."""
        requester = Requester.of(request.principal)
        run = cls.requested(request, run_id, at, parameters=parameters, requester=requester)
        return Change(run, (ImportRequested(current=run),))
