"""Reads a TOML file of numbers, which stay exact: decimals are `Decimal`."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

from zebros.errors import BadInput


def read(path: Path) -> dict[str, Any]:
    """The content of a file. Raises BadInput when it cannot be read or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"), parse_float=Decimal)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is not TOML: {error}.") from None


def number(value: Any) -> Decimal | None:
    """A finite number as `Decimal`; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    found = Decimal(value)
    return found if found.is_finite() else None
