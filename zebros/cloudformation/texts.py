"""Texts that contain references: the values of Fn::Sub and Fn::Join.

A text is a list of pieces: known text, and references to what exists only after a deployment.
"""

import re
from collections.abc import Iterable
from typing import Any

from zebros.cloudformation.errors import TemplateError

type Piece = str | dict[str, Any]

UNKNOWN = frozenset(
    {"Ref", "Fn::GetAtt", "Fn::Sub", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Cidr"}
)
"""The functions that stay, because their value is known only after a deployment."""
_VARIABLE = re.compile(r"\$\{(?:(!)|([^}]*)\})")
_NAME = re.compile(r"[\w:]+(\.[\w:]+)*")


def is_reference(value: Any) -> bool:
    """Whether a value is known only when its resource exists."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in UNKNOWN


def scalar(value: Any) -> str:
    """A known value as CloudFormation writes it into a text; raises TemplateError for others."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise TemplateError(f"a text cannot contain {value!r}")


def variables(text: str) -> list[Piece]:
    """The pieces of a text of Fn::Sub: each `${name}` is a `Ref`, whatever it names.

    Raises TemplateError for a name that CloudFormation does not accept.
    """
    pieces: list[Piece] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        pieces.append(text[end : found.start()])
        escaped, name = found.groups()
        if escaped:
            pieces.append("${")
        elif _NAME.fullmatch(name):
            pieces.append({"Ref": name})
        else:
            raise TemplateError(f"Fn::Sub cannot have a variable named {name!r}")
        end = found.end()
    return [*pieces, text[end:]]


def pieces_of(value: Any) -> list[Piece]:
    """A value as the pieces of a text."""
    match value:
        case {"Fn::Sub": str(text)}:
            return [_named(one["Ref"]) if isinstance(one, dict) else one for one in variables(text)]
        case {"Fn::Join": ["", list(items)]}:
            return [piece for item in items for piece in pieces_of(item)]
        case _ if is_reference(value):
            return [value]
    return [scalar(value)]


def _named(name: str) -> dict[str, Any]:
    resource, dot, attribute = name.partition(".")
    return {"Fn::GetAtt": [resource, attribute]} if dot else {"Ref": name}


def joined(pieces: Iterable[Piece]) -> Any:
    """The pieces as one text, or as the shortest reference while some are unknown."""
    merged: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece != "":
            merged.append(piece)
    if len(merged) == 1:
        return merged[0]
    if all(isinstance(piece, str) for piece in merged):
        return "".join(str(piece) for piece in merged)
    written = [_written(piece) for piece in merged]
    if None in written:
        return {"Fn::Join": ["", merged]}
    return {"Fn::Sub": "".join(str(one) for one in written)}


def _written(piece: Piece) -> str | None:
    """A piece inside a text of Fn::Sub; None when it cannot stand there."""
    match piece:
        case str():
            return piece.replace("${", "${!")
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
    return None


def split(value: Any, separator: str = ",") -> Any:
    """The items of a text, which may contain references; an unknown list stays a reference."""
    if isinstance(value, dict) and not {"Fn::Sub", "Fn::Join"} & set(value):
        return {"Fn::Split": [separator, value]}
    items: list[list[Piece]] = [[]]
    for piece in pieces_of(value):
        if isinstance(piece, dict):
            items[-1].append(piece)
            continue
        first, *rest = piece.split(separator)
        items[-1].append(first)
        items += [[one] for one in rest]
    return [joined(item) for item in items]
