"""One task that its job carries out on a separate thread."""

import threading
from typing import Any

from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.work import carried
from kernel.tasks.failures import UNEXPECTED
from kernel.tasks.job import Job, JobControl, JobFailed, Task
from kernel.tasks.progress import Interrupted


class Execution:
    """A running job and its task; once `ended` is set, exactly one of the three results is set."""

    def __init__(self, job: Job, task: Task) -> None:
        self.job, self.task, self.control = job, task, JobControl()
        self.ended = threading.Event()
        self.outcome: dict[str, Any] | None = None
        self.failure: JobFailed | None = None
        self.interrupted = False
        # A daemon thread: a job that does not stop must not keep the process alive.
        threading.Thread(target=carried(self._run), name="job", daemon=True).start()

    def _run(self) -> None:
        try:
            self.outcome = self.job.run(self.task, self.control)
        except Interrupted:
            self.interrupted = True
        except JobFailed as failure:
            self.failure = failure
        except BaseException as fault:
            logger().exception("job failed", task=self.task.loggable(), fault=describe(fault))
            self.failure = JobFailed(UNEXPECTED, describe(fault))
        finally:
            self.ended.set()
