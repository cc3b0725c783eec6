"""A parameter of Systems Manager."""

from typing import Any


def read_parameter(systems: Any, name: str) -> str:
    """Its value."""
    return str(systems.get_parameter(Name=name)["Parameter"]["Value"])
