"""Brings records to the state of a restored table: the command `restore` of a maintenance function.

The command line reads the restored table (`zebros restore`) and sends its records. Each becomes an
ordinary change of the live record: a new version, with one event in the outbox, which boards,
timelines, reports and subscribers follow (docs/adr/0032). Repeating a restore changes nothing.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import batched
from typing import Any, Self

from ulid import ULID

from kernel.domain.aggregate import Aggregate, Change
from kernel.domain.aside import aside_of, has_entries_missing, with_entries_missing
from kernel.domain.clock import Clock, later, utc_now
from kernel.domain.cloud_events import Envelope
from kernel.domain.errors import (
    Busy,
    CrmError,
    DuplicateExternalId,
    StaleVersion,
    UnreadableRecord,
)
from kernel.domain.principal import SYSTEM_USER, RequestContext, system_request
from kernel.domain.restored import OF_EVERY_CHANGE, restore_events
from kernel.storage.documents import not_upgraded
from kernel.storage.external_ids import ClaimedIds
from kernel.storage.outbox import last_of_outbox
from kernel.storage.packing import pack
from kernel.storage.records import RecordStore
from kernel.storage.table import READ_LIMIT, Action, Item, Put

_ATTEMPTS = 3
"""Attempts at a record that others change at the same moment."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A record, and the state that it is to have."""

    key: str
    """Its partition key."""
    doc: bytes | None
    """The packed document of the restored table; None for a record that was created later."""
    last: Envelope | None = None
    """The last event about it that the lake has, for a record that is missing in the live table."""

    @classmethod
    def parse(cls, document: Any) -> Self:
        """A record of a command. Raises ValueError when it is none."""
        if not isinstance(document, dict) or not isinstance(document.get("record"), str):
            raise ValueError("records must be a list of objects with the partition key `record`")
        last = document.get("last")
        if last is not None and not isinstance(last, dict):
            raise ValueError("`last` must be an event")
        text = document.get("doc")
        try:
            doc = None if text is None else base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ValueError("`doc` must be base64") from error
        return cls(document["record"], doc, last)


@dataclass(slots=True)
class RestoreResult:
    """What was done with a number of records; of a dry run, what would be done."""

    read: int = 0
    same: int = 0
    """Those that have their earlier state already."""
    restored: int = 0
    """Those that were brought to it."""
    put_back: int = 0
    """Those that were missing."""
    archived: int = 0
    """Those that were created later."""
    repaired: int = 0
    """Those whose index keys or external ids alone were wrong."""
    left: int = 0
    """Those that a restore leaves as they are."""
    changed_meanwhile: int = 0
    """Those that were changed after the restore had begun."""
    failed: list[dict[str, str]] = field(default_factory=list)
    """`record` and `reason` of each record that stays as it is."""

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Run:
    """What all records of a restore have in common."""

    id: str = ""
    """The correlation id of its events."""
    began: datetime | None = None
    """Records that were changed since then stay as they are."""
    dry_run: bool = False

    def request(self, tenant_id: str) -> RequestContext:
        """The CRM itself, on behalf of the operator."""
        return system_request(tenant_id, correlation_id=self.id)


def restore(
    stores: Sequence[RecordStore[Any]],
    wanted: Iterable[Wanted],
    run: Run,
    clock: Clock = utc_now,
) -> RestoreResult:
    """Bring records to the states that are wanted."""
    result = RestoreResult()
    by_type = {store.record_type.upper(): store for store in stores}
    of_store: dict[str, dict[str, Wanted]] = {}
    for one in wanted:
        of_store.setdefault((*one.key.split("#", 3), "", "", "")[2], {})[one.key] = one
    for record_type, listed in of_store.items():
        store = by_type.get(record_type)
        if store is None:
            result.failed += [_failure(key, "no type of record") for key in listed]
            continue
        restorer = _Restorer(store, run, clock, result)
        for keys in batched(listed, READ_LIMIT, strict=False):
            found = store.table.get_many([(key, "STATE") for key in keys], consistent=True)
            items = {str(item["pk"]): item for item in found}
            for key in keys:
                restorer.restore(listed[key], items.get(key))
            restorer.check_external_ids()
    return result


class _Restorer[A: Aggregate]:
    """Restores the records of one type."""

    def __init__(
        self, store: RecordStore[A], run: Run, clock: Clock, result: RestoreResult
    ) -> None:
        self._store, self._run, self._now, self._result = store, run, clock, result
        self._claims = ClaimedIds(store)
        self._unchecked: list[tuple[A, Item]] = []

    def restore(self, wanted: Wanted, item: Item | None) -> None:
        """Restore one record, and count it."""
        self._result.read += 1
        items = [item]

        def attempt() -> str:
            stored = items.pop() if items else self._read(wanted.key)
            return self._restore(wanted, stored)

        self._count(wanted.key, attempt)

    def _read(self, key: str) -> Item | None:
        return self._store.table.get(key, "STATE", consistent=True)

    def _count(self, key: str, attempt: Callable[[], str]) -> None:
        """Count the outcome of an attempt, which is repeated when others change the record."""
        for _ in range(_ATTEMPTS):
            try:
                outcome = attempt()
            except StaleVersion:
                continue
            except Busy:
                raise
            except (CrmError, LookupError, RecursionError, TypeError, ValueError) as error:
                # The message of a ValueError may have parts of the document.
                reason = str(error) if isinstance(error, CrmError) else type(error).__name__
                self._result.failed.append(_failure(key, reason))
                return
            setattr(self._result, outcome, getattr(self._result, outcome) + 1)
            return
        self._result.changed_meanwhile += 1

    def _restore(self, wanted: Wanted, item: Item | None) -> str:
        """Restore one record; returns the name of its counter. Raises StaleVersion."""
        now = self._now()
        live = self._live(item)
        target = self._target(wanted, item, live, now)
        if target is None:
            return "left"
        if live is not None and _content(self._store, live) == _content(self._store, target):
            return self._compare_keys(live, item or {})
        if self._is_newer(live):
            return "changed_meanwhile"
        if not self._run.dry_run:
            self._store.table.transact(self._actions(wanted, item, live, target, now))
        if wanted.doc is None and target.archived_at is not None:
            return "archived"
        return "put_back" if item is None else "restored"

    def _live(self, item: Item | None) -> A | None:
        """The record as it is; None when it is missing or cannot be read."""
        if item is None:
            return None
        try:
            return self._store.of_table(item)
        except UnreadableRecord:
            return None

    def _target(self, wanted: Wanted, item: Item | None, live: A | None, now: datetime) -> A | None:
        """The state that a record is to have; None: it stays as it is."""
        if wanted.doc is not None:
            earlier = self._store.from_item({"pk": wanted.key, "doc": wanted.doc})
            return earlier.as_restored(live, now)
        if item is not None and live is None:
            raise UnreadableRecord("The record was created later, and cannot be read.")
        created_later = live or self._published(wanted)
        if created_later is None:
            return None
        target = created_later.as_created_later(now, lost=live is None)
        if not target.external_ids:
            return target
        # What another record has again is not taken from it.
        return target.with_changes(external_ids=self._claims.free(target))

    def _published(self, wanted: Wanted) -> A | None:
        """The record as its last event shows it."""
        if wanted.last is None:
            return None
        current = {k: v for k, v in wanted.last["data"]["current"].items() if k != "id"}
        text = self._store.documents.text_of(current)
        return self._store.from_item({"pk": wanted.key, "doc": pack(text)})

    def _is_newer(self, live: A | None) -> bool:
        """Whether somebody, and not this restore, changed a record after the restore had begun."""
        began = self._run.began
        if live is None or began is None or live.updated_at <= began:
            return False
        return live.updated_by != SYSTEM_USER or live.created_at > began

    def check_external_ids(self) -> None:
        """Correct the external ids of records that had their earlier state already."""
        by_tenant: dict[str, list[tuple[A, Item]]] = {}
        for live, item in self._unchecked:
            by_tenant.setdefault(live.tenant_id, []).append((live, item))
        self._unchecked.clear()
        for listed in by_tenant.values():
            complete = self._claims.complete([live for live, _ in listed])
            for (live, item), right in zip(listed, complete, strict=True):
                if not right:
                    self._result.same -= 1
                    self._count(str(item["pk"]), partial(self._repair, live, item))

    def _compare_keys(self, live: A, item: Item) -> str:
        """Correct index keys of a record that is right; its external ids are checked later."""
        right = self._store.item(live, self._store.documents.encode(live, live))
        if _index_keys(right) != _index_keys(item):
            return self._repair(live, item)
        if live.external_ids:
            self._unchecked.append((live, item))
        return "same"

    def _repair(self, live: A, item: Item) -> str:
        """Write the index keys and the external ids of a record that is right."""
        if self._run.dry_run:
            return "repaired"
        right = self._store.item(live, self._store.documents.encode(live, live))
        kept = {name: value for name, value in item.items() if not name.startswith("gsi")}
        put = Put(
            {**kept, **_index_keys(right)},
            version=item["version"],
            unlike=not_upgraded(live),
            error=_meanwhile(),
        )
        give_up = self._giver(self._run.request(live.tenant_id), self._now())
        self._store.table.transact([put, *self._claims.actions(live, live, give_up)])
        return "repaired"

    def _actions(
        self, wanted: Wanted, item: Item | None, live: A | None, target: A, now: datetime
    ) -> list[Action]:
        """The transaction that brings a record to its earlier state."""
        request = self._run.request(target.tenant_id)
        known = _Known.of(live) if live is not None else self._known(wanted, item, target)
        at = later(now, known.at)
        change = self._change(live, target, known, request, at)
        version = item.get("version") if item else None
        put = Put(
            self._store.item(change.state, self._store.documents.encode(target, change.state)),
            absent=item is None,
            version=version if isinstance(version, int) else None,
            unlike=not_upgraded(live),
            error=_meanwhile(),
        )
        return [
            put,
            *self._store.outbox_entries(request, change, at),
            *self._claims.actions(live, change.state, self._giver(request, now)),
            *self._store.with_change(live, change.state),
        ]

    def _change(
        self, live: A | None, target: A, known: "_Known", request: RequestContext, at: datetime
    ) -> Change[A]:
        """The next version of a record, and its events."""
        after = target.with_changes(
            version=known.version + 1, updated_at=at, updated_by=request.principal.user_id
        )
        events = restore_events(live, after)
        after = after.with_changes(sequence=known.sequence + len(events))
        if aside_of(after) is not None:
            after = self._store.mended(after)
        if live is not None and has_entries_missing(live):
            after = with_entries_missing(after)
        return Change(after, events)

    def _giver(
        self, request: RequestContext, now: datetime
    ) -> Callable[[A, dict[str, str]], list[Action]]:
        """The actions by which another record gives up external ids.

        They raise DuplicateExternalId for a record that was changed after the restore had begun.
        """

        def give_up(other: A, external_ids: dict[str, str]) -> list[Action]:
            if self._is_newer(other):
                raise DuplicateExternalId(f"{other.id} has one of its external ids since then.")
            at = later(now, other.updated_at)
            target = other.with_changes(external_ids=external_ids)
            change = self._change(other, target, _Known.of(other), request, at)
            document = self._store.documents.encode(other, change.state)
            put = Put(
                self._store.item(change.state, document), version=other.version, error=_meanwhile()
            )
            return [put, *self._store.outbox_entries(request, change, at)]

        return give_up

    def _known(self, wanted: Wanted, item: Item | None, target: A) -> "_Known":
        """The last version, sequence and time that anything knows of a record that is not there.

        That is its earlier state, its last event in the lake, or one that is still in its outbox.
        The latest of them counts: of two histories, the one with the later ids survives.
        """
        events = [wanted.last, last_of_outbox(self._store.table, wanted.key)]
        found = [_Known.after(event) for event in events if event is not None]
        latest = max(found, key=lambda one: one.at, default=_Known.of(target))
        stored = item.get("version") if item else None
        versions = (latest.version, target.version, stored if isinstance(stored, int) else 0)
        return _Known(max(versions), latest.sequence, latest.at)


@dataclass(frozen=True, slots=True)
class _Known:
    """The last state of a record that is known."""

    version: int
    sequence: int
    at: datetime

    @classmethod
    def of(cls, record: Aggregate) -> Self:
        """That of a record."""
        return cls(record.version, record.sequence, record.updated_at)

    @classmethod
    def after(cls, event: Envelope) -> Self:
        """That after an event."""
        at = ULID.from_str(event["id"]).datetime.astimezone(UTC)
        return cls(int(event["data"]["current"]["version"]), int(event["sequence"]), at)


def _content(store: RecordStore[Any], record: Aggregate) -> dict[str, Any]:
    """What a record says, without what every change sets."""
    document: dict[str, Any] = json.loads(store.documents.encode(record, record))
    return {name: value for name, value in document.items() if name not in OF_EVERY_CHANGE}


def _index_keys(item: Item) -> Item:
    return {name: value for name, value in item.items() if name.startswith("gsi")}


def _meanwhile() -> StaleVersion:
    return StaleVersion("The record was changed meanwhile.")


def _failure(key: str, reason: str) -> dict[str, str]:
    return {"record": key, "reason": reason}


def parse_all(documents: Any) -> Iterator[Wanted]:
    """The records of a command. Raises ValueError."""
    if not isinstance(documents, list):
        raise ValueError("records must be a list of objects with the partition key `record`")
    return map(Wanted.parse, documents)
