"""The relay: sends outbox entries from a table's stream to the event bus, in order, at least once.

A stream record is done only when EventBridge has accepted its event. Entries that EventBridge
rejects are sent again after growing pauses, before any later event of the same subject. Entries
that are still rejected are returned as failures: the event source mapping retries from the first
one. Duplicates are possible, lost events are not.

A failure holds up every later record of the table's shard, whoever its tenant is. An entry that
cannot be published however often it is tried is therefore set aside (set_aside.py): consumers wait
for it only with the later events of its own subject.
"""

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from kernel.domain.clock import milliseconds_since, utc_now
from kernel.domain.errors import ReadOnlyRegion
from kernel.messaging.naming import EventNames, names_of
from kernel.messaging.set_aside import Reject, SetAside, set_aside_in
from kernel.runtime.aws import client
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.metrics import OUTBOX_AGE
from kernel.runtime.settings import RelaySettings, read_settings
from kernel.storage.packing import unpack
from kernel.storage.table import from_stream

MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
"""The limits of PutEvents: ten entries and 256 KB in total."""
_TRIES = 4
"""Consecutive calls with rejected entries before the retry is left to the stream."""
_READ_ONLY_PAUSE_S = 20.0
"""The pause of a relay whose region does not write. Lambda discards a record after 300 attempts
(infra/modules/relay.yaml): in 100 minutes an operator stops the relay."""
_WRONG_CALL = frozenset({"ValidationException", "RequestEntityTooLargeException"})
"""Error codes of a whole call of which one entry is wrong."""
_PERMANENT = _WRONG_CALL | {"InvalidArgument", "MalformedDetail", "RedactionFailure"}
"""Error codes for an entry that is wrong itself. The other codes that are no use to retry
(NotAuthorizedForSourceException) are faults of a deployment, which concern every entry."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One outbox entry, ready for PutEvents."""

    record_id: str
    """The stream record's sequence number."""
    subject: str
    """The tenant and the record the event is about; events of one subject keep their order."""
    event_id: str
    time: str
    """When the event was committed, RFC 3339."""
    entry: dict[str, str]
    size: int


class Relay:
    """Sends outbox records to one bus."""

    def __init__(
        self,
        events: Any,
        bus: str,
        set_aside: SetAside,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._events, self._bus, self._pause = events, bus, pause
        self._set_aside = set_aside

    def forward(self, records: list[dict[str, Any]]) -> list[str]:
        """Send the events of stream records.

        Returns the ids of those that were neither accepted nor set aside, in order.
        """
        entries, rejects = self._entries(records)
        undelivered = self._deliver(entries, rejects)
        failed = {entry.record_id for entry in undelivered}
        by_id = {_record_id(record): record for record in records}
        for record_id, reason in rejects.items():
            if not self._set_aside(Reject(by_id[record_id], reason)):
                failed.add(record_id)
        return [one for one in by_id if one in failed]

    def _entries(self, records: list[dict[str, Any]]) -> tuple[list[OutboxEntry], dict[str, str]]:
        """The entries, and why the others cannot be read, by the id of their record."""
        entries: list[OutboxEntry] = []
        unreadable: dict[str, str] = {}
        for record in records:
            try:
                entries.append(self._entry(record))
            except Exception as fault:  # whatever is wrong with one item, the others are sent
                unreadable[_record_id(record)] = f"cannot be read: {describe(fault)}"
        return entries, unreadable

    def _entry(self, record: dict[str, Any]) -> OutboxEntry:
        detail = unpack(from_stream(record["dynamodb"]["NewImage"])["detail"])
        envelope = json.loads(detail)
        entry = {
            "EventBusName": self._bus,
            "Source": str(envelope["source"]),
            "DetailType": str(envelope["type"]),
            "Detail": detail,
        }
        size = sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
        subject = f"{envelope['tenantid']} {envelope['subject']}"
        return OutboxEntry(
            _record_id(record), subject, str(envelope["id"]), str(envelope["time"]), entry, size
        )

    def _deliver(self, waiting: list[OutboxEntry], rejects: dict[str, str]) -> list[OutboxEntry]:
        """Send entries, in order within each subject; returns those that were not accepted.

        Adds to `rejects` the entries that are wrong themselves, with the reason.
        """
        given_up: list[OutboxEntry] = []
        rejections = 0
        while waiting:
            batch = _next_batch(waiting)
            codes = self._send(batch)
            permanent = {id_: code for id_, code in codes.items() if code in _PERMANENT}
            rejects |= {id_: f"the bus rejects it: {code}" for id_, code in permanent.items()}
            rejected = [one for one in batch if one.record_id in codes.keys() - permanent.keys()]
            taken = {entry.record_id for entry in batch} - {one.record_id for one in rejected}
            waiting = [entry for entry in waiting if entry.record_id not in taken]
            if not rejected:
                rejections = 0
            elif (rejections := rejections + 1) < _TRIES:
                self._pause(random.uniform(0, 0.1 * 4**rejections))  # noqa: S311
            elif len(rejected) == len(batch) > 1:
                return given_up + waiting  # The bus accepts nothing now.
            else:
                stuck = {entry.subject for entry in rejected}
                given_up += [entry for entry in waiting if entry.subject in stuck]
                waiting = [entry for entry in waiting if entry.subject not in stuck]
                rejections = 0
        return given_up

    def _send(self, batch: list[OutboxEntry]) -> dict[str, str]:
        """Send a batch in one call; returns the codes of the entries that were rejected.

        A call that fails because of one entry is repeated with each entry alone.
        """
        try:
            answer = self._events.put_events(Entries=[entry.entry for entry in batch])
            codes = [result.get("ErrorCode") for result in answer["Entries"]]
        except (ClientError, BotoCoreError) as fault:
            code = _error_code(fault)
            if code in _WRONG_CALL and len(batch) > 1:
                return {id_: code for one in batch for id_, code in self._send([one]).items()}
            codes = [code] * len(batch)
        outcome = list(zip(batch, codes, strict=True))
        if sent := [entry for entry, code in outcome if not code]:
            now = utc_now()
            ages = [milliseconds_since(entry.time, now) for entry in sent]
            context = sent[0].entry["Source"].rpartition(".")[2]
            logger().info(
                "events sent",
                event_ids=[entry.event_id for entry in sent],
                **OUTBOX_AGE.fields(ages, context),
            )
        rejected = {entry.record_id: str(code) for entry, code in outcome if code}
        if rejected:
            reasons = sorted(set(rejected.values()))
            logger().warning(
                "bus rejected entries",
                count=len(rejected),
                reasons=reasons,
                **names_of(_names(one) for one in batch if one.record_id in rejected),
            )
        return rejected


def _names(entry: OutboxEntry) -> EventNames:
    return EventNames.in_envelope(json.loads(entry.entry["Detail"]))


def _error_code(fault: ClientError | BotoCoreError) -> str:
    if isinstance(fault, ClientError):
        return str(fault.response["Error"]["Code"])
    return type(fault).__name__


def _record_id(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _next_batch(waiting: list[OutboxEntry]) -> list[OutboxEntry]:
    """The next entries that fit into one call, at most one of each subject.

    Of two events of one subject in one call, the later one could be accepted and the earlier one
    rejected.
    """
    batch: list[OutboxEntry] = []
    subjects: set[str] = set()
    size = 0
    for entry in waiting:
        if entry.subject in subjects:
            continue
        if batch and (len(batch) == MAX_ENTRIES or size + entry.size > MAX_BYTES):
            break
        batch.append(entry)
        subjects.add(entry.subject)
        size += entry.size
    return batch


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda behind every table's stream (partial batch failures).

    In a region that does not write, every record fails: the region that writes publishes it. None
    is skipped, because that region may be lost before it does.
    """
    bus = read_settings(RelaySettings).bus_name
    try:
        failed = Relay(client("events"), bus, set_aside_in(client("sqs"))).forward(event["Records"])
    except ReadOnlyRegion as refused:
        names = names_of(map(EventNames.in_stream, event["Records"]))
        logger().warning("relay waits", reason=refused.detail, **names)
        time.sleep(_READ_ONLY_PAUSE_S)
        failed = [_record_id(record) for record in event["Records"]]
    return {"batchItemFailures": [{"itemIdentifier": record} for record in failed]}
