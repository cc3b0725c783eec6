"""Completes records of which another region sent only a part: the command `complete`.

Global tables send each item by itself. When a region is lost, the items of one transaction may have
arrived in part. For each record that changed shortly before, this brings its items to one state:

- The state is behind its last event: it becomes that event's.
- An event is missing: it is published as a change to the state after it, in its sequence. Its id
  is that of the missing event, where the next event of the same change shows it; otherwise it is
  later than that of the missing one, so that everyone who has both takes it for the surviving one.
- An event is of a history that another region has replaced, which a lower epoch shows: it is
  deleted, because it would take the sequence of the record's next event.
- Items of external ids, of searches and of unique texts are written again.

A record may have any number of events. What does not fit into one transaction follows in others,
after the one that makes the state and its last event agree: the record can be changed from then on.

Repeating it changes nothing. The command line finds the records (zebros/regions), and a change that
meets such a record completes it (unit_of_work.py).
"""

import time
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ulid import ULID

from kernel.domain.aggregate import Aggregate
from kernel.domain.cloud_events import Envelope, envelope, from_json
from kernel.domain.errors import Busy, Conflict, CrmError, ReadOnlyRegion, StaleVersion
from kernel.domain.ids import id_before, last_ids_at
from kernel.domain.principal import system_request
from kernel.runtime.aws import write_epoch
from kernel.runtime.log import logger
from kernel.storage.external_ids import ClaimedIds
from kernel.storage.keys import subject_of
from kernel.storage.outbox import PREFIX, outbox_entry, sort_key
from kernel.storage.packing import pack, unpack
from kernel.storage.records import RecordStore
from kernel.storage.table import TRANSACTION_LIMIT, Action, Check, Delete, Item, Put

RUN_PREFIX = "region-move-"
"""The correlation ids of events that take the place of missing ones begin with it."""
ALL_THERE = 10**12 - 1
"""The last sequence that is surely there, of a record whose state alone may lack later events."""
_ATTEMPTS = 3
"""Attempts without a result, while others change the record."""
_PAGE = 1000
"""Outbox entries that one query asks for."""
_MAX_BYTES = 3_000_000
"""Bytes of one transaction, which may have 4 MB."""
_SECONDS = 8.0
"""After this time no further record is begun: the answer is waited for 25 s
(zebros/client/aws.py)."""


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
    left: dict[str, int] = field(default_factory=dict)
    """What was not begun, as it was sent: it is to be sent again."""

    def document(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Entry:
    """An outbox entry."""

    sequence: int
    epoch: int
    item: Item
    """Without the event, where nothing depends on it: a record may have thousands."""

    @property
    def event(self) -> Envelope:
        """The event."""
        return from_json(unpack(self.item["detail"]))


def complete(
    stores: Sequence[RecordStore[Any]],
    since: Mapping[str, int],
    run: str,
    monotonic: Callable[[], float] = time.monotonic,
) -> Completed:
    """Complete records; `since` has by partition key the last sequence that is surely there."""
    result = Completed(left=dict(since))
    by_type = {store.record_type.upper(): store for store in stores}
    ends = monotonic() + _SECONDS
    for key, sequence in since.items():
        if result.read and monotonic() >= ends:
            break
        del result.left[key]
        store = by_type.get((*key.split("#", 3), "", "", "")[2])
        if store is not None:
            _Completion(store, key, sequence, run, result).run()
    return result


def complete_one(stores: Sequence[RecordStore[Any]], key: str) -> None:
    """Complete a record that has an event beyond its state, because a change has met it.

    Raises Conflict with the reason when it cannot be completed.
    """
    result = complete(stores, {key: ALL_THERE}, f"{RUN_PREFIX}change")
    tenant, record = subject_of(key)
    done = result.document()
    logger().warning("record arrived in part", tenant=tenant, record=record, completed=done)
    for failed in result.failed:
        raise Conflict(
            "This record has arrived in part from a region that was lost, and could not be "
            f"completed: {failed['reason']}"
        )


class _Completion[A: Aggregate]:
    """The completion of one record."""

    def __init__(
        self, store: RecordStore[A], key: str, since: int, run: str, result: Completed
    ) -> None:
        self._store, self._key, self._since = store, key, since
        self._run_id, self._result = run, result
        self._written = False

    def run(self) -> None:
        """Complete the record, and count it."""
        self._result.read += 1
        left, reason = _ATTEMPTS, "changed meanwhile"
        while left:
            self._written = False
            try:
                self._attempt()
            except StaleVersion:
                # What was written is not to be done again: the next attempt has less to do.
                left -= not self._written
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
        first = min(self._since, stored) + 1
        # The state's own event, too: its epoch says to which history the state belongs.
        entries = self._entries(max(1, min(first, stored)), stored)
        current = entries.get(stored)
        beyond = [one for one in entries.values() if one.sequence > stored]
        replaced = [one for one in beyond if current and one.epoch < current.epoch]
        late = [one for one in beyond if one not in replaced]
        if before is None and not late:
            return
        after = self._advanced(item, late[-1]) if late else before
        if after is None:
            return
        missing = [number for number in range(first, after.sequence + 1) if number not in entries]
        more = self._other_items(after)
        if not (late or missing or replaced or more):
            self._result.complete += 1
            return
        state = self._put(item, before, after) if late else self._check(after)
        deleted = (
            Delete(self._key, sort_key(one.sequence), unchanged=one.item, error=_meanwhile())
            for one in replaced
        )
        # First what the record's next change needs: its items, and a sequence that is not used.
        self._write([state, *more, *deleted], self._fill(after, missing, entries))

    def _write(self, first: list[Action], filled: Iterable[Put]) -> None:
        """Carry out the first actions, then the rest, in as few transactions as they fit into."""
        for actions in _fitting(first, filled):
            self._store.table.transact(actions)
            self._result.advanced += not self._written and isinstance(first[0], Put)
            self._written = True
            of_outbox = [one for one in actions if _is_entry(one)]
            self._result.events += sum(isinstance(one, Put) for one in of_outbox)
            self._result.dropped += sum(isinstance(one, Delete) for one in of_outbox)

    def _entries(self, first: int, stored: int) -> dict[int, _Entry]:
        """The record's outbox entries from a sequence on; `stored` is the state's."""
        found: dict[int, _Entry] = {}
        after: Item | None = None
        while True:
            page = self._store.table.query(
                self._key,
                between=(sort_key(first), f"{PREFIX}~"),
                limit=_PAGE,
                after=after,
                consistent=True,
            )
            for item in page.items:
                number = int(str(item["sk"]).removeprefix(PREFIX))
                if number <= stored and (number == first or number - 1 in found):
                    item.pop("detail")
                found[number] = _Entry(number, int(item.get("epoch", 0)), item)
            if (after := page.last_key) is None:
                return found

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
    ) -> Iterator[Put]:
        """Outbox entries in place of missing ones, with the record as it was afterwards.

        Each has the state and the time of the next event that is there: ids and versions grow with
        sequences. It also has the epoch of a neighbour, whose history it belongs to.
        """
        there = sorted(entries)
        last = there[-1] if there else 0
        ids = iter(last_ids_at(after.updated_at, after.sequence - last, write_epoch()))
        for number in missing:
            place = bisect(there, number)
            beside = entries[there[place - 1]] if place else None
            if place < len(there):
                beside = following = entries[there[place]]
                event_id = id_before(following.event["id"], following.sequence - number)
                at, state = _time_of(following.event), self._advanced(None, following)
            else:
                event_id, at, state = next(ids), after.updated_at, after
            put = self._outbox_entry(state, number, event_id, at)
            yield replace(put, item={**put.item, "epoch": beside.epoch if beside else 0})

    def _outbox_entry(self, state: A, number: int, event_id: str, at: datetime) -> Put:
        kind = state.updated_event
        if kind is None:
            raise Conflict("Events of this type of record cannot be replaced.")
        document = envelope(
            kind(current=state, changed=[], previous={}),
            event_id=event_id,
            subject=f"{self._store.record_type}/{state.id}",
            sequence=number,
            request=system_request(state.tenant_id, correlation_id=self._run_id),
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


def _fitting(first: Sequence[Action], filled: Iterable[Put]) -> Iterator[list[Action]]:
    """These actions in transactions that are not too large."""
    some: list[Action] = []
    size = 0
    for action in (*first, *filled):
        more = _size(action)
        if some and (len(some) == TRANSACTION_LIMIT or size + more > _MAX_BYTES):
            yield some
            some, size = [], 0
        some.append(action)
        size += more
    if some:
        yield some


def _size(action: Action) -> int:
    """The bytes of an action, or somewhat less."""
    item = (action.item if isinstance(action, Put) else getattr(action, "unchanged", None)) or {}
    return sum(len(one) for one in item.values() if isinstance(one, bytes))


def _is_entry(action: Action) -> bool:
    """Whether an action is about an outbox entry."""
    return str(action.item["sk"] if isinstance(action, Put) else action.sk).startswith(PREFIX)


def _keep(other: Aggregate, _external_ids: dict[str, str]) -> list[Action]:
    """Another record keeps an external id that both have."""
    raise Conflict(f"{other.id} has one of its external ids.")


def _meanwhile() -> StaleVersion:
    return StaleVersion("The record was changed meanwhile.")


def _time_of(event: Envelope) -> datetime:
    return ULID.from_str(event["id"]).datetime.astimezone(UTC)
