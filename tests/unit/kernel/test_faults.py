"""Logs say what failed and where, and never what a user wrote."""

import json
import logging

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import BaseModel, Field, ValidationError

from kernel.domain.errors import DuplicateExternalId, Invalid
from kernel.runtime.faults import describe, describe_with_traceback
from kernel.runtime.log import logger

SECRET = "zoe@example.com"


class Contact(BaseModel):
    name: str = Field(max_length=3)
    emails: list[int]
    custom: dict[str, int] = {}


def raised(value: object) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Contact.model_validate(value)
    return caught.value


CASES = [
    (
        raised({"name": SECRET, "emails": [1, SECRET], "custom": {SECRET: SECRET}}),
        "ValidationError: Contact: name string_too_long, emails.1 int_parsing, "
        "custom.* int_parsing",
    ),
    (raised({}), "ValidationError: Contact: name missing, emails missing"),
    (
        ClientError({"Error": {"Code": "ValidationException", "Message": SECRET}}, "PutItem"),
        "ClientError: ValidationException (PutItem)",
    ),
    (EndpointConnectionError(endpoint_url=SECRET), "EndpointConnectionError"),
    (DuplicateExternalId(f"Another has {SECRET}."), "DuplicateExternalId: duplicate-external-id"),
    (Invalid.field("email", f"is not {SECRET}"), "Invalid: invalid-request, email"),
    (KeyError("detail"), "KeyError: detail"),
    (KeyError(SECRET), "KeyError"),
    (ValueError(SECRET), "ValueError"),
    (
        ConnectionRefusedError(111, "Connection refused"),
        "ConnectionRefusedError: Connection refused",
    ),
    (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, "bad"), "UnicodeDecodeError"),
]


@pytest.mark.parametrize(("error", "text"), CASES, ids=[text for _, text in CASES])
def test_an_error_is_described_without_a_value(error: Exception, text: str) -> None:
    assert describe(error) == text


def test_a_json_error_says_where() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(f'{{"{SECRET}"')
    assert describe(caught.value) == "JSONDecodeError: Expecting ':' delimiter at character 18"


def test_many_wrong_fields_are_named_up_to_twenty() -> None:
    error = raised({"name": "a", "emails": ["x"] * 50})
    assert describe(error).count("int_parsing") == 20


def failing() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        error.add_note(SECRET)
        raise KeyError(SECRET) from error


def test_causes_are_described_with_their_lines() -> None:
    with pytest.raises(KeyError) as caught:
        failing()
    text = describe_with_traceback(caught.value)
    assert "raise ValueError(SECRET)" in text
    assert "raise KeyError(SECRET) from error" in text
    assert SECRET not in text


def test_a_suppressed_context_is_left_out_and_a_cycle_ends() -> None:
    first, second = ValueError("a"), TypeError("b")
    first.__cause__, second.__cause__ = second, first
    assert describe_with_traceback(first) == "ValueError\nTypeError"
    third = KeyError("c")
    third.__context__, third.__suppress_context__ = first, True
    assert describe_with_traceback(third) == "KeyError: c"
    third.__suppress_context__ = False
    assert describe_with_traceback(third) == "KeyError: c\nValueError\nTypeError"


def test_a_logged_exception_has_no_value() -> None:
    with pytest.raises(KeyError) as caught:
        failing()
    information = (KeyError, caught.value, caught.tb)
    record = logging.LogRecord("zebros", logging.ERROR, "", 1, "event failed", None, information)
    line = json.loads(logger().registered_formatter.format(record))
    assert (line["level"], line["message"]) == ("ERROR", "event failed")
    assert line["exception_name"] == "KeyError"
    assert "raise ValueError(SECRET)" in line["exception"]
    assert SECRET not in json.dumps(line)
