"""Why reports fail, in sentences for the people who asked; nothing technical gets past this.

The state machine hands over an error name and a cause. Names are ours (below), Step Functions'
(`States.…`) or the class of an exception of a step; a name that is not listed is `unknown`, and
its cause stays in the logs.
"""

import json
from dataclasses import dataclass

from reporting.events import FailureCode

CANCELLED = "Cancelled"
"""The worker saw that the run was cancelled: the flow ends, and nothing failed."""
WORKER_UNAVAILABLE = "WorkerUnavailable"
"""A service the worker needs did not answer: worth another attempt."""

_QUEUE_ERRORS = "SQS."
"""The task did not even reach the queue."""

_CODES = {
    "BadParameters": FailureCode.BAD_PARAMETERS,
    "NoWorker": FailureCode.NO_WORKER,
    "WorkerLost": FailureCode.WORKER_LOST,
    WORKER_UNAVAILABLE: FailureCode.WORKER_LOST,
    "States.HeartbeatTimeout": FailureCode.WORKER_LOST,
    "TimedOut": FailureCode.TIMED_OUT,
    "States.Timeout": FailureCode.TIMED_OUT,
    "OutOfMemory": FailureCode.OUT_OF_MEMORY,
    "TooMuchData": FailureCode.TOO_MUCH_DATA,
    "UnreadableData": FailureCode.UNREADABLE_DATA,
}
_SENTENCES = {
    FailureCode.BAD_PARAMETERS: "What was asked for cannot be made into a report",
    FailureCode.NO_WORKER: "No worker was free to make this report for an hour. Ask for it again "
    "later.",
    FailureCode.WORKER_LOST: "The worker that made this report was lost, and so were those that "
    "tried again. Ask for the report again; if that does not help, narrow its period.",
    FailureCode.TIMED_OUT: "Making this report took longer than an hour and was stopped. Narrow "
    "its period.",
    FailureCode.OUT_OF_MEMORY: "This report needs more memory than a worker has. Narrow its "
    "period or choose another grouping.",
    FailureCode.TOO_MUCH_DATA: "The company's data is more than a worker can hold. Ask your "
    "administrator for larger workers.",
    FailureCode.UNREADABLE_DATA: "A part of the company's data could not be read. Ask for the "
    "report again; if that does not help, tell your administrator.",
    FailureCode.UNKNOWN: "Something went wrong on our side, and it has been logged. Ask for the "
    "report again; if that does not help, tell your administrator the report's id.",
}
_RETRIED = frozenset({FailureCode.WORKER_LOST, FailureCode.TIMED_OUT, FailureCode.UNREADABLE_DATA})
_MOST_CAUSE = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, as the state machine says it."""

    error: str
    cause: str = ""

    @property
    def code(self) -> FailureCode:
        """For programs."""
        if self.error.startswith(_QUEUE_ERRORS):
            return FailureCode.NO_WORKER
        return _CODES.get(self.error, FailureCode.UNKNOWN)

    @property
    def passing(self) -> bool:
        """Whether another attempt may succeed.

        A timeout is among them because Step Functions reports missed heartbeats under either name.
        A queue that does not take the task is as passing as a worker that does not.
        """
        return self.code in _RETRIED or self.error.startswith(_QUEUE_ERRORS)

    @property
    def sentence(self) -> str:
        """For people."""
        sentence = _SENTENCES[self.code]
        if self.code is FailureCode.BAD_PARAMETERS:
            return f"{sentence}: {_message(self.cause)[:_MOST_CAUSE].rstrip('.')}."
        return sentence


def _message(cause: str) -> str:
    """The message in a cause; that of a step's exception is JSON with a trace beside it."""
    try:
        told = json.loads(cause)
    except ValueError:
        return cause
    return str(told.get("errorMessage", "")) if isinstance(told, dict) else cause
