"""What users see of a run besides its state: its progress, and its place among those that wait."""

from typing import Any

from kernel.tasks.state import TaskRunStatus
from kernel.tasks.user_service import SeenRun

_WAITING_TEXTS = {
    TaskRunStatus.PENDING: "Waiting for a worker",
    TaskRunStatus.PROCESSING: "Starting",
    TaskRunStatus.RETRY_PENDING: "The worker was lost; waiting for another",
}


def shown_progress(seen: SeenRun[Any], runs: str) -> dict[str, Any]:
    """The fields of a run's progress; `runs` is what several of its kind are called."""
    run, progress, place = seen
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
