"""One of the two regions: its tables, their streams, its relays and its maintenance functions."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any, Protocol

from zebros.operations.outbox import event_of

type Item = dict[str, Any]
"""An item in the format of DynamoDB's API."""
type Key = tuple[str, str, str]
"""Table, partition key and sort key."""

_EMPTY_PAGES = 20
"""Consecutive empty pages after which a shard is taken for read: an empty page is not the end."""
_PAUSE_S = 0.2
_SKEW = timedelta(seconds=5)
"""By how much this machine's clock may be behind that of a stream."""
_READ_LIMIT = 100
"""Keys in one BatchGetItem (DynamoDB's limit)."""


@dataclass(frozen=True, slots=True)
class StreamChange:
    """A record of a table's stream."""

    key: Key
    old: Item | None
    new: Item | None


class Relays(Protocol):
    """The relays of a region."""

    def switch(self, *, enabled: bool) -> None:
        """Start or stop all of them, and wait until they are."""

    def running(self) -> int:
        """The number of those that run."""


type Complete = Callable[[str, dict[str, int], str], dict[str, Any]]
"""Sends the command `complete` to the context of a table: table, `since`, run; returns its
result (services/kernel/storage/replicated.py)."""
type Refuse = Callable[[str, dict[str, Any]], None]
"""Sends the command `refuse_move` to the context that publishes it: run, move
(services/scaling/handlers/maintenance.py)."""


class Region:
    """A region, by its own clients."""

    def __init__(
        self,
        name: str,
        dynamodb: Any,
        streams: Any,
        tables: Iterable[str],
        relays: Relays,
        complete: Complete,
        refuse: Refuse,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name, self.relays, self.complete, self.refuse = name, relays, complete, refuse
        self._dynamodb, self._streams, self._pause = dynamodb, streams, pause
        self.tables = tuple(tables)
        """Names of the tables that are replicated; they are the same in both regions."""

    def changes(self, since: datetime) -> Iterator[StreamChange]:
        """What the streams of all tables have since then, in order for each item.

        A stream keeps its records for a day. The tables are read at the same time: the end of an
        open shard shows only after some seconds, and nobody writes meanwhile.
        """
        with ThreadPoolExecutor(max(1, len(self.tables))) as several:
            for found in several.map(lambda table: self._changes_of(table, since), self.tables):
                yield from found

    def _changes_of(self, table: str, since: datetime) -> list[StreamChange]:
        arn = self._dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        found = []
        # A region that writes adds records all the time: its open shards never end.
        until = datetime.now(UTC) + _SKEW
        for shard in self._shards(arn):
            for record in self._records(arn, shard):
                change = record["dynamodb"]
                if change["ApproximateCreationDateTime"] > until:
                    break
                if change["ApproximateCreationDateTime"] >= since:
                    keys = change["Keys"]
                    key = (table, keys["pk"]["S"], keys["sk"]["S"])
                    found.append(StreamChange(key, change.get("OldImage"), change.get("NewImage")))
        return found

    def items(self, keys: Iterable[Key]) -> dict[Key, Item | None]:
        """Items by their keys, as they are in this region now."""
        found: dict[Key, Item | None] = dict.fromkeys(keys)
        for some in batched(list(found), _READ_LIMIT, strict=False):
            asked: dict[str, Any] = {}
            for table, pk, sk in some:
                read = asked.setdefault(table, {"Keys": [], "ConsistentRead": True})
                read["Keys"].append({"pk": {"S": pk}, "sk": {"S": sk}})
            while asked:
                answer = self._dynamodb.batch_get_item(RequestItems=asked)
                for table, items in answer["Responses"].items():
                    found |= {(table, one["pk"]["S"], one["sk"]["S"]): one for one in items}
                if asked := answer.get("UnprocessedKeys", {}):
                    self._pause(_PAUSE_S)
        return found

    def outbox(self, table: str, pk: str) -> list[Item]:
        """The outbox entries of a record, in sequence."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=table,
            KeyConditionExpression="pk = :p AND begins_with(sk, :s)",
            ExpressionAttributeValues={":p": {"S": pk}, ":s": {"S": "EVENT#"}},
            ConsistentRead=True,
        )
        return [item for page in pages for item in page["Items"]]

    def _shards(self, arn: str) -> Iterator[dict[str, Any]]:
        """The shards of a stream, parents first: they have the earlier records."""
        found: dict[str, dict[str, Any]] = {}
        start: dict[str, str] = {}
        while True:
            described = self._streams.describe_stream(StreamArn=arn, **start)["StreamDescription"]
            found |= {one["ShardId"]: one for one in described["Shards"]}
            last = described.get("LastEvaluatedShardId")
            if not last:
                break
            start = {"ExclusiveStartShardId": last}
        depth: dict[str, int] = {}
        for shard_id in found:
            chain = [shard_id]
            while (parent := found[chain[-1]].get("ParentShardId")) in found:
                chain.append(str(parent))
            depth[shard_id] = len(chain)
        yield from sorted(found.values(), key=lambda one: depth[one["ShardId"]])

    def _records(self, arn: str, shard: dict[str, Any]) -> Iterator[dict[str, Any]]:
        iterator = self._streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        ).get("ShardIterator")
        empty = 0
        while iterator and empty < _EMPTY_PAGES:
            page = self._streams.get_records(ShardIterator=iterator)
            yield from page["Records"]
            iterator = page.get("NextShardIterator")
            empty = 0 if page["Records"] else empty + 1
            if empty:
                self._pause(_PAUSE_S)


def is_entry(key: Key) -> bool:
    """Whether a key is that of an outbox entry."""
    return key[2].startswith("EVENT#")


__all__ = ["Complete", "Refuse", "Region", "Relays", "StreamChange", "event_of", "is_entry"]
