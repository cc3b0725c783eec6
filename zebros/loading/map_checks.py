"""Checks whether a map fits its record type, before a row is read."""

import re

from zebros.errors import BadInput
from zebros.loading.contact_points import is_country
from zebros.loading.header_names import suggestion
from zebros.loading.map_model import Map, Source
from zebros.loading.record_types import CONTACTS, REFERENCES, FieldType, RecordType
from zebros.money import is_currency

SEE_DOCS = "docs/loading.md describes the map file with examples."
_DIRECTIVE = re.compile(r"%(.)", re.DOTALL)
_YEAR_DIRECTIVES = frozenset("YyGcx")


def check_map(map_: Map, record_type: RecordType, subject: str) -> None:
    """Raise BadInput unless the map fits; `subject` begins its message."""
    for field, source in map_.fields.items():
        field_type = record_type.type_of(field)
        if field_type is None:
            closest = suggestion(field, record_type)
            raise BadInput(
                f"{subject} fills {field}, which {record_type.name} do not have.",
                hint=f"Did you mean {closest}?"
                if closest
                else f"They have {_field_list(record_type)}.",
            )
        if fault := _fault(field, source, field_type, record_type):
            raise BadInput(f"{subject} is wrong at fields.{field}: {fault}.", hint=SEE_DOCS)
    if map_.country and not is_country(map_.country):
        raise BadInput(f"{subject} has {map_.country!r} as its country, which is no ISO 3166 code.")
    has_id = any(field.startswith("external_ids.") for field in map_.fields)
    if map_.match_by and record_type is not CONTACTS:
        raise BadInput(f"{subject} has `match_by`, which only contacts take.")
    if map_.match_by and "emails" not in map_.fields:
        raise BadInput(f"{subject} has `match_by`, but has no emails to match by.", hint=SEE_DOCS)
    if not has_id and not map_.match_by and map_.without_id == "reject":
        raise BadInput(
            f"{subject} has no external id.",
            hint='Add one, such as "external_ids.crm" = "id": it identifies the row, so that '
            'loading it again updates its record. Or say `without_id = "by content"`, for contacts '
            'also `match_by = "email"`.',
        )
    absent = record_type.missing_from(map_.fields)
    if absent:
        raise BadInput(
            f"{subject} leaves out {', '.join(absent)}, which {record_type.name} must have."
        )
    if map_.pipeline and (record_type.name != "opportunities" or "pipeline_id" in map_.fields):
        raise BadInput(
            f"{subject} names a pipeline, which only opportunities without pipeline_id take."
        )


_NUMBERS = (FieldType.MONEY, FieldType.INTEGER)
_PHONES = (FieldType.PHONE, FieldType.PHONES)
_TYPES = {
    "currency": (FieldType.MONEY,),
    "currency_column": (FieldType.MONEY,),
    "scale": (FieldType.MONEY,),
    "decimal": _NUMBERS,
    "thousands": _NUMBERS,
    "format": (FieldType.DATE,),
    "separator": (FieldType.LIST, FieldType.EMAILS, FieldType.PHONES, FieldType.REFERENCE),
    "country": _PHONES,
    "country_column": _PHONES,
    "by": (FieldType.REFERENCE,),
    "missing": (FieldType.REFERENCE,),
}
"""The types of fields on which an option has an effect; others have one on every type."""
_NOT_FOR_CONSTANTS = ("values", "other", "default", "on_error")
_MEANINGS = {
    "currency": "a currency is for money",
    "currency_column": "a currency is for money",
    "by": "`by` is for references to other records",
}


def _fault(field: str, source: Source, field_type: FieldType, record_type: RecordType) -> str:
    """What is wrong with a source; empty when nothing is. No option may be without effect."""
    given = source.model_fields_set
    for option, types in _TYPES.items():
        if option in given and field_type not in types:
            names = " and ".join(f"{one.value}s".replace("ss", "s") for one in types)
            return _MEANINGS.get(option, f"`{option}` is for {names}")
    if source.constant is not None:
        if useless := [option for option in _NOT_FOR_CONSTANTS if option in given]:
            return f"`{useless[0]}` has no effect on a constant"
        if source.required:
            return "`required` has no effect on a constant, which is never empty"
    if source.required and "default" in given:
        return "`required` has no effect with a `default`, which fills what is empty"
    if "other" in given and not source.values:
        return "`other` has no effect without `values`"
    if source.lenient and source.required:
        return "`required` rejects the row without a value, so the value cannot be dropped"
    if source.lenient and (field in record_type.required or field.startswith("external_ids.")):
        return "a row needs this value, so it cannot be dropped"
    if (code := source.country) and not is_country(code):
        return f"{code!r} is not an ISO 3166 country code such as US"
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
    if not (source.currency or source.currency_column):
        if source.constant is None:
            return 'name the currency, such as currency = "USD", or currency_column'
        for option in ("scale", "decimal", "thousands"):
            if option in source.model_fields_set:
                return f"`{option}` has no effect without a currency"
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
    if source.by == "id":
        for option in ("missing", "separator"):
            if option in source.model_fields_set:
                return f"`{option}` has no effect on ids of the CRM, which are not looked up"
        return ""
    known = {"products": ("code", "name"), "accounts": ("name",)}.get(collection, ())
    if field == "parent_account_id":  # often of the same file, whose names are not in the CRM yet
        known = ()
    if not source.by.startswith("external_ids.") and source.by not in known:
        others = "".join(f", {one}" for one in known)
        return f"`by` is external_ids.<system>{others} or id"
    return ""


def _field_list(record_type: RecordType) -> str:
    return ", ".join(
        [*record_type.fields, *(f"{name}.<name>" for name in record_type.named_fields)]
    )
