"""What users see of a run besides its state: its progress, and its place among those that wait."""

from typing import Any

from kernel.tasks.repository import RecordedProgress
from kernel.tasks.run import TaskRun
from kernel.tasks.state import TaskRunStatus

_WAITING_TEXTS = {
    TaskRunStatus.PENDING: "Waiting for a worker",
    TaskRunStatus.PROCESSING: "Starting",
    TaskRunStatus.RETRY_PENDING: "The worker was lost; waiting for another",
}


def shown_progress(
    run: TaskRun, progress: RecordedProgress | None, place: int | None, runs: str
) -> dict[str, Any]:
    """The fields of a run's progress; `place` is that among the tenant's own `runs` (plural)."""
    if progress:
        return {
            "progress": progress.percent,
            "progress_text": progress.text,
            "progress_at": progress.at,
        }
    if not run.ended:
        text = _WAITING_TEXTS.get(run.status)
        if place is not None and place > 1:
            text = f"Waiting for your organisation's other {runs}"
        return {"progress": 0, "progress_text": text, "queue_position": place}
    return {"progress": 100} if run.status is TaskRunStatus.COMPLETED else {}
