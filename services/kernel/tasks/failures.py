"""Why tasks fail: from the error that programs raise to a sentence for the person who asked.

The state machine passes on an error name and a cause. Names are ours (below, and those a context
adds), Step Functions' (`States.…`, `SQS.…`), or the class of an exception that a step raised. An
error that is not in the catalogue has the code `unknown`, and its cause stays in the logs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

BAD_PARAMETERS = "BadParameters"
"""The parameters of the run are not valid (any more); the cause names the fields."""
CANCELLED = "Cancelled"
"""The run was cancelled: the execution ends, and nothing failed."""
NO_WORKER = "NoWorker"
OUT_OF_MEMORY = "OutOfMemory"
TIMED_OUT = "TimedOut"
UNEXPECTED = "Unexpected"
"""A job failed in a way it did not foresee."""
WORKER_LOST = "WorkerLost"
WORKER_UNAVAILABLE = "WorkerUnavailable"
"""A service that the worker needs did not answer."""

_MAX_CAUSE = 500


class TaskFailureCode(StrEnum):
    """Why a task failed, for programs; a context's own enumeration has these members, too."""

    BAD_PARAMETERS = "bad_parameters"
    NO_WORKER = "no_worker"
    WORKER_LOST = "worker_lost"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    UNKNOWN = "unknown"


class BadParameters(Exception):
    """The parameters of a run are not valid; the message names the fields.

    In the state machine the error has the name of this class, BAD_PARAMETERS.
    """


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, for the engine, for programs and for people."""

    error: str
    """The name of the error, as the state machine knows it."""
    cause: str
    code: StrEnum
    """For programs."""
    sentence: str
    """For people."""
    retryable: bool
    """Whether another attempt may succeed."""


@dataclass(frozen=True, slots=True)
class FailureKind:
    """What the catalogue says about an error."""

    code: str
    retryable: bool = False


class FailureCatalogue:
    """Errors by name, and a sentence for each code.

    A name that ends with a dot stands for all errors that begin with it. `{cause}` in a sentence
    is replaced by the message of the cause.
    """

    def __init__(
        self,
        codes: type[StrEnum],
        errors: Mapping[str, FailureKind],
        sentences: Mapping[str, str],
    ) -> None:
        self._codes, self._errors, self._sentences = codes, errors, sentences

    def extended(
        self,
        codes: type[StrEnum],
        errors: Mapping[str, FailureKind],
        sentences: Mapping[str, str],
    ) -> "FailureCatalogue":
        """This catalogue with a context's codes and errors, and its own sentences for any code."""
        return FailureCatalogue(codes, {**self._errors, **errors}, {**self._sentences, **sentences})

    def failure(self, error: str, cause: str = "") -> Failure:
        """What an error with this cause means."""
        kind = self._kind(error)
        sentence = self._sentences[kind.code]
        if "{cause}" in sentence:
            message = _message(cause)[:_MAX_CAUSE].rstrip(".")
            sentence = sentence.replace("{cause}", message)
        return Failure(error, cause, self._codes(kind.code), sentence, kind.retryable)

    def _kind(self, error: str) -> FailureKind:
        family = f"{error.partition('.')[0]}."
        return self._errors.get(error) or self._errors.get(family) or _UNKNOWN


def _message(cause: str) -> str:
    """The message of a cause; that of a step's exception is JSON with a stack trace beside it."""
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
        # The task did not reach the queue: as if no worker had taken it.
        "SQS.": FailureKind(TaskFailureCode.NO_WORKER, retryable=True),
        WORKER_LOST: FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        WORKER_UNAVAILABLE: FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        "States.HeartbeatTimeout": FailureKind(TaskFailureCode.WORKER_LOST, retryable=True),
        TIMED_OUT: FailureKind(TaskFailureCode.TIMED_OUT, retryable=True),
        # In Step Functions a missed heartbeat may have this name, too.
        "States.Timeout": FailureKind(TaskFailureCode.TIMED_OUT, retryable=True),
        OUT_OF_MEMORY: FailureKind(TaskFailureCode.OUT_OF_MEMORY),
    }
)
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        TaskFailureCode.BAD_PARAMETERS: "The parameters are not valid: {cause}.",
        TaskFailureCode.NO_WORKER: "No worker was free for an hour. Try again later.",
        TaskFailureCode.WORKER_LOST: "The worker was lost, and so were those that tried again.",
        TaskFailureCode.TIMED_OUT: "This took longer than an hour and was stopped.",
        TaskFailureCode.OUT_OF_MEMORY: "This needs more memory than a worker has.",
        TaskFailureCode.UNKNOWN: "Something went wrong on our side, and it has been logged. "
        "Try again; if that does not help, give your administrator the id.",
    }
)
STANDARD = FailureCatalogue(TaskFailureCode, ERRORS, SENTENCES)
"""The failures of every kind of task."""
