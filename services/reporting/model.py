"""What a report run is and what may happen to it. No AWS, no clock, no I/O.

    PENDING -> PROCESSING -> COMPLETED | FAILED
       PROCESSING -> RETRY_PENDING -> PROCESSING   the worker was lost or told to stop
       every state that is no end -> CANCELLED | FAILED

What the machinery does may be done twice (queues deliver again, steps are retried), so these
transitions return the same state and no event when there is nothing left to do; what people do
raises RuleViolation instead.
"""

from datetime import datetime
from typing import Any

from kernel.domain.aggregate import Aggregate, Change, new_record
from kernel.domain.principal import RequestContext
from reporting.engine.parameters import ReportParameters
from reporting.errors import ReportEnded
from reporting.events import (
    FailureCode,
    ReportCancelled,
    ReportCompleted,
    ReportFailed,
    ReportRequested,
    ReportResult,
    ReportRunState,
    ReportStarted,
    RunStatus,
)

ENDED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})
WAITING = frozenset({RunStatus.PENDING, RunStatus.RETRY_PENDING})
PARAMETERS = ("report", "by", "from_", "to", "format", "currency")
"""As attributes; everywhere else `from_`, a word of the language, is called `from`."""


class ReportRun(ReportRunState, Aggregate):
    """A report run with its tenant."""

    correlation_id: str = ""
    """Of the request; everything done for this run carries it."""

    @classmethod
    def request(
        cls, request: RequestContext, run_id: str, parameters: ReportParameters, at: datetime
    ) -> Change["ReportRun"]:
        """A new run, waiting for a worker."""
        principal = request.principal
        wanted = {name: getattr(parameters, name) for name in PARAMETERS}
        run = cls(
            **new_record(request.tenant_id, run_id, principal.user_id, at),
            **{**wanted, "by": parameters.grouping},
            owner_id=principal.user_id,
            team_id=principal.team_id,
            correlation_id=request.correlation_id,
        )
        return Change(run, (ReportRequested(current=run),))

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.status in ENDED

    @property
    def parameters(self) -> dict[str, Any]:
        """What was asked for, as ReportParameters reads it."""
        return {name.rstrip("_"): getattr(self, name) for name in PARAMETERS}

    @property
    def file_name(self) -> str:
        """A name for the file that says what is in it: `win-rate-by-region-from-2026-01-01.pdf`."""
        words = [self.report.replace("_", "-")]
        if self.by != "none" and not self.report.endswith(f"_by_{self.by}"):
            words.append(f"by-{self.by}")
        if self.from_:
            words.append(f"from-{self.from_}")
        if self.to:
            words.append(f"to-{self.to}")
        return f"{'-'.join(words)}.{self.format}"

    def start(self, at: datetime) -> Change["ReportRun"]:
        """A worker begins; also one that takes over from a worker that was lost unnoticed."""
        if self.ended:
            return Change(self)
        after = self.with_changes(
            status=RunStatus.PROCESSING, attempts=self.attempts + 1, started_at=at
        )
        return Change(after, () if self.started_at else (ReportStarted(current=after),))

    def put_back(self, attempt: int) -> Change["ReportRun"]:
        """Its worker was told to stop: another begins anew, and this attempt does not count.

        Nothing changes when it is another attempt's turn by now.
        """
        if self.status is not RunStatus.PROCESSING or self.attempts != attempt:
            return Change(self)
        attempts = max(0, self.attempts - 1)
        return Change(self.with_changes(status=RunStatus.RETRY_PENDING, attempts=attempts))

    def lose_worker(self) -> Change["ReportRun"]:
        """Its worker was lost: another begins anew."""
        if self.status is not RunStatus.PROCESSING:
            return Change(self)
        return Change(self.with_changes(status=RunStatus.RETRY_PENDING))

    def complete(self, outcome: ReportResult, at: datetime) -> Change["ReportRun"]:
        """The file is there."""
        if self.ended:
            return Change(self)
        after = self.with_changes(status=RunStatus.COMPLETED, ended_at=at, outcome=outcome)
        return Change(after, (ReportCompleted(current=after),))

    def fail(self, failure: FailureCode, reason: str, at: datetime) -> Change["ReportRun"]:
        """It will not be made."""
        if self.ended:
            return Change(self)
        after = self.with_changes(
            status=RunStatus.FAILED, ended_at=at, failure=failure, reason=reason
        )
        return Change(after, (ReportFailed(current=after),))

    def cancel(self, by: str, at: datetime) -> Change["ReportRun"]:
        """It is no longer wanted."""
        if self.ended:
            raise ReportEnded(f"This report has ended already: it is {self.status.lower()}.")
        after = self.with_changes(status=RunStatus.CANCELLED, ended_at=at, cancelled_by=by)
        return Change(after, (ReportCancelled(current=after),))
