"""The job that creates a report: reads events from the lake, runs a query, stores one file."""

import errno
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from kernel.domain.errors import Busy, NotFound
from kernel.domain.references import KnownPerson
from kernel.tasks import failures
from kernel.tasks.failures import BadParameters
from kernel.tasks.job import JobFailed, Task
from kernel.tasks.progress import PartialProgress, Progress
from reporting.adapters.files import ReportFiles
from reporting.events import ReportResult, StreamPosition
from reporting.failures import TOO_MUCH_DATA, UNREADABLE_DATA
from reporting.job_errors import DiskFull, LakeTooLarge, LakeUnreadable, ReportError, TooComplex
from reporting.lake.cache import LakeCache
from reporting.model import ReportRun
from reporting.query.compute import compute
from reporting.query.limits import EngineLimits
from reporting.render.formats import FILE_KINDS, render
from reporting.report import Kind, Report
from reporting.service import ReportRunService, checked_parameters

MAX_TOTALS = 5
"""The maximum number of currencies with totals in the outcome; the file contains all of them."""


class PeopleDirectory(Protocol):
    """What this context knows about the people of a tenant."""

    def people(self, tenant_id: str, ids: Iterable[str]) -> Mapping[str, KnownPerson]:
        """The people among ids who are known."""


class ReportJob:
    """Creates the report of a run (kernel.tasks.job.Job): one file per task, safe to repeat."""

    def __init__(
        self,
        runs: ReportRunService,
        files: ReportFiles,
        lake: LakeCache,
        limits: EngineLimits | None = None,
        people: PeopleDirectory | None = None,
    ) -> None:
        self._runs, self._files, self._lake, self._limits = runs, files, lake, limits
        self._people = people
        self._started: ReportRun | None = None

    def run(self, task: Task, progress: Progress) -> dict[str, Any]:
        """Create the report, unless it exists or its run has ended; returns its outcome."""
        with _as_job_failures():
            run = self._started = self._runs.start(*_run_of(task))
            if run.outcome:
                return run.outcome.model_dump(mode="json")
            if run.ended:
                raise JobFailed(failures.CANCELLED, f"The report is {run.status}.")
            outcome = self._files.stored(run)
            if outcome is None:
                if run.attempts > self._runs.policy.max_attempts:
                    lost = f"{run.attempts - 1} workers were lost during this run."
                    raise JobFailed(failures.WORKER_LOST, lost)
                outcome = self._make(run, progress)
            return outcome.model_dump(mode="json")

    def record_progress(self, task: Task, fraction: float, text: str) -> None:
        """Store the progress of the report."""
        self._runs.record_progress(*_run_of(task), fraction, text)

    def is_active(self, task: Task) -> bool:
        """Whether the run has neither been cancelled nor ended otherwise."""
        return self._runs.is_active(*_run_of(task))

    def requeue(self, task: Task) -> None:
        """Mark the run as waiting for another worker, if this one had started it."""
        started = self._started
        if started and (started.tenant_id, started.id) == _run_of(task):
            self._runs.requeue(*_run_of(task), started.attempts)

    def _make(self, run: ReportRun, progress: Progress) -> ReportResult:
        parameters = checked_parameters(run)
        contexts = parameters.contexts
        fetching, computing = (
            PartialProgress(progress, 0.0, 0.4),
            PartialProgress(progress, 0.4, 0.8),
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / run.file_name
            with self._lake.files(run.tenant_id, contexts, progress=fetching) as lake:
                report = compute(
                    lake,
                    parameters,
                    progress=computing,
                    limits=self._limits,
                    people=partial(self._people.people, run.tenant_id) if self._people else None,
                )
            progress.step(0.8, f"Writing {report.row_count:,} rows")
            render(report, parameters.format, path)
            progress.step(0.95, "Storing the file")
            media_type = FILE_KINDS[parameters.format].content_type
            return self._files.store(run, path, summarize(report, path, media_type))


def summarize(report: Report, path: Path, media_type: str) -> ReportResult:
    """The outcome: a summary of the finished file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    position = report.position
    return ReportResult(
        file_name=path.name,
        media_type=media_type,
        size_bytes=path.stat().st_size,
        sha256=digest,
        rows=report.row_count,
        totals=_totals(report),
        more_totals=max(len(report.totals) - MAX_TOTALS, 0) or None,
        position=StreamPosition(
            events=position.events, last_time=position.last_time, last_id=position.last_id
        ),
    )


def _totals(report: Report) -> list[dict[str, int | str]]:
    """Every total that has a value, without its label "Total"."""
    shown = [
        (place, column.key)
        for place, column in enumerate(report.columns)
        if column.kind is not Kind.TEXT or column.key == "currency"
    ]
    totals: list[dict[str, int | str]] = []
    for row in report.totals[:MAX_TOTALS]:
        total: dict[str, int | str] = {}
        for place, key in shown:
            cell = row[place]
            if isinstance(cell, int | str):
                total[key] = cell
            elif isinstance(cell, Decimal):
                total[key] = str(cell)
        totals.append(total)
    return totals


@contextmanager
def _as_job_failures() -> Iterator[None]:
    """Raise expected errors as JobFailed, with the names of the failure catalogue (failures.py)."""
    try:
        yield
    except BadParameters as fault:
        raise JobFailed(failures.BAD_PARAMETERS, str(fault)) from fault
    except (TooComplex, MemoryError) as fault:
        raise JobFailed(failures.OUT_OF_MEMORY, str(fault)) from fault
    except DiskFull as fault:
        raise JobFailed(failures.DISK_FULL, str(fault)) from fault
    except LakeTooLarge as fault:
        raise JobFailed(TOO_MUCH_DATA, str(fault)) from fault
    except LakeUnreadable as fault:
        raise JobFailed(UNREADABLE_DATA, str(fault)) from fault
    except (Busy, ClientError, BotoCoreError) as fault:
        raise JobFailed(failures.WORKER_UNAVAILABLE, str(fault)) from fault
    except NotFound as fault:
        raise JobFailed(failures.UNEXPECTED, fault.detail) from fault
    except ReportError as fault:
        raise JobFailed(failures.UNEXPECTED, str(fault)) from fault
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise
        raise JobFailed(failures.DISK_FULL, "The local disk is full.") from fault


def _run_of(task: Task) -> tuple[str, str]:
    """The tenant and the id of the task's run."""
    return str(task.body["tenant_id"]), str(task.body["run_id"])
