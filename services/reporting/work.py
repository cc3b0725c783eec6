"""What a worker does for a report: events from the lake through the engine into one stored file."""

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kernel.domain.errors import Busy, NotFound
from kernel.tasks.worker import CANCELLED, UNEXPECTED, Control, Failed, Interrupted, Task
from reporting.engine.errors import (
    LakeTooLarge,
    LakeUnreadable,
    ReportCancelled,
    ReportError,
    TooComplex,
)
from reporting.engine.lake import Lake
from reporting.engine.progress import Watch
from reporting.engine.queries import compute, contexts_for
from reporting.engine.render import FILE_KINDS, render
from reporting.engine.report import Kind, Report
from reporting.events import ReportResult, StreamPosition
from reporting.failures import WORKER_UNAVAILABLE
from reporting.files import ReportFiles
from reporting.model import ReportRun
from reporting.service import MOST_ATTEMPTS, BadParameters, RunService, read

MOST_TOTALS = 5
"""Currencies whose totals are shown at a glance; the file has them all."""


class ReportWork:
    """A worker's job (kernel.tasks.worker.Job): one report per task, safe to do twice."""

    def __init__(self, runs: RunService, files: ReportFiles, lake: Lake) -> None:
        self._runs, self._files, self._lake = runs, files, lake
        self._begun: ReportRun | None = None

    def run(self, task: Task, control: Control) -> dict[str, Any]:
        """Make the report, unless it is there or no longer wanted; returns its outcome."""
        with _told():
            run = self._begun = self._runs.start(*_of(task))
            if run.outcome:
                return run.outcome.model_dump(mode="json")
            if run.ended:
                raise Failed(CANCELLED, f"The report is {run.status.lower()}.")
            outcome = self._files.stored(run)
            if outcome is None:
                if run.attempts > MOST_ATTEMPTS:
                    raise Failed("WorkerLost", f"{run.attempts - 1} workers were lost over it.")
                outcome = self._make(run, control)
            return outcome.model_dump(mode="json")

    def note(self, task: Task, fraction: float, text: str) -> None:
        """Progress, beside the run's state."""
        self._runs.note(*_of(task), fraction, text)

    def wanted(self, task: Task) -> bool:
        """Whether the run has not been cancelled."""
        return self._runs.wanted(*_of(task))

    def put_back(self, task: Task) -> None:
        """The run waits for another worker, if it was begun here."""
        begun = self._begun
        if begun and (begun.tenant_id, begun.id) == _of(task):
            self._runs.put_back(*_of(task), begun.attempts)

    def _make(self, run: ReportRun, control: Control) -> ReportResult:
        parameters = read(run)
        watch = Watch(control.progress, lambda: control.why is not None)
        contexts = contexts_for(parameters)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / run.file_name
            with self._lake.files(run.tenant_id, contexts, watch=watch.part(0.0, 0.4)) as lake:
                report = compute(lake, parameters, watch=watch.part(0.4, 0.8))
            watch.step(0.8, f"Writing {report.row_count:,} rows")
            render(report, parameters.format, path)
            watch.step(0.95, "Storing the file")
            media_type = FILE_KINDS[parameters.format].content_type
            return self._files.store(run, path, described(report, path, media_type))


def described(report: Report, path: Path, media_type: str) -> ReportResult:
    """What a finished report says at a glance."""
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
        position=StreamPosition(
            events=position.events, last_time=position.last_time, last_id=position.last_id
        ),
    )


def _totals(report: Report) -> list[dict[str, int | str]]:
    """Every total that has a value, without the labels that only say "Total"."""
    shown = [
        (place, column.key)
        for place, column in enumerate(report.columns)
        if column.kind is not Kind.TEXT or column.key == "currency"
    ]
    found: list[dict[str, int | str]] = []
    for row in report.totals[:MOST_TOTALS]:
        total: dict[str, int | str] = {}
        for place, key in shown:
            cell = row[place]
            if isinstance(cell, int | str):
                total[key] = cell
            elif isinstance(cell, Decimal):
                total[key] = str(cell)
        found.append(total)
    return found


@contextmanager
def _told() -> Iterator[None]:
    """What can go wrong, as outcomes of a task; failures.py has the sentences for them."""
    try:
        yield
    except ReportCancelled as fault:
        raise Interrupted from fault
    except BadParameters as fault:
        raise Failed("BadParameters", str(fault)) from fault
    except (TooComplex, MemoryError) as fault:
        raise Failed("OutOfMemory", str(fault)) from fault
    except LakeTooLarge as fault:
        raise Failed("TooMuchData", str(fault)) from fault
    except LakeUnreadable as fault:
        raise Failed("UnreadableData", str(fault)) from fault
    except (Busy, ClientError, BotoCoreError) as fault:
        raise Failed(WORKER_UNAVAILABLE, str(fault)) from fault
    except NotFound as fault:
        raise Failed(UNEXPECTED, fault.detail) from fault
    except ReportError as fault:
        raise Failed(UNEXPECTED, str(fault)) from fault
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise
        raise Failed("TooMuchData", str(fault)) from fault


def _of(task: Task) -> tuple[str, str]:
    return str(task.body["tenant_id"]), str(task.body["report_id"])
