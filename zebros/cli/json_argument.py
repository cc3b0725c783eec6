"""JSON as an argument: the text itself, `@FILE`, or `-` for standard input."""

import json
import sys
from pathlib import Path
from typing import Any

from zebros.errors import BadInput


def parse_json(argument: str, name: str) -> Any:
    """The parsed argument. Raises BadInput; `name` names the argument in the message."""
    if argument == "-":
        source, text = "Standard input", sys.stdin.read()
    elif argument.startswith("@"):
        source, text = argument[1:], _read(Path(argument[1:]))
    else:
        source, text = name, argument
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(
            f"{source} is not JSON: {error}.", hint='Quote it for the shell: \'{"name": "…"}\'.'
        ) from error


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"There is no file {file}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read: {error}.") from error
