"""Writes small templates into a folder, and resolves them."""

import textwrap
from pathlib import Path
from typing import Any

from zebros.cloudformation import System, Usage, resolve
from zebros.cloudformation.load import parse

_FRAME = """
Parameters:
  Word: {Type: String, Default: word}
  Size: {Type: Number, Default: 3}
  Items: {Type: CommaDelimitedList, Default: "a, b,c"}
  Key: {Type: String, Default: small}
Mappings:
  Sizes:
    small: {Memory: 128, Zones: [x, y]}
    large: {Memory: 512, Zones: [z]}
Conditions:
  "Yes": !Equals [a, a]
  "No": !Equals [a, b]
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties:
      P: EXPRESSION
  Other: {Type: AWS::SNS::Topic}
  Gone: {Type: AWS::SNS::Topic, Condition: "No"}
"""


def write(folder: Path, **texts: str) -> Path:
    """Write templates, each `name=text`, `__` for a folder; the path of the first is returned."""
    paths = [folder / f"{name.replace('__', '/')}.yaml" for name in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return paths[0]


def resolved(folder: Path, parameters: dict[str, Any] | None = None, **texts: str) -> System:
    """The system that the first of the templates describes."""
    return resolve(write(folder, **texts), parameters, read=uncached)


def uncached(path: Path) -> Any:
    """Read a template each time: tests write several into one file."""
    return parse(path.read_text(encoding="utf-8"), path.name)


def value(folder: Path, expression: str, usage: Usage | None = None, **given: str) -> Any:
    """What an expression is as the property `P` of a topic; None when there is no property."""
    root = write(folder, root=_FRAME.replace("EXPRESSION", expression))
    topic = resolve(root, given, usage=usage, read=uncached).resources["Topic"]
    return topic.properties.get("P")
