"""What every aggregate has besides its published state, and the changes all of them share."""

from datetime import datetime
from typing import Any, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from kernel.domain.errors import FieldError, Invalid, Malformed, RuleViolation, StaleVersion
from kernel.domain.events import Fields, Snapshot


class Aggregate(Snapshot):
    """A record as its context keeps it: the published snapshot, its tenant and its event count."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    tenant_id: str
    sequence: int = 0
    """The sequence of the last event about this record."""

    def expect(self, version: int | None) -> Self:
        """Raise StaleVersion unless this is the version the caller saw (None: any version)."""
        if version is not None and version != self.version:
            raise StaleVersion(
                f"You changed version {version}, but the record is at version {self.version} now; "
                "read it again and repeat your change."
            )
        return self

    def live(self) -> Self:
        """Raise RuleViolation when the record is archived."""
        if self.archived_at is not None:
            raise RuleViolation("The record is archived; restore it first.", slug="archived")
        return self

    def archived(self, at: datetime) -> Self:
        """A copy that is put away. Raises RuleViolation when it is already."""
        if self.archived_at is not None:
            raise RuleViolation("The record is archived already.", slug="archived")
        return self.with_changes(archived_at=at)

    def restored(self) -> Self:
        """A copy that is back. Raises RuleViolation when it was never away."""
        if self.archived_at is None:
            raise RuleViolation("The record is not archived.")
        return self.with_changes(archived_at=None)

    def with_changes(self, **changes: Any) -> Self:
        """A copy with some attributes changed; the values are trusted."""
        return self.model_copy(update=changes)


def born(tenant_id: str, record_id: str, by: str, at: datetime) -> dict[str, Any]:
    """The attributes every new record starts with."""
    return {
        "tenant_id": tenant_id,
        "id": record_id,
        "created_at": at,
        "created_by": by,
        "updated_at": at,
        "updated_by": by,
    }


def difference[S: Snapshot](
    before: S, after: S, fields: type[Fields]
) -> tuple[list[str], dict[str, Any]]:
    """The names of the caller-set fields that differ, and their earlier values as JSON."""
    changed = [
        name for name in fields.model_fields if _differ(getattr(before, name), getattr(after, name))
    ]
    previous = before.model_dump(mode="json", include=set(changed))
    return changed, previous


def _differ(before: Any, after: Any) -> bool:
    """Whether two values of a field differ: in a custom field `true` is not 1, as Python has it."""
    return before != after or (
        isinstance(before, dict) and any(type(before[key]) is not type(after[key]) for key in after)
    )


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396 JSON merge patch: null removes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def patched[F: Fields](record: Snapshot, patch: dict[str, Any], fields: type[F]) -> F:
    """The record's caller-set fields after a merge patch. Raises Invalid naming wrong fields."""
    target = record.model_dump(mode="json", include=set(fields.model_fields), exclude_none=True)
    try:
        wanted = merge_patch(target, patch)
    except RecursionError as fault:
        raise Malformed("The merge patch is nested too deeply.") from fault
    return validated(fields, wanted)


def validated[T](kind: type[T], value: Any) -> T:
    """`value` (JSON) as `kind`. Raises Invalid naming the wrong fields."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as fault:
        raise invalid(fault) from fault


_SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "int_type": "must be a whole number (integer minor units for money; no decimals, no text)",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    # The same words for JSON text and for parsed JSON, where pydantic speaks of Python.
    "bool_type": "must be true or false",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "list_type": "must be a list",
}


_LONGEST_NAME = 80
"""A name we do not know may be of any length; it is said back, but not as a whole."""


def invalid(fault: ValidationError, prefix: tuple[str, ...] = ()) -> Invalid:
    """A pydantic complaint as a problem that names each field and says what would be right."""
    errors = tuple(
        FieldError(
            ".".join(str(part)[:_LONGEST_NAME] for part in (*prefix, *error["loc"])) or "(body)",
            _SENTENCES.get(error["type"], _lower_first(error["msg"])),
        )
        for error in fault.errors(include_url=False, include_context=False, include_input=False)[
            :20
        ]
    )
    return Invalid("; ".join(f"{e.field} {e.message}" for e in errors), errors=errors)


def _lower_first(text: str) -> str:
    text = text.removeprefix("Value error, ").removeprefix("Input ")
    return text[:1].lower() + text[1:]
