"""Reading map files (docs/loading.md)."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from zebros.errors import BadInput
from zebros.loading.header_names import suggestion
from zebros.loading.map_checks import SEE_DOCS, check_map
from zebros.loading.map_model import Map, Source
from zebros.loading.record_types import RecordType
from zebros.loading.rejects_file import REJECT_COLUMNS
from zebros.text import as_demand

_SENTENCES = {
    "extra_forbidden": "is not an option of a map file",
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "string_too_short": "must not be empty",
    "too_short": "must have at least one entry",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "list_type": "must be a list",
}


def read_map(path: Path, record_type: RecordType) -> Map:
    """Read the map file for a record type. Raises BadInput, which names the wrong part."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BadInput(f"There is no map file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"The map {path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"The map {path} is not TOML: {error}.", hint=SEE_DOCS) from error
    try:
        map_ = Map.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"The map {path} {_described(error)}.", hint=SEE_DOCS) from error
    if map_.record is not None and map_.record != record_type.name:
        raise BadInput(
            f"The map {path} is for {map_.record}, not for {record_type.name}.",
            hint=f"`zebros load {map_.record} …` takes it.",
        )
    check_map(map_, record_type, f"The map {path}")
    return map_


def _described(error: ValidationError) -> str:
    """The first three faults with their places."""
    descriptions = []
    for fault in error.errors()[:3]:
        place = ".".join(str(part) for part in fault["loc"]) or "as a whole"
        message = _sentence(fault["type"], fault["msg"], fault.get("ctx", {}))
        descriptions.append(f"at {place}: {message}")
    more = error.error_count() - len(descriptions)
    return "is wrong " + "; ".join(descriptions) + (f"; and {more} more" if more > 0 else "")


def _sentence(type_: str, message: str, context: dict[str, Any]) -> str:
    """What would be right."""
    if type_ in _SENTENCES:
        return _SENTENCES[type_]
    if type_ == "literal_error":
        return f"must be {context['expected']}"
    if type_ == "greater_than":
        return f"must be more than {context['gt']}"
    if type_ in ("greater_than_equal", "less_than_equal"):
        bound = context.get("ge", context.get("le"))
        return f"must be {'at least' if 'ge' in context else 'at most'} {bound}"
    return as_demand(message)


def identity_map(header: tuple[str, ...], record_type: RecordType, file: Path) -> Map:
    """The map of a file whose columns have the names of the fields.

    Money columns contain amount and currency (`12.50 USD`), references contain ids of the CRM.
    """
    names = [name for name in header if name and name not in REJECT_COLUMNS]
    unknown = [name for name in names if record_type.type_of(name) is None]
    missing = record_type.missing_from(names)
    if not any(name.startswith("external_ids.") for name in names):
        missing.append("external_ids.<system>")
    faults = []
    if unknown:
        closest = {name: suggestion(name, record_type) for name in unknown}
        faults.append(
            "unknown: "
            + ", ".join(f"{n} (did you mean {m}?)" if m else n for n, m in closest.items())
        )
    if missing:
        faults.append(f"missing: {', '.join(missing)}")
    if faults:
        raise BadInput(
            f"The header of {file} does not fit {record_type.name}: {'; '.join(faults)}.",
            hint="Rename the columns, or map them to fields with --map (docs/loading.md).",
        )
    return Map(fields={name: Source(column=name) for name in names})
