"""Replication between the tables of two regions, as global tables with eventual consistency do it.

Each item is sent by itself, after a delay of its own, so items arrive in any order and those of one
transaction apart from each other. Of two writes to an item the later one wins, by the clock of the
region that stored it; the other one disappears without an error. Nothing is sent while the regions
are cut off from each other, and everything afterwards
(https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables_HowItWorks.html).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kernel.runtime import aws

type Key = tuple[str, str]
type Stamp = tuple[float, str]
"""When an item was written, and where: the order of writes."""
_NEVER: Stamp = (float("-inf"), "")


class Replica:
    """One region's table: a client without a fence, and what its stream has that was not read."""

    def __init__(self, region: str, table: str, clock: Callable[[], float]) -> None:
        session = aws.session()
        self.region, self.table, self._clock = region, table, clock
        self.client = session.create_client("dynamodb", region_name=region, config=aws._TABLES)
        self.streams = session.create_client("dynamodbstreams", region_name=region)
        self.stamps: dict[Key, Stamp] = {}
        """The order of each item's last write."""
        self._written = 0
        self._arn = self._shard = self._last = ""

    def new_records(self) -> list[dict[str, Any]]:
        """What the stream has since the last call."""
        if not self._arn:
            described = self.client.describe_table(TableName=self.table)["Table"]
            self._arn = described["LatestStreamArn"]
            (shard,) = self.streams.describe_stream(StreamArn=self._arn)["StreamDescription"][
                "Shards"
            ]
            self._shard = shard["ShardId"]
        start: dict[str, str] = {"ShardIteratorType": "TRIM_HORIZON"}
        if self._last:
            start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self._last}
        # Not an iterator of the last call: after a transaction that failed, moto has other shards.
        iterator = self.streams.get_shard_iterator(
            StreamArn=self._arn, ShardId=self._shard, **start
        )["ShardIterator"]
        records = self.streams.get_records(ShardIterator=iterator)["Records"]
        if records:
            self._last = records[-1]["dynamodb"]["SequenceNumber"]
        return list(records)

    def own_writes(self) -> list["Sent"]:
        """The writes of this region since the last call; each gets its place in the order."""
        sent = []
        for record in self.new_records():
            keys = record["dynamodb"]["Keys"]
            key = (keys["pk"]["S"], keys["sk"]["S"])
            # Two writes of one moment keep their order.
            self._written += 1
            stamp = (self._clock() + self._written * 1e-9, self.region)
            self.stamps[key] = stamp
            sent.append(Sent(key, record["dynamodb"].get("NewImage"), stamp))
        return sent

    def store(self, one: "Sent") -> bool:
        """Store a write of the other region, unless this region has a later one."""
        if self.stamps.get(one.key, _NEVER) >= one.stamp:
            return False
        pk, sk = one.key
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        if one.item is None:
            self.client.delete_item(TableName=self.table, Key=key)
        else:
            self.client.put_item(TableName=self.table, Item=one.item)
        self.stamps[one.key] = one.stamp
        return True

    def all_items(self) -> dict[Key, dict[str, Any]]:
        """Everything in the table."""
        pages = self.client.get_paginator("scan").paginate(TableName=self.table)
        items = [item for page in pages for item in page["Items"]]
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in items}


@dataclass(frozen=True, slots=True)
class Sent:
    """A write of one item on its way to the other region."""

    key: Key
    item: dict[str, Any] | None
    stamp: Stamp


class Replicator:
    """Sends the writes of two replicas to each other."""

    def __init__(self, first: Replica, second: Replica, rng: random.Random) -> None:
        self._rng = rng
        self.ways = {(first, second): list[Sent](), (second, first): list[Sent]()}
        self.is_cut = False
        self.dropped = 0
        """Writes that lost against a later one."""

    def take(self) -> None:
        """Take what both regions have written up to now."""
        for (source, _), under_way in self.ways.items():
            under_way += source.own_writes()

    def deliver(self, share: float = 1.0) -> None:
        """Deliver about this share of what is under way, in any order; 1: everything."""
        self.take()
        if self.is_cut:
            return
        for (_, target), under_way in self.ways.items():
            self._rng.shuffle(under_way)
            chosen = [one for one in under_way if self._rng.random() < share]
            under_way[:] = [one for one in under_way if one not in chosen]
            for one in chosen:
                self.dropped += not target.store(one)
            if chosen:
                target.new_records()  # a replicated write is not sent back

    @property
    def under_way(self) -> int:
        """The number of writes that have not arrived."""
        return sum(map(len, self.ways.values()))
