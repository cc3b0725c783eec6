"""A report run: a task run (kernel.tasks.run) with the parameters of a report. No AWS, no clock."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from kernel.domain.aggregate import Change
from kernel.domain.events import DomainEvent
from kernel.domain.principal import RequestContext
from kernel.tasks.run import TaskKind, TaskRun
from reporting.errors import ReportEnded
from reporting.events import (
    FailureCode,
    ReportCancelled,
    ReportCompleted,
    ReportFailed,
    ReportRequested,
    ReportRunState,
    ReportStarted,
    ReportUpdated,
)
from reporting.parameters import ReportParameters


def _as_stored(value: Any, check: ValidatorFunctionWrapHandler) -> ReportParameters:
    """Keep stored runs readable whose report, grouping or currency no longer exists.

    Parameters of a later release are no reason to skip the validation: they are set aside.
    """
    try:
        return check(value)  # type: ignore[no-any-return] # pydantic's handler is untyped
    except ValidationError as error:
        if all(one["type"] == "extra_forbidden" for one in error.errors(include_url=False)):
            raise
        if unchecked := ReportParameters.unchecked(value):
            return unchecked
        raise


class ReportRun(ReportRunState, TaskRun):
    """A report run with its tenant."""

    kind: ClassVar[TaskKind] = TaskKind(
        name="report",
        started=ReportStarted,
        completed=ReportCompleted,
        failed=ReportFailed,
        cancelled=ReportCancelled,
        has_ended=ReportEnded,
        failure_codes=FailureCode,
    )

    updated_event: ClassVar[type[DomainEvent]] = ReportUpdated

    parameters: Annotated[ReportParameters, WrapValidator(_as_stored)]

    @classmethod
    def request(
        cls, request: RequestContext, run_id: str, parameters: ReportParameters, at: datetime
    ) -> Change["ReportRun"]:
        """A new run, waiting for a worker."""
        run = cls.requested(request, run_id, at, parameters=parameters)
        return Change(run, (ReportRequested(current=run),))

    @property
    def file_name(self) -> str:
        """A descriptive file name: `win-rate-by-region-from-2026-01-01.pdf`."""
        parameters = self.parameters
        words = [parameters.report.replace("_", "-")]
        if parameters.grouping != "none" and not parameters.report.endswith(
            f"_by_{parameters.grouping}"
        ):
            words.append(f"by-{parameters.grouping}")
        if parameters.from_:
            words.append(f"from-{parameters.from_}")
        if parameters.to:
            words.append(f"to-{parameters.to}")
        return f"{'-'.join(words)}.{parameters.format}"
