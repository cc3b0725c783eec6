"""Why tasks fail: maps error names to codes for programs and to messages for people.

The state machine passes an error name and a cause. A name is one of those below or of a context,
one of Step Functions' (`States.…`, `SQS.…`), or the class of an exception that a step raised. An
error that is not in the catalogue has the code `unknown`; its cause is only logged.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

BAD_PARAMETERS = "BadParameters"
"""The parameters of the run are not valid; the cause names the fields."""
DISK_FULL = "DiskFull"
"""The worker's local disk is full."""
CANCELLED = "Cancelled"
"""The run was cancelled: the execution ends, and nothing failed."""
NO_WORKER = "NoWorker"
OUT_OF_MEMORY = "OutOfMemory"
OUT_OF_TIME = "OutOfTime"
"""A function ends before the task does."""
TIMED_OUT = "TimedOut"
UNEXPECTED = "Unexpected"
"""A job raised an unexpected error."""
WORKER_LOST = "WorkerLost"
WORKER_REQUIRED = "WorkerRequired"
"""The run is too large for the function, and the stack has no worker."""
WORKER_UNAVAILABLE = "WorkerUnavailable"
"""A service that the worker needs did not answer."""

_MAX_CAUSE = 500


class TaskFailureCode(StrEnum):
    """Why a task failed, for programs; a context's own enumeration includes these members."""

    BAD_PARAMETERS = "bad_parameters"
    NO_WORKER = "no_worker"
    WORKER_LOST = "worker_lost"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    UNKNOWN = "unknown"


class BadParameters(Exception):
    """The parameters of a run are not valid; the message names the fields.

    The name of this class, BAD_PARAMETERS, is the error name in the state machine.
    """


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure: its error for the engine, its code for programs, its message for people."""

    error: str
    """The error name in the state machine."""
    cause: str
    code: StrEnum
    """For programs."""
    message: str
    """For people."""
    retryable: bool
    """Whether another attempt may succeed."""
    by_size: bool = False
    """Whether an attempt with more time, memory and disk may succeed."""


@dataclass(frozen=True, slots=True)
class FailureKind:
    """The catalogue's entry for an error."""

    code: str
    retryable: bool = False
    by_size: bool = False


class FailureCatalogue:
    """Error names and their codes, and a message for each code.

    A name that ends with a dot matches all errors that begin with it. An error may have a message
    of its own. `{cause}` in a message is replaced by the message of the cause.
    """

    def __init__(
        self,
        codes: type[StrEnum],
        errors: Mapping[str, FailureKind],
        messages: Mapping[str, str],
    ) -> None:
        self._codes, self._errors, self._messages = codes, errors, messages

    def extended(
        self,
        codes: type[StrEnum],
        errors: Mapping[str, FailureKind],
        messages: Mapping[str, str],
    ) -> "FailureCatalogue":
        """This catalogue with a context's own codes, errors and messages added."""
        return FailureCatalogue(codes, {**self._errors, **errors}, {**self._messages, **messages})

    def failure(self, error: str, cause: str = "") -> Failure:
        """The failure for an error name and a cause."""
        kind = self._kind(error)
        text = self._messages.get(error) or self._messages[kind.code]
        if "{cause}" in text:
            message = _message(cause)[:_MAX_CAUSE].rstrip(".")
            text = text.replace("{cause}", message)
        code = self._codes(kind.code)
        return Failure(error, cause, code, text, kind.retryable, kind.by_size)

    def _kind(self, error: str) -> FailureKind:
        family = f"{error.partition('.')[0]}."
        return self._errors.get(error) or self._errors.get(family) or _UNKNOWN


def _message(cause: str) -> str:
    """The message of a cause; a step's exception is JSON with the message and a stack trace."""
    try:
        parsed = json.loads(cause)
    except ValueError:
        return cause
    return str(parsed.get("errorMessage", "")) if isinstance(parsed, dict) else cause


_UNKNOWN = FailureKind(TaskFailureCode.UNKNOWN)
ERRORS: Mapping[str, FailureKind] = MappingProxyType(
    {
        BAD_PARAMETERS: FailureKind(TaskFailureCode.BAD_PARAMETERS),
        NO_WORKER: FailureKind(TaskFailureCode.NO_WORKER),
        WORKER_REQUIRED: FailureKind(TaskFailureCode.NO_WORKER),
        # The task did not reach the queue, which is the same as no worker receiving it.
        "SQS.": FailureKind(TaskFailureCode.NO_WORKER, retryable=True),
        WORKER_LOST: FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        WORKER_UNAVAILABLE: FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        "States.HeartbeatTimeout": FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        TIMED_OUT: FailureKind(TaskFailureCode.TIMED_OUT, retryable=True),
        # Step Functions may also use this name for a missed heartbeat.
        "States.Timeout": FailureKind(TaskFailureCode.TIMED_OUT, retryable=True),
        OUT_OF_MEMORY: FailureKind(TaskFailureCode.OUT_OF_MEMORY, by_size=True),
        # A code of its own would break programs that know the released ones.
        DISK_FULL: FailureKind(TaskFailureCode.WORKER_LOST, retryable=True, by_size=True),
        OUT_OF_TIME: FailureKind(TaskFailureCode.TIMED_OUT, by_size=True),
        # A function that Lambda ended: out of memory, out of time, or a crash. Throttled calls and
        # Lambda's own errors begin with "Lambda.".
        "Runtime.OutOfMemory": FailureKind(TaskFailureCode.OUT_OF_MEMORY, by_size=True),
        "Runtime.": FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        "Sandbox.": FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        "Lambda.": FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
    }
)
MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        TaskFailureCode.BAD_PARAMETERS: "The parameters are not valid: {cause}.",
        TaskFailureCode.NO_WORKER: "No worker was available for an hour. Try again later.",
        WORKER_REQUIRED: "This needs a worker, and none is deployed. Ask your administrator to "
        "deploy one (parameter WorkerImage).",
        TaskFailureCode.WORKER_LOST: "The worker was lost, and so were those of further attempts.",
        TaskFailureCode.TIMED_OUT: "This took longer than an hour and was stopped.",
        TaskFailureCode.OUT_OF_MEMORY: "This needs more memory than a worker has.",
        DISK_FULL: "The disk of the worker is full, and so were those of further "
        "attempts. Tell your administrator.",
        TaskFailureCode.UNKNOWN: "Something went wrong on our side, and it has been logged. "
        "Try again; if that does not help, give your administrator the id.",
    }
)
STANDARD = FailureCatalogue(TaskFailureCode, ERRORS, MESSAGES)
"""The failures that every kind of task has."""
