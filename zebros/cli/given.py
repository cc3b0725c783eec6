"""JSON that a person gives on the command line: as it is, from a file, or on standard input."""

import json
import sys
from pathlib import Path
from typing import Any

from zebros.errors import BadInput


def json_given(given: str, what: str) -> Any:
    """The JSON meant by `{…}`, `@FILE` or `-`. Raises BadInput saying where it is wrong."""
    if given == "-":
        where, text = "Standard input", sys.stdin.read()
    elif given.startswith("@"):
        where, text = given[1:], _text(Path(given[1:]))
    else:
        where, text = what, given
    try:
        return json.loads(text)
    except ValueError as fault:
        raise BadInput(
            f"{where} is not JSON: {fault}.", hint='Quote it for the shell: \'{"name": "…"}\'.'
        ) from fault


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"There is no file {file}.") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"{file} cannot be read: {fault}.") from fault
