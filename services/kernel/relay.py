"""The Relay: outbox items from a table's stream to the event bus, in order, at least once.

A record leaves the stream only when EventBridge took its fact. Entries that EventBridge refused are
sent again alone, with growing pauses; what is still refused then is reported back, so the stream
mapping retries from the first such record (and, in the end, puts it into the dead-letter queue
without holding up the rest for good). Duplicates are possible, lost facts are not.
"""

import json
import os
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from kernel.aws import client
from kernel.dynamo import from_stream
from kernel.envelope import unpack
from kernel.log import logger

MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
"""PutEvents limits: ten entries, 256 KB together."""
_TRIES = 4


@dataclass(frozen=True, slots=True)
class Letter:
    """One outbox item on its way."""

    record_id: str
    """The stream record's sequence number."""
    entry: dict[str, str]
    size: int


class Relay:
    """Sends outbox records to one bus."""

    def __init__(self, events: Any, bus: str, pause: Callable[[float], None] = time.sleep) -> None:
        self._events, self._bus, self._pause = events, bus, pause

    def forward(self, records: list[dict[str, Any]]) -> list[str]:
        """Send the facts of stream records; returns the ids of those not taken, in order."""
        letters, unreadable = self._letters(records)
        failed = set(unreadable)
        for batch in _batches(letters):
            failed |= {letter.record_id for letter in self._send(batch)}
        return [r for r in map(_record_id, records) if r in failed]

    def _letters(self, records: list[dict[str, Any]]) -> tuple[list[Letter], list[str]]:
        letters: list[Letter] = []
        unreadable: list[str] = []
        for record in records:
            try:
                letters.append(self._letter(record))
            except (KeyError, ValueError, TypeError) as fault:
                logger().error(
                    "outbox item cannot be read", record=_record_id(record), fault=repr(fault)
                )
                unreadable.append(_record_id(record))
        return letters, unreadable

    def _letter(self, record: dict[str, Any]) -> Letter:
        detail = unpack(from_stream(record["dynamodb"]["NewImage"])["detail"])
        envelope = json.loads(detail)
        entry = {
            "EventBusName": self._bus,
            "Source": str(envelope["source"]),
            "DetailType": str(envelope["type"]),
            "Detail": detail,
        }
        size = sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
        return Letter(_record_id(record), entry, size)

    def _send(self, batch: list[Letter]) -> list[Letter]:
        """Send a batch, then the refused entries alone; returns those still refused."""
        waiting = batch
        for attempt in range(_TRIES):
            if attempt:
                self._pause(random.uniform(0, 0.1 * 4**attempt))  # noqa: S311
            answer = self._events.put_events(Entries=[letter.entry for letter in waiting])
            refused = [
                (letter, result)
                for letter, result in zip(waiting, answer["Entries"], strict=True)
                if result.get("ErrorCode")
            ]
            if not refused:
                return []
            waiting = [letter for letter, _ in refused]
            logger().warning(
                "bus refused entries", count=len(waiting), code=refused[0][1]["ErrorCode"]
            )
        return waiting


def _record_id(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _batches(letters: Iterable[Letter]) -> Iterable[list[Letter]]:
    batch: list[Letter] = []
    size = 0
    for letter in letters:
        if batch and (len(batch) == MAX_ENTRIES or size + letter.size > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += letter.size
    if batch:
        yield batch


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """The Lambda behind every table's stream (partial batch failures)."""
    failed = Relay(client("events"), os.environ["BUS_NAME"]).forward(event["Records"])
    return {"batchItemFailures": [{"itemIdentifier": record} for record in failed]}
