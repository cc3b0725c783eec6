"""Bounds of strings and integers in an OpenAPI document that follow from what it says already.

A pattern or a format has a longest text; an integer has a width. What a model alone can know, such
as the length of a name, is not added: the model has it, or Spectral reports it (`make judges`).
"""

import re
from typing import Any

from kernel.domain.money import LARGEST

_LONGEST = {"date": 10, "date-time": 32, "email": 254, "uri": 2_000}
"""The characters of a format: dates of RFC 3339 with microseconds, addresses of RFC 5321."""
_CUSTOM_FIELDS = "custom_fields"
_INT32, _INT64 = 2**31 - 1, 2**63 - 1
_PARSER: Any = vars(re)["_parser"]
"""Python's parser of patterns, which knows how long a matching text may be."""


def bounded(node: Any, within: tuple[str, ...] = ()) -> Any:
    """The document with these bounds; `within` are the names above the node."""
    if isinstance(node, list):
        return [bounded(one, within) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: bounded(one, (*within, name)) for name, one in node.items()}
    match made.get("type"):
        case "string" if not made.keys() & {"enum", "const", "maxLength"}:
            return made | _longest(made)
        case "integer":
            return _sized(made, within)
        case _:
            return made


def _longest(schema: dict[str, Any]) -> dict[str, Any]:
    if pattern := schema.get("pattern"):
        longest = int(_PARSER.parse(pattern).getwidth()[1])
        return {"maxLength": longest} if longest < int(_PARSER.MAXREPEAT) else {}
    longest_of_format = _LONGEST.get(schema.get("format", ""))
    return {"maxLength": longest_of_format} if longest_of_format else {}


def _sized(schema: dict[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    """An integer with limits and the format that they need; 64 bits where the model has none."""
    widest = LARGEST if _CUSTOM_FIELDS in within else _INT64
    limits = {"minimum": -widest, "maximum": widest} | schema
    small = limits["minimum"] >= -_INT32 - 1 and limits["maximum"] <= _INT32
    return limits | {"format": "int32" if small else "int64"}
