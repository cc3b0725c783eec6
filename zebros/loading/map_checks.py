"""Checks whether a map fits its record type, before a row is read."""

import re

from zebros.errors import BadInput
from zebros.loading.map_model import Map, Source
from zebros.loading.record_types import REFERENCES, FieldType, RecordType
from zebros.money import is_currency

SEE_DOCS = "docs/loading.md describes the map file with examples."
_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_YEAR_DIRECTIVES = frozenset("YyGcx")


def check_map(map_: Map, record_type: RecordType, subject: str) -> None:
    """Raise BadInput unless the map fits; `subject` begins its message."""
    for field, source in map_.fields.items():
        field_type = record_type.type_of(field)
        if field_type is None:
            closest = record_type.closest(field)
            raise BadInput(
                f"{subject} fills {field}, which {record_type.name} do not have.",
                hint=f"Did you mean {closest}?"
                if closest
                else f"They have {_field_list(record_type)}.",
            )
        if fault := _fault(field, source, field_type):
            raise BadInput(f"{subject} is wrong at fields.{field}: {fault}.", hint=SEE_DOCS)
    if not any(field.startswith("external_ids.") for field in map_.fields):
        raise BadInput(
            f"{subject} has no external id.",
            hint='Add one, such as "external_ids.crm" = "id": it identifies the row, so that '
            "loading it again updates its record.",
        )
    absent = sorted(record_type.required - set(map_.fields))
    if absent:
        raise BadInput(
            f"{subject} leaves out {', '.join(absent)}, which {record_type.name} must have."
        )
    if map_.pipeline and (record_type.name != "opportunities" or "pipeline_id" in map_.fields):
        raise BadInput(
            f"{subject} names a pipeline, which only opportunities without pipeline_id take."
        )


def _fault(field: str, source: Source, field_type: FieldType) -> str:
    """What is wrong with a source; empty when nothing is."""
    if field_type is not FieldType.MONEY and (source.currency or source.currency_column):
        return "a currency is for money"
    if field_type is not FieldType.REFERENCE and source.by:
        return "`by` is for references to other records"
    match field_type:
        case FieldType.MONEY:
            return _money_fault(source)
        case FieldType.DATE:
            return _date_fault(source)
        case FieldType.REFERENCE:
            return _reference_fault(field, source)
        case _:
            return ""


def _money_fault(source: Source) -> str:
    if source.constant is None:
        if not (source.currency or source.currency_column):
            return 'name the currency, such as currency = "USD", or currency_column'
        if source.template:
            return "money comes from one column"
    if source.currency and not is_currency(source.currency):
        capitals = source.currency.upper()
        advice = f"; write {capitals}" if is_currency(capitals) else ""
        return f"{source.currency!r} is not an active ISO 4217 currency code{advice}"
    return ""


def _date_fault(source: Source) -> str:
    for format_ in source.formats:
        # strptime would assume the year 1900.
        if _YEAR_DIRECTIVES.isdisjoint(_DIRECTIVE.findall(format_)):
            return f"dates of the form {format_} have no year"
    return ""


def _reference_fault(field: str, source: Source) -> str:
    collection = REFERENCES[field].name
    if not source.by:
        return f'say how {collection} are found, such as by = "external_ids.crm"'
    by_product_key = collection == "products" and source.by in ("code", "name")
    if not source.by.startswith("external_ids.") and not by_product_key:
        return "`by` is external_ids.<system> (for products also code or name)"
    return ""


def _field_list(record_type: RecordType) -> str:
    return ", ".join(
        [*record_type.fields, *(f"{name}.<name>" for name in record_type.named_fields)]
    )
