"""An import as a record, its parameters, and why it fails."""

from datetime import UTC, datetime
from typing import Any

import pytest

from imports.events import ImportFailureCode
from imports.failures import FAILURES
from imports.model import ImportRun, Requester
from imports.parameters import ImportParameters
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext
from kernel.tasks.failures import ERRORS, STANDARD, TaskFailureCode

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ANN = RequestContext(
    Principal(
        "acme", "ann", frozenset({Role.SALES_REPRESENTATIVE}), team_id="north", plan="premium"
    ),
    "c-1",
)


def parameters(**more: Any) -> ImportParameters:
    return ImportParameters(**{"upload_id": ID, "record_type": "accounts", **more})


def test_a_new_run_belongs_to_its_requester_and_has_their_rights() -> None:
    run, events = ImportRun.request(ANN, ID, parameters(), AT)
    assert [type(event).__name__ for event in events] == ["ImportRequested"]
    assert (run.owner_id, run.team_id, run.correlation_id) == ("ann", "north", "c-1")
    assert run.requester == Requester(
        roles=["sales-representative"], team_id="north", plan="premium"
    )


def test_a_stored_run_is_read_back() -> None:
    run, _ = ImportRun.request(ANN, ID, parameters(match_by="email"), AT)
    assert ImportRun.model_validate_json(run.model_dump_json(exclude_none=True)) == run


def test_a_run_without_a_requester_has_no_rights() -> None:
    assert Requester().roles == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, None),
        ({"record_type": "contacts", "match_by": "email"}, None),
        ({"record_type": "contacts", "match_by": "phone"}, "match_by"),
        ({"record_type": "opportunities", "match_by": "email"}, "match_by"),
        ({"record_type": "leads"}, "record_type"),
    ],
)
def test_parameters_name_what_cannot_be_imported(wrong: dict[str, Any], field: str | None) -> None:
    found = parameters(**wrong).wrong_field()
    assert (found[0] if found else None) == field


def test_imports_have_a_code_for_every_failure_of_the_engine() -> None:
    codes = {"not_allowed", "unreadable_file"}
    assert {*TaskFailureCode, *codes} == set(ImportFailureCode)


@pytest.mark.parametrize("error", [*ERRORS, "Unexpected"])
def test_messages_of_the_engine_are_replaced_by_ones_about_imports(error: str) -> None:
    failure = FAILURES.failure(error, "why")
    assert "import" in failure.message
    assert failure.message != STANDARD.failure(error, "why").message
    assert failure.retryable == STANDARD.failure(error).retryable


@pytest.mark.parametrize(
    ("error", "code", "begins"),
    [
        ("NotAllowed", "not_allowed", "The import was not allowed to change such records: why."),
        ("UnreadableFile", "unreadable_file", "The file of this import cannot be read: why."),
    ],
)
def test_failures_of_imports_have_their_own_codes_and_are_final(
    error: str, code: str, begins: str
) -> None:
    failure = FAILURES.failure(error, "why")
    assert (failure.code, failure.message) == (code, begins)
    assert not failure.retryable
