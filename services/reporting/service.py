"""Use cases of reports: those of people, and those of the steps and the worker that make them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import ValidationError

from kernel.domain.aggregate import Change
from kernel.domain.clock import Clock
from kernel.domain.ids import new_id
from kernel.domain.permissions import Level
from kernel.domain.principal import RequestContext
from kernel.domain.validation import invalid_fields
from kernel.runtime.log import logger
from kernel.storage.records import Page
from kernel.storage.unit_of_work import UnitOfWork
from reporting.context import REPORTS
from reporting.engine.parameters import ReportParameters
from reporting.events import FailureCode, ReportResult, RunStatus
from reporting.failures import Failure
from reporting.files import Link, ReportFiles
from reporting.model import WAITING, ReportRun
from reporting.repository import Progress, ReportRepository

MOST_ATTEMPTS = 4
"""How many workers may be lost over one report."""
MOST_SECONDS = 3600
"""How long a run may wait for a worker, and how long a worker may take."""
_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 2, 60
_WAITING_PAUSE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """A run as someone who asks sees it."""

    run: ReportRun
    progress: Progress | None
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

    def get(self, request: RequestContext, run_id: str) -> Seen:
        """A run of anyone in the tenant: it tells nothing that the right to read does not."""
        request.principal.require(Level.READ, REPORTS)
        run, progress = self._repo.with_progress(request.tenant_id, run_id)
        making = run.status is RunStatus.PROCESSING
        link = self._files.link(run, run.outcome) if run.outcome else None
        return Seen(run, progress if making else None, link)

    def mine(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ReportRun]:
        """The caller's own runs, newest first."""
        request.principal.require(Level.READ, REPORTS)
        return self._repo.of_owner(request.tenant_id, request.principal.user_id, limit, cursor)

    def all(self, request: RequestContext, limit: int, cursor: str | None) -> Page[ReportRun]:
        """Everyone's runs, newest first, for those who manage reports."""
        request.principal.require(Level.WRITE, REPORTS)
        return self._repo.of_everyone(request.tenant_id, limit, cursor)

    def cancel(self, unit: UnitOfWork, run_id: str) -> ReportRun:
        """Stop a run: one's own, or anyone's with the right to write reports."""
        principal = unit.principal
        principal.require(Level.READ, REPORTS)

        def decide(run: ReportRun) -> Change[ReportRun]:
            if run.owner_id != principal.user_id:
                principal.require(Level.WRITE, REPORTS)
            return run.cancel(principal.user_id, self._now())

        return self._repo.change(unit.tenant_id, run_id, decide, by=unit)


class Next(StrEnum):
    """Where the state machine goes on."""

    QUEUE = "queue"
    FAIL = "fail"
    END = "end"


class BadParameters(Exception):
    """What was asked for is no report (any more); the message names the fields."""


class RunService:
    """What the state machine's steps and the workers do; each may be repeated without harm."""

    def __init__(self, repository: ReportRepository, now: Clock) -> None:
        self._repo, self._now = repository, now

    def validate(self, tenant_id: str, run_id: str) -> Next:
        """Whether a run is to be made. Raises BadParameters."""
        run = self._repo.runs.find(tenant_id, run_id)
        if run is None or run.ended:
            return Next.END
        read(run)
        return Next.QUEUE

    def start(self, tenant_id: str, run_id: str) -> ReportRun:
        """A worker begins a run; one that has ended is returned as it is. Raises NotFound."""
        return self._repo.change(tenant_id, run_id, lambda run: run.start(self._now()))

    def note(self, tenant_id: str, run_id: str, fraction: float, text: str) -> None:
        """Write down how far the worker is (0..1), in words too."""
        # 100 % is what completed runs have: until then the file is not there.
        percent = min(99, max(0, int(fraction * 100)))
        self._repo.note(tenant_id, run_id, Progress(percent, text, self._now()))

    def wanted(self, tenant_id: str, run_id: str) -> bool:
        """Whether a run has not been cancelled (or ended otherwise) meanwhile."""
        found = self._repo.runs.find(tenant_id, run_id, consistent=False)
        # Not to be found yet is not cancelled: it is a read that lags behind.
        return found is None or not found.ended

    def put_back(self, tenant_id: str, run_id: str, attempt: int) -> ReportRun:
        """The worker of an attempt was told to stop, and leaves the run to the next one."""
        return self._repo.change(tenant_id, run_id, lambda run: run.put_back(attempt))

    def complete(self, tenant_id: str, run_id: str, outcome: ReportResult) -> ReportRun:
        """The file of a run is there."""
        return self._repo.change(tenant_id, run_id, lambda run: run.complete(outcome, self._now()))

    def fail(self, tenant_id: str, run_id: str, failure: Failure) -> ReportRun:
        """A run will not be made."""
        logger().warning(
            "report failed",
            tenant=tenant_id,
            report_id=run_id,
            error=failure.error,
            cause=failure.cause,
        )
        return self._repo.change(
            tenant_id, run_id, lambda run: run.fail(failure.code, failure.sentence, self._now())
        )

    def recover(self, tenant_id: str, run_id: str, failure: Failure) -> tuple[Next, Failure, int]:
        """What to do when no worker answered: where to go on, why, and after how many seconds.

        Heartbeats are missed by workers that are lost, and by tasks that still wait for one.
        """
        run = self._repo.runs.find(tenant_id, run_id)
        if run is None or run.ended:
            return Next.END, failure, 0
        if not failure.passing:
            return Next.FAIL, failure, 0
        if run.status in WAITING:
            if self._longer_than_allowed(run.updated_at):
                return Next.FAIL, Failure("NoWorker"), 0
            return Next.QUEUE, failure, _WAITING_PAUSE_SECONDS
        timed_out = failure.code is FailureCode.TIMED_OUT
        if timed_out and self._longer_than_allowed(run.started_at):
            return Next.FAIL, Failure("TimedOut"), 0
        if run.attempts >= MOST_ATTEMPTS:
            return Next.FAIL, Failure("WorkerLost") if timed_out else failure, 0
        run = self._repo.change(tenant_id, run_id, lambda run: run.lose_worker())
        return Next.QUEUE, failure, pause(run.attempts)

    def _longer_than_allowed(self, since: datetime | None) -> bool:
        # Step Functions' clock started a little earlier than ours.
        allowed = timedelta(seconds=MOST_SECONDS * 0.95)
        return since is not None and self._now() - since >= allowed


def read(run: ReportRun) -> ReportParameters:
    """What a run asks for. Raises BadParameters: what was right once need not be so any more."""
    try:
        return ReportParameters.read(run.parameters)
    except ValidationError as fault:
        raise BadParameters(invalid_fields(fault).detail) from fault


def pause(attempts: int) -> int:
    """Seconds to wait before another worker tries: doubled with every one that was lost."""
    return int(min(_MOST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** max(0, attempts - 1)))
