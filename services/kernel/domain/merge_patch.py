"""JSON merge patch (RFC 7396)."""

from typing import Any

from kernel.domain.errors import Malformed
from kernel.domain.events import Fields, Snapshot
from kernel.domain.money import currencies_of
from kernel.domain.validation import validate


def merge_patch(target: Any, patch: Any) -> Any:
    """The target after a merge patch: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def patched_fields[F: Fields](
    record: Snapshot, patch: dict[str, Any], fields: type[F], country: str | None = None
) -> F:
    """The record's caller-set fields after a merge patch. Raises Invalid naming wrong fields.

    A field that the patch removes also counts as set. `country` is the tenant's.
    """
    target = record.model_dump(
        mode="json", include=set(fields.model_fields), exclude_none=True, warnings=False
    )
    try:
        patched = merge_patch(target, patch)
    except RecursionError as error:
        raise Malformed("The merge patch is nested too deeply.") from error
    result = validate(fields, patched, {**currencies_of(target), "country": country})
    result.model_fields_set.update(patch)
    return result
