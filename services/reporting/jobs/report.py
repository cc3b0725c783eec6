"""The job that creates a report: reads events from the lake, runs a query, stores one file."""

import hashlib
import tempfile
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Protocol

from kernel.domain.references import KnownPerson
from kernel.tasks import failures
from kernel.tasks.job import JobFailed
from kernel.tasks.progress import PartialProgress, Progress
from kernel.tasks.worker.run_job import RunJob
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


class ReportJob(RunJob[ReportRun]):
    """Creates the report of a run: one file."""

    def __init__(
        self,
        runs: ReportRunService,
        files: ReportFiles,
        lake: LakeCache,
        limits: EngineLimits | None = None,
        people: PeopleDirectory | None = None,
    ) -> None:
        super().__init__(runs)
        self._files, self._lake, self._limits, self._people = files, lake, limits, people

    def failure_of(self, fault: Exception) -> JobFailed | None:
        """An expected error as the failure that it is."""
        match fault:
            case TooComplex():
                return JobFailed(failures.OUT_OF_MEMORY, str(fault))
            case DiskFull():
                return JobFailed(failures.DISK_FULL, str(fault))
            case LakeTooLarge():
                return JobFailed(TOO_MUCH_DATA, str(fault))
            case LakeUnreadable():
                return JobFailed(UNREADABLE_DATA, str(fault))
            case ReportError():
                return JobFailed(failures.UNEXPECTED, str(fault))
        return super().failure_of(fault)

    def make(self, run: ReportRun, progress: Progress) -> ReportResult:
        """Fetch the events, compute the report and store its file, unless there is one."""
        if stored := self._files.stored(run):
            return stored
        self.ensure_attempt(run)
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
