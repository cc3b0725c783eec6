"""The base classes of aggregates: tenant, sequence, version check, archiving."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import ConfigDict

from kernel.domain.aside import ASIDE, aside_of
from kernel.domain.errors import RecordArchived, RuleViolation, StaleVersion
from kernel.domain.events import DomainEvent, Fields, Snapshot

Version = int | None
"""The version that a change expects; None accepts any version (`If-Match: *`)."""


Mended = type[Fields] | None
"""The fields that a change may correct where they are stored wrongly; None for a transition."""
type Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes a JSON document of a newer form from one of the form before; a pure function."""


class Change[A](NamedTuple):
    """The outcome of a transition: the state afterwards, and the events to publish."""

    state: A
    events: tuple[DomainEvent, ...] = ()
    """Empty when there is nothing to publish."""


class Aggregate(Snapshot):
    """A record as its context stores it: the published snapshot, its tenant and its sequence.

    Fields of a later release are extra attributes: they are stored again, and neither shown nor
    published.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    upcasters: ClassVar[tuple[Upcaster, ...]] = ()
    """From each form of the stored document to the next one, the first from form 1 to form 2."""
    updated_event: ClassVar[Callable[..., DomainEvent] | None] = None
    """The event of changed fields, with `changed` and `previous`. `zebros restore` publishes it for
    a record that it brings to an earlier state; nothing when there is none."""

    tenant_id: str
    sequence: int = 0
    """The sequence of the last event about this record."""

    def ensure_version(self, if_match: int | None) -> Self:
        """Raise StaleVersion unless this is the version the caller saw (None: any version)."""
        if if_match is not None and if_match != self.version:
            raise StaleVersion(
                f"You changed version {if_match}, but the record is at version {self.version} now; "
                "read it again and repeat your change."
            )
        return self

    def ensure_active(self) -> Self:
        """Raise RecordArchived when the record is archived."""
        if self.archived_at is not None:
            raise RecordArchived(f"{self.described()} cannot be changed. {self.how_to_go_on()}")
        return self

    @property
    def label(self) -> str:
        """What people call the record; empty when it has no name."""
        return str(getattr(self, "name", None) or "")

    def described(self) -> str:
        """The record in a message: `The archived account 01J… (Acme)`."""
        archived = "archived " if self.archived_at is not None else ""
        label = f" ({self.label[:80]})" if self.label else ""
        return f"The {archived}{type(self).__name__.lower()} {self.id}{label}"

    def how_to_go_on(self) -> str:
        """What a caller can do whose request an archived record prevents."""
        advice = f"Restore it (POST …/{self.id}/restore)"
        if self.external_ids:
            advice += (
                f", or take its external ids over: POST …/{self.id}/release-external-ids, then "
                "send the request again"
            )
        return f"{advice}."

    def release_external_ids(self) -> Change[Self]:
        """Give up the external ids of an archived record, for another one to have them.

        Raises RuleViolation for an active record.
        """
        if self.archived_at is None:
            raise RuleViolation(
                "The record is not archived; change its external_ids by PATCH instead."
            )
        after = self.with_changes(external_ids={})
        return self._updated(after, "external_ids")

    def restore(self) -> Change[Self]:
        """Restore an archived record. Raises RuleViolation when it is not archived."""
        if self.archived_at is None:
            raise RuleViolation("The record is not archived.")
        return self._updated(self.with_changes(archived_at=None), "archived_at")

    def _updated(self, after: Self, name: str) -> Change[Self]:
        """A change of one field, with the event of changed fields."""
        event = type(self).updated_event
        if after == self or event is None:
            return Change(after)
        previous = self.model_dump(mode="json", include={name}, warnings=False)
        return Change(after, (event(current=after, changed=[name], previous=previous),))

    def as_restored(self, _current: Self | None, _at: datetime) -> Self | None:
        """What a restore makes of the record in this earlier state; None: it stays as it is.

        `_current` is the record today, None when it is missing or cannot be read.
        """
        return self

    def as_created_later(self, at: datetime, *, lost: bool) -> Self:  # noqa: ARG002 - for subclasses
        """What a restore makes of a record that was created after the restored time.

        `lost`: it is missing today, and this is the state of its last event.
        """
        return self if self.archived_at is not None else self.with_changes(archived_at=at)

    def with_changes(self, **changes: Any) -> Self:
        """A copy with some attributes changed; the values are not validated."""
        return self.model_copy(update=changes)

    def with_fields(self, fields: Fields, **changes: Any) -> Self:
        """A copy with the fields that a caller set, and further changes.

        A stored value that the model refuses is replaced when the caller has named its field.
        """
        after = self.with_changes(**dict(fields), **changes)
        aside = aside_of(self)
        if aside is None or aside.refused.keys().isdisjoint(fields.model_fields_set):
            return after
        named = fields.model_fields_set
        refused = {name: aside.refused[name] for name in aside.refused.keys() - named}
        return after.with_changes(**{ASIDE: aside._replace(refused=refused)})


class Archivable(Aggregate):
    """An aggregate that can be archived and restored."""

    archived_event: ClassVar[type[DomainEvent]]
    restored_event: ClassVar[type[DomainEvent]]

    def archive(self, at: datetime) -> Change[Self]:
        """Archive the record. Raises RecordArchived when it is archived already."""
        if self.archived_at is not None:
            raise RecordArchived("The record is archived already.")
        after = self.with_changes(archived_at=at)
        return Change(after, (self.archived_event(current=after),))

    def restore(self) -> Change[Self]:
        """Restore the record. Raises RuleViolation when it is not archived."""
        if self.archived_at is None:
            raise RuleViolation("The record is not archived.")
        after = self.with_changes(archived_at=None)
        return Change(after, (self.restored_event(current=after),))


def new_record(tenant_id: str, record_id: str, by: str, at: datetime) -> dict[str, Any]:
    """The attributes every new record starts with."""
    return {
        "tenant_id": tenant_id,
        "id": record_id,
        "created_at": at,
        "created_by": by,
        "updated_at": at,
        "updated_by": by,
    }


def changed_fields[S: Snapshot](
    before: S, after: S, fields: type[Fields]
) -> tuple[list[str], dict[str, Any]]:
    """The names of the caller-set fields that differ, and their earlier values as JSON.

    A field whose wrongly stored value was removed differs, too; it had no value before.
    """
    removed = _refused(before) - _refused(after)
    changed = [
        name
        for name in fields.model_fields
        if name in removed or _differ(getattr(before, name), getattr(after, name))
    ]
    previous = before.model_dump(mode="json", include=set(changed), warnings=False)
    return changed, previous


def _refused(record: Snapshot) -> set[str]:
    """The fields whose stored value was set aside."""
    aside = aside_of(record)
    return set(aside.refused) if aside else set()


def _differ(before: Any, after: Any) -> bool:
    """Whether two values differ; in a custom field `true` is not 1, unlike in Python."""
    return before != after or (
        isinstance(before, dict) and any(type(before[key]) is not type(after[key]) for key in after)
    )
