"""The failure catalogue: from an error's name to a code, a message, and whether to try again."""

from enum import StrEnum

import pytest

from kernel.tasks.failures import STANDARD, FailureKind, TaskFailureCode


class Code(StrEnum):
    """The codes of a context: those of the kernel, and an additional one."""

    BAD_PARAMETERS = "bad_parameters"
    UNKNOWN = "unknown"
    TOO_LATE = "too_late"


EXTENDED = STANDARD.extended(
    Code,
    {"TooLate": FailureKind(Code.TOO_LATE, retryable=True)},
    {Code.TOO_LATE: "It is too late.", Code.UNKNOWN: "Nobody knows."},
)


def test_an_error_is_found_by_its_name() -> None:
    failure = STANDARD.failure("NoWorker", "cause")
    assert (failure.error, failure.cause) == ("NoWorker", "cause")
    assert failure.code is TaskFailureCode.NO_WORKER
    assert not failure.retryable, "the hour is over"


@pytest.mark.parametrize("error", ["SQS.SdkClientException", "SQS.AmazonSQSException"])
def test_an_error_is_found_by_its_family(error: str) -> None:
    failure = STANDARD.failure(error)
    assert (failure.code, failure.retryable) == (TaskFailureCode.NO_WORKER, True)


@pytest.mark.parametrize(
    "error", ["Lambda.TooManyRequestsException", "Sandbox.Timedout", "Runtime.ExitError"]
)
def test_a_function_that_does_not_answer_is_a_lost_worker(error: str) -> None:
    failure = STANDARD.failure(error)
    assert (failure.code, failure.retryable) == (TaskFailureCode.WORKER_LOST, True)
    assert not failure.by_size


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("OutOfMemory", TaskFailureCode.OUT_OF_MEMORY),
        ("Runtime.OutOfMemory", TaskFailureCode.OUT_OF_MEMORY),
        ("OutOfTime", TaskFailureCode.TIMED_OUT),
    ],
)
def test_a_larger_worker_may_succeed_where_memory_or_time_ended(
    error: str, code: TaskFailureCode
) -> None:
    failure = STANDARD.failure(error)
    assert (failure.code, failure.retryable, failure.by_size) == (code, False, True)


def test_an_error_may_have_a_message_of_its_own() -> None:
    failure = STANDARD.failure("WorkerRequired")
    assert (failure.code, failure.retryable) == (TaskFailureCode.NO_WORKER, False)
    assert "deploy one (parameter WorkerImage)" in failure.message
    assert failure.message != STANDARD.failure("NoWorker").message


@pytest.mark.parametrize("error", ["KeyError", "States.Runtime", "", "Unexpected"])
def test_an_error_that_is_not_listed_is_unknown_and_its_cause_is_not_shown(error: str) -> None:
    failure = STANDARD.failure(error, "secret")
    assert (failure.code, failure.retryable) == (TaskFailureCode.UNKNOWN, False)
    assert "secret" not in failure.message


@pytest.mark.parametrize(
    ("cause", "message"),
    [
        ("by: no.", "by: no."),
        ('{"errorMessage": "by: no", "stackTrace": ["x.py"]}', "by: no."),
        ("[1]", "[1]."),
        ("{cause}", "{cause}."),
        ("x" * 900, f"{'x' * 500}."),
    ],
)
def test_a_message_includes_that_of_its_cause(cause: str, message: str) -> None:
    text = STANDARD.failure("BadParameters", cause).message
    assert text == f"The parameters are not valid: {message}"


def test_a_context_adds_its_own_errors_and_messages() -> None:
    late = EXTENDED.failure("TooLate")
    assert (late.code, late.message, late.retryable) == (Code.TOO_LATE, "It is too late.", True)
    assert EXTENDED.failure("KeyError").message == "Nobody knows."
    assert EXTENDED.failure("BadParameters", "x").code is Code.BAD_PARAMETERS
    assert STANDARD.failure("TooLate").code is TaskFailureCode.UNKNOWN, "unchanged"
