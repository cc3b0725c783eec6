"""What the worker makes of what a function returns."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from imports.adapters.collections import FunctionCollections, FunctionFailed
from imports.model import ImportRun
from imports.parameters import ImportParameters
from kernel.domain.permissions import Role
from kernel.domain.principal import Principal, RequestContext

AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
ANN = RequestContext(Principal("acme", "ann", frozenset({Role.ADMINISTRATOR})), "c-1")


class Client:
    def __init__(self, payload: bytes, **more: Any) -> None:
        self.answer = {"Payload": io.BytesIO(payload), **more}

    def invoke(self, **_: Any) -> dict[str, Any]:
        return self.answer


def sent(payload: bytes, **more: Any) -> Any:
    parameters = ImportParameters(upload_id=ID, record_type="accounts")
    run, _ = ImportRun.request(ANN, ID, parameters, AT)
    collections = FunctionCollections(Client(payload, **more), {"accounts": "f"}, lambda: AT)
    return collections.send_batch(run, "accounts", "{}", "key")


def test_an_answer_has_its_status_document_and_pause() -> None:
    answer = sent(
        b'{"statusCode": 429, "multiValueHeaders": {"Retry-After": ["7"]}, "body": "{\\"a\\":1}"}'
    )
    assert (answer.status, answer.document, answer.retry_after_s) == (429, {"a": 1}, 7.0)


@pytest.mark.parametrize(
    ("payload", "more", "why"),
    [
        (b'{"errorMessage": "x"}', {"FunctionError": "Unhandled"}, "ended with an error"),
        (b'{"statusCode": 200}', {}, "cannot be read"),
        (b"null", {}, "cannot be read"),
        (b'{"statusCode": 207, "body": "no JSON"}', {}, "cannot be read"),
    ],
)
def test_what_is_no_answer_is_a_failure(payload: bytes, more: dict[str, Any], why: str) -> None:
    with pytest.raises(FunctionFailed, match=why):
        sent(payload, **more)
