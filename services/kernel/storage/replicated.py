"""Completes records of which another region sent only a part: the command `complete`.

Global tables send each item by itself. When a region is lost, the items of one transaction may have
arrived in part. For each record that changed shortly before, this brings its items to one state:

- The state is behind its last event: it becomes that event's.
- An event is missing: it is published as a change to the state afterwards, in its sequence.
- An event is of a history that another region has replaced, which a lower epoch shows: it is
  deleted, because it would take the sequence of the record's next event.
- Items of external ids, of searches and of unique texts are written again.

Repeating it changes nothing. The command line finds the records (zebros/regions).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ulid import ULID

from kernel.domain.aggregate import Aggregate
from kernel.domain.cloud_events import Envelope, envelope, from_json
from kernel.domain.errors import Busy, Conflict, CrmError, ReadOnlyRegion, StaleVersion
from kernel.domain.events import DomainEvent
from kernel.domain.ids import ids_at
from kernel.domain.principal import RequestContext, system_request
from kernel.storage.external_ids import ClaimedIds
from kernel.storage.outbox import PREFIX, outbox_entry, sort_key
from kernel.storage.packing import pack, unpack
from kernel.storage.records import RecordStore
from kernel.storage.table import Action, Check, Delete, Item, Put

RUN_PREFIX = "region-move-"
"""The correlation ids of events that take the place of missing ones begin with it."""
_ATTEMPTS = 3
_MAX_ENTRIES = 90
"""Outbox entries of one record that are read; more do not fit into one transaction."""


@dataclass(slots=True)
class Completed:
    """What was done with a number of records."""

    read: int = 0
    complete: int = 0
    """Those whose items were of one state already."""
    advanced: int = 0
    """Those whose state was behind their last event."""
    events: int = 0
    """Missing events in whose place others were published."""
    dropped: int = 0
    """Outbox entries of replaced histories."""
    failed: list[dict[str, str]] = field(default_factory=list)
    """`record` and `reason` of each record that stays as it is."""

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Entry:
    sequence: int
    epoch: int
    event: Envelope
    item: Item


def complete(stores: Sequence[RecordStore[Any]], since: Mapping[str, int], run: str) -> Completed:
    """Complete records; `since` has by partition key the last sequence that is surely there."""
    result = Completed()
    by_type = {store.record_type.upper(): store for store in stores}
    for key, sequence in since.items():
        store = by_type.get((*key.split("#", 3), "", "", "")[2])
        if store is not None:
            _Completion(store, key, sequence, run, result).run()
    return result


class _Completion[A: Aggregate]:
    """The completion of one record."""

    def __init__(
        self, store: RecordStore[A], key: str, since: int, run: str, result: Completed
    ) -> None:
        self._store, self._key, self._since = store, key, since
        self._run_id, self._result = run, result

    def run(self) -> None:
        """Complete the record, and count it."""
        self._result.read += 1
        reason = "changed meanwhile"
        for _ in range(_ATTEMPTS):
            try:
                self._attempt()
            except StaleVersion:
                continue
            except (Busy, ReadOnlyRegion):
                raise
            except (CrmError, LookupError, RecursionError, TypeError, ValueError) as error:
                # The message of a ValueError may have parts of the document.
                reason = str(error) if isinstance(error, CrmError) else type(error).__name__
            else:
                return
            break
        self._result.failed.append({"record": self._key, "reason": reason})

    def _attempt(self) -> None:
        item = self._store.table.get(self._key, "STATE", consistent=True)
        before = self._store.from_item(item) if item else None
        stored = before.sequence if before else 0
        entries = {one.sequence: one for one in self._entries(min(self._since, stored))}
        current = entries.get(stored)
        beyond = [one for one in entries.values() if one.sequence > stored]
        replaced = [one for one in beyond if current and one.epoch < current.epoch]
        late = [one for one in beyond if one not in replaced]
        if before is None and not late:
            return
        after = self._advanced(item, late[-1]) if late else before
        if after is None:
            return
        top = after.sequence
        missing = [
            number
            for number in range(min(self._since, stored) + 1, top + 1)
            if number not in entries
        ]
        more = self._other_items(after)
        if not (late or missing or replaced or more):
            self._result.complete += 1
            return
        deleted = [
            Delete(self._key, sort_key(one.sequence), unchanged=one.item, error=_meanwhile())
            for one in replaced
        ]
        state = self._put(item, before, after) if late else self._check(after)
        self._store.table.transact([state, *self._fill(after, missing, entries), *more, *deleted])
        self._result.advanced += bool(late)
        self._result.events += len(missing)
        self._result.dropped += len(replaced)

    def _entries(self, after: int) -> list[_Entry]:
        """The record's outbox entries after a sequence."""
        page = self._store.table.query(
            self._key,
            between=(sort_key(after + 1), f"{PREFIX}~"),
            limit=_MAX_ENTRIES,
            consistent=True,
        )
        if page.last_key is not None:
            raise Conflict(f"There are more than {_MAX_ENTRIES} events since then.")
        return [
            _Entry(
                int(str(one["sk"]).removeprefix(PREFIX)),
                int(one.get("epoch", 0)),
                from_json(unpack(one["detail"])),
                one,
            )
            for one in page.items
        ]

    def _advanced(self, item: Item | None, last: _Entry) -> A:
        """The record after its last event; what events do not publish is as it was."""
        current = {n: v for n, v in last.event["data"]["current"].items() if n != "id"}
        documents = self._store.documents
        kept = {}
        if item is not None:
            published = documents.model.model_fields
            before = from_json(unpack(item["doc"]))
            kept = {n: v for n, v in before.items() if n not in published}
        text = documents.text_of({**kept, **current, "sequence": last.sequence})
        return self._store.from_item({"pk": self._key, "doc": pack(text)})

    def _put(self, item: Item | None, before: A | None, after: A) -> Put:
        version = item.get("version") if item else None
        return Put(
            self._store.item(after, self._store.documents.encode(before or after, after)),
            absent=item is None,
            version=version if isinstance(version, int) else None,
            error=_meanwhile(),
        )

    def _check(self, record: A) -> Check:
        """That the record is unchanged. To write it again would replace a state that is late."""
        return Check(self._key, "STATE", _meanwhile(), version=record.version)

    def _fill(
        self, after: A, missing: Sequence[int], entries: Mapping[int, _Entry]
    ) -> list[Action]:
        """Outbox entries in place of missing ones, with the record as it is afterwards.

        Each has the time of the next one that is there: ids grow with their sequences. It also has
        the epoch of a neighbour: it belongs to the history in which it was missing.
        """
        if not missing:
            return []
        kind = after.updated_event
        if kind is None:
            raise Conflict("Events of this type of record cannot be replaced.")
        event = kind(current=after, changed=[], previous={})
        request = system_request(after.tenant_id, correlation_id=self._run_id)
        actions: list[Action] = []
        for number in missing:
            following = min((one for one in entries if one > number), default=None)
            at = after.updated_at
            if following is not None:
                at = _time_of(entries[following].event)
            put = self._outbox_entry(event, number, request, at)
            earlier = max((one for one in entries if one < number), default=None)
            beside = following if following is not None else earlier
            epoch = entries[beside].epoch if beside is not None else 0
            actions.append(replace(put, item={**put.item, "epoch": epoch}))
        return actions

    def _outbox_entry(
        self, event: DomainEvent, number: int, request: RequestContext, at: datetime
    ) -> Put:
        subject = f"{self._store.record_type}/{event.current.id}"
        document = envelope(
            event,
            event_id=ids_at(at, 1)[0],
            subject=subject,
            sequence=number,
            request=request,
            at=at,
        )
        put = outbox_entry(self._key, number, document)
        return replace(put, error=StaleVersion("The event has arrived meanwhile."))

    def _other_items(self, after: A) -> list[Action]:
        """The writes of items of external ids, searches and unique texts that are missing."""
        claims = ClaimedIds(self._store).actions(None, after, _keep)
        wanted = [one for one in self._store.with_change(None, after) if isinstance(one, Put)]
        keys = [(str(one.item["pk"]), str(one.item["sk"])) for one in wanted]
        found = self._store.table.get_many(keys, consistent=True) if keys else []
        there = {(one["pk"], one["sk"]): one for one in found}
        missing = [one for one, key in zip(wanted, keys, strict=True) if there.get(key) != one.item]
        return [*claims, *missing]


def _keep(other: Aggregate, _external_ids: dict[str, str]) -> list[Action]:
    """Another record keeps an external id that both have."""
    raise Conflict(f"{other.id} has one of its external ids.")


def _meanwhile() -> StaleVersion:
    return StaleVersion("The record was changed meanwhile.")


def _time_of(event: Envelope) -> datetime:
    return ULID.from_str(event["id"]).datetime.astimezone(UTC)
