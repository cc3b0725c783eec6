"""Results of Lambda Power Tuning as values of the template's memory parameters.

Source: "State Machine Output" of aws-lambda-power-tuning 4.4.0, and DescribeExecution of AWS Step
Functions, whose document has input and output as JSON texts.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zebros.errors import BadInput
from zebros.text import as_demand

PARAMETERS = {
    "Authorizer": "AuthorizerMemory",
    "CustomersApi": "CustomersMemory",
    "OpportunitiesApi": "OpportunitiesMemory",
    "ActivitiesApi": "ActivitiesMemory",
    "ReportingApi": "ReportingMemory",
    "ImportsApi": "ImportsMemory",
    **{
        f"Notifications{role}": "NotificationsMemory"
        for role in ("Api", "Events", "Relay", "Socket", "Maintenance")
    },
}
"""The parameter of the root template that sizes a function; several functions may share one."""


class Costs(BaseModel):
    """What the measurement itself cost, in USD, and its picture."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    execution: float = Field(default=0, alias="executionCost", ge=0)
    functions: float = Field(default=0, alias="lambdaCost", ge=0)
    visualization: str = Field(default="", max_length=10_000)
    """The address of the picture, which has what was measured."""


class Result(BaseModel):
    """The best size of a function; the state machine writes `power` as a text."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    power: int = Field(ge=128, le=10240)
    """MB."""
    cost: float = Field(ge=0)
    """USD of one invocation, on average."""
    duration: float = Field(ge=0)
    """Milliseconds of one invocation, on average."""
    measurement: Costs = Field(default=Costs(), alias="stateMachine")


@dataclass(frozen=True, slots=True)
class Tuned:
    """A function, the result of its measurement, and the parameter that applies it."""

    function: str
    result: Result
    applied: bool = False
    """Whether the state machine has already changed the function (`autoOptimize`)."""

    @property
    def parameter(self) -> str:
        """The parameter's name."""
        return PARAMETERS[self.function]


def read(argument: str) -> Tuned:
    """The result in `FILE` or `FUNCTION=FILE`. Raises BadInput for anything else."""
    named, equals, path = argument.partition("=")
    file = path if equals else argument
    document = _document(Path(file))
    found, asked = _output(document, file)
    function = named if equals else _function(str(asked.get("lambdaARN", "")))
    if not function:
        raise BadInput(
            f"{file} does not name the function that was measured.",
            hint=f"Write it in front: CustomersApi={file}. "
            "The output of `aws stepfunctions describe-execution` names it.",
        )
    if function not in PARAMETERS:
        raise BadInput(
            f"{function} has no parameter for its memory.",
            hint=f"There is one for {', '.join(PARAMETERS)}.",
        )
    return Tuned(function, _result(found, file), bool(asked.get("autoOptimize")))


def overrides(results: Iterable[Tuned]) -> dict[str, int]:
    """The value of each parameter, in MB: the largest of the functions that share it.

    Raises BadInput for two results of one function.
    """
    values: dict[str, int] = {}
    seen: set[str] = set()
    for tuned in results:
        if tuned.function in seen:
            raise BadInput(f"{tuned.function} has more than one result.")
        seen.add(tuned.function)
        values[tuned.parameter] = max(values.get(tuned.parameter, 0), tuned.result.power)
    return values


def _document(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BadInput(f"There is no file {file}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}.") from error
    except ValueError as error:
        raise BadInput(f"{file} is not JSON: {error}.") from error
    if not isinstance(document, dict):
        raise BadInput(f"{file} is no result of Lambda Power Tuning, which is a JSON object.")
    return document


def _output(document: dict[str, Any], file: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state machine's output, and its input, which is empty when the document has none."""
    asked: dict[str, Any] = {}
    if "executionArn" in document:
        if document.get("status") != "SUCCEEDED":
            raise BadInput(f"{file}: the execution is {document.get('status', 'unknown')}.")
        asked = _parsed(document.get("input"), file, "input")
        document = _parsed(document.get("output"), file, "output")
    inner = document.get("results", document)
    return (inner if isinstance(inner, dict) else {}), asked


def _parsed(text: Any, file: str, name: str) -> dict[str, Any]:
    try:
        parsed = json.loads(text)
    except (TypeError, ValueError):
        parsed = None
    if not isinstance(parsed, dict):
        raise BadInput(f"{file}: the {name} of the execution is no JSON object.")
    return parsed


def _function(arn: str) -> str:
    """The logical id in a function's ARN; CloudFormation writes it between stack and suffix."""
    name = arn.partition(":function:")[2].partition(":")[0]
    parts = name.split("-")
    return next((part for part in reversed(parts) if part in PARAMETERS), name)


def _result(found: dict[str, Any], file: str) -> Result:
    try:
        return Result.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(one) for one in first["loc"])
        raise BadInput(
            f"{file} is no usable result of Lambda Power Tuning: {field} {as_demand(first['msg'])}."
        ) from error
