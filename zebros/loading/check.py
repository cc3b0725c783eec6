"""A dry run: everything that can be told about a file without writing anything anywhere."""

from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from jsonschema import Draft202012Validator

from zebros.errors import NotReady, Refused
from zebros.loading.files import BadRow, rows
from zebros.loading.journal import CHUNK, Journal, Reject
from zebros.loading.kin import Kin
from zebros.loading.mapping import Mapped, Mapper, Reference
from zebros.loading.references import References
from zebros.loading.run import without_doubles
from zebros.words import counted

PLACEHOLDER = "00000000000000000000000000"
"""Stands for the id of a record that will be there when the load is for real."""


@dataclass(slots=True)
class Forecast:
    """What a load would do."""

    ready: int = 0
    rejects: list[Reject] = field(default_factory=list)
    rejected: int = 0
    notes: list[str] = field(default_factory=list)


_KEPT = 1000
"""Rejects a forecast lists; beyond, it only counts."""


def dry_run(
    mapper: Mapper,
    references: References | None,
    schema: dict[str, Any] | None,
    constants: dict[str, Any],
) -> Forecast:
    """Map every row, look for repeated identities, ask for references, hold items to the schema.

    Without `references` (no API to ask) references are taken to exist; without `schema` the fields'
    own limits are not checked.
    """
    forecast = Forecast(notes=list(mapper.notes))
    validator = Draft202012Validator(schema) if schema else None
    journal = Journal(None)  # a temporary file, gone afterwards
    kin = Kin()
    for batch in batched(rows(mapper.shape), CHUNK, strict=False):
        mapped: list[Mapped] = []
        for row in batch:
            found = row if isinstance(row, BadRow) else mapper.map_row(row)
            if isinstance(found, Mapped):
                mapped.append(found)
            else:
                _reject(forecast, Reject(found.number, found.reason, found.raw))
        mapped, doubles = without_doubles(journal, mapped)
        for double in doubles:
            _reject(forecast, double)
        for one in mapped:
            awaited: list[Reference] = []
            reason = _reason(one, mapper, references, validator, constants, awaited)
            if reason:
                _reject(forecast, Reject(one.number, reason, one.raw))
            else:
                forecast.ready += 1
                kin.add(one, awaited)
    for orphan in kin.orphans():
        forecast.ready -= 1
        _reject(forecast, orphan)
    if within := kin.found():
        some = counted(within, "row refers", "rows refer")
        forecast.notes.append(
            f"{some} to {mapper.kind.name} that are not in the CRM yet, but in this file: "
            "they will be found when it is loaded."
        )
    kin.close()
    journal.close()
    forecast.rejects.sort(key=lambda reject: reject.row)
    return forecast


def _reject(forecast: Forecast, reject: Reject) -> None:
    forecast.rejected += 1
    if len(forecast.rejects) < _KEPT:
        forecast.rejects.append(reject)


def _reason(
    mapped: Mapped,
    mapper: Mapper,
    references: References | None,
    validator: Draft202012Validator | None,
    constants: dict[str, Any],
    awaited: list[Reference],
) -> str:
    """Why a row would not land; empty when it would.

    References that only the file itself can satisfy are `awaited`.
    """
    item = {**constants, **mapped.item}
    for reference in mapped.references:
        found = references.find(reference) if references else PLACEHOLDER
        if found is None and reference.kind == mapper.kind.name:
            awaited.append(reference)
        elif found is None and reference.missing == "reject":
            return reference.absence
        item[reference.field] = found or PLACEHOLDER
    if validator is None:
        return ""
    faults = sorted(validator.iter_errors(item), key=lambda fault: list(map(str, fault.path)))
    return "; ".join(
        f"{'.'.join(map(str, fault.path)) or 'the row'}: {fault.message[:200]}"
        for fault in faults[:5]
    )


def published_schema(document: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The schema of one batch item in an OpenAPI 3.1 document, self-contained; None if unknown.

    3.1's schemas are JSON Schema 2020-12 (https://spec.openapis.org/oas/v3.1.1.html#schema-object).
    """
    for suffix in (f"{path}/batch", path):
        for known, operations in document.get("paths", {}).items():
            if not known.endswith(suffix) or "post" not in operations:
                continue
            content = operations["post"].get("requestBody", {}).get("content", {})
            schema = _followed(content.get("application/json", {}).get("schema", {}), document)
            if suffix.endswith("/batch"):
                items = schema.get("properties", {}).get("items", {})
                schema = _followed(items.get("items", {}), document)
            if schema.get("properties"):
                return {**schema, "components": document.get("components", {})}
    return None


def _followed(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    """A schema, through its `$ref` within the document."""
    for _ in range(10):
        reference = schema.get("$ref", "")
        if not reference.startswith("#/"):
            return schema
        found: Any = document
        for part in reference[2:].split("/"):
            found = found.get(part.replace("~1", "/").replace("~0", "~"), {})
        schema = found
    return schema


def fetch_schema(client: Any, path: str) -> dict[str, Any] | None:
    """The published schema of a batch item; None when the API does not say."""
    try:
        document = client.get("/openapi.json")
    except (NotReady, Refused):
        return None
    return published_schema(document, path) if isinstance(document, dict) else None
