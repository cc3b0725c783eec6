"""Parameters of Systems Manager."""

from typing import Any

from botocore.exceptions import ClientError


def curves_parameter(system: str) -> str:
    """The name of the parameter with what power tuning has measured; `zebros tune` writes it."""
    return f"{system}-scaling-curves"


def read_parameter(systems: Any, name: str) -> str:
    """Its value."""
    return str(systems.get_parameter(Name=name)["Parameter"]["Value"])


def find_parameter(systems: Any, name: str) -> str | None:
    """Its value; None when there is no such parameter."""
    try:
        return read_parameter(systems, name)
    except ClientError as fault:
        if fault.response["Error"]["Code"] != "ParameterNotFound":
            raise
        return None
