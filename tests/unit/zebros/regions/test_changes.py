"""The streams of a region's tables: read at the same time, because each ends only after seconds."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from zebros.regions.region import Region

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Service:
    """DynamoDB and its streams: a page of one stream comes only when the other one is read, too."""

    def __init__(self, tables: int) -> None:
        self._together = threading.Barrier(tables, timeout=5)

    def describe_table(self, TableName: str) -> dict[str, Any]:  # noqa: N803
        return {"Table": {"LatestStreamArn": TableName}}

    def describe_stream(self, StreamArn: str) -> dict[str, Any]:  # noqa: N803
        return {"StreamDescription": {"Shards": [{"ShardId": StreamArn}]}}

    def get_shard_iterator(self, StreamArn: str, **_: str) -> dict[str, Any]:  # noqa: N803
        return {"ShardIterator": StreamArn}

    def get_records(self, ShardIterator: str) -> dict[str, Any]:  # noqa: N803
        self._together.wait()
        keys = {"pk": {"S": ShardIterator}, "sk": {"S": "STATE"}}
        record = {"dynamodb": {"ApproximateCreationDateTime": self.created(), "Keys": keys}}
        return {"Records": [record]}

    def created(self) -> datetime:
        """When the next record was written."""
        return AT


def test_the_tables_of_a_region_are_read_at_the_same_time() -> None:
    names = ["customers", "opportunities", "activities"]
    service, unused = Service(len(names)), Any
    region = Region("us-east-1", service, service, names, unused, unused, unused)  # type: ignore[arg-type]
    found = [change.key for change in region.changes(AT)]
    assert found == [(name, name, "STATE") for name in names], "in the order of the tables"


class Busy(Service):
    """A stream to which a record of every second is added, for as long as it is read."""

    def __init__(self) -> None:
        super().__init__(1)
        self.now = datetime.now(UTC) - timedelta(seconds=2)

    def get_records(self, ShardIterator: str) -> dict[str, Any]:  # noqa: N803
        self.now += timedelta(seconds=1)
        assert self.now < datetime.now(UTC) + timedelta(seconds=20), "it is read for ever"
        return {**super().get_records(ShardIterator), "NextShardIterator": ShardIterator}

    def created(self) -> datetime:
        return self.now


def test_the_stream_of_a_region_that_writes_has_an_end() -> None:
    service, unused = Busy(), Any
    region = Region("us-east-1", service, service, ["deals"], unused, unused, unused)  # type: ignore[arg-type]
    assert len(list(region.changes(AT))) >= 2, "what there was when the reading began"
