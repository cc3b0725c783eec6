"""Why reports fail: every failure has a code and a message about reports."""

import pytest

from kernel.tasks.failures import ERRORS, STANDARD, TaskFailureCode
from reporting.events import FailureCode
from reporting.failures import FAILURES


def test_reports_have_a_code_for_every_failure_of_the_engine() -> None:
    assert set(TaskFailureCode) <= set(FailureCode)


@pytest.mark.parametrize("error", [*ERRORS, "Unexpected"])
def test_messages_of_the_engine_are_replaced_by_ones_about_reports(error: str) -> None:
    assert "report" in FAILURES.failure(error).message
    assert FAILURES.failure(error).message != STANDARD.failure(error).message
    assert FAILURES.failure(error).retryable == STANDARD.failure(error).retryable
