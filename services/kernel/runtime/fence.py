"""The fence: of two regions, only the one that the fence record names may write (docs/adr/0048).

The record is one item of a table with strong consistency across regions (MRSC). A process reads it
at most every REFRESH_S seconds, and writes only while the last read that named its own region was
begun at most VALID_S seconds ago. A move of writes waits for WAIT_S seconds between the old region
and the new one: by then no process of the old region may write any more.

Only functions with FENCE_TABLE_NAME load this module (kernel/runtime/aws.py).
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Self

from kernel.domain.errors import ReadOnlyRegion
from kernel.runtime.faults import describe
from kernel.runtime.log import logger
from kernel.runtime.metrics import FENCE_UNREAD

REFRESH_S = 5.0
"""The age at which a permit is renewed by the next write."""
VALID_S = 15.0
"""The age after which a permit is worth nothing."""
RETRY_S = 1.0
"""The shortest time between two reads of the record."""
IN_FLIGHT_S = 30.0
"""After this time a request that was begun has been carried out, or never is."""
WAIT_S = (VALID_S + IN_FLIGHT_S) * 10 / 9
"""How long nobody writes before the new region does; a clock may be slower by a tenth."""

KEY_TEXT = "FENCE"
KEY = {"pk": {"S": KEY_TEXT}, "sk": {"S": KEY_TEXT}}
OPEN, MOVING = "open", "moving"
_READS = frozenset(
    {"GetItem", "BatchGetItem", "Query", "Scan", "TransactGetItems", "DescribeTable", "ListTables"}
)
"""What DynamoDB is asked without a permit. Whatever else there is, or will be, needs one."""
_PUBLISHES = frozenset({"PutEvents"})


class FenceRecord(NamedTuple):
    """Which region writes."""

    epoch: int
    """Incremented by every move."""
    state: str
    """OPEN, or MOVING while nobody writes."""
    writer: str
    """The region that writes; while writes move, the one that will."""

    @classmethod
    def parse(cls, item: dict[str, dict[str, str]]) -> Self:
        """The record in an item. Raises LookupError or ValueError when it is none."""
        return cls(int(item["epoch"]["N"]), item["state"]["S"], item["writer"]["S"])


class _Moment(NamedTuple):
    """One moment by two clocks."""

    monotonic: float
    time: float

    def age(self, now: "_Moment") -> float:
        """The seconds since then, by the clock that says more.

        The monotonic clock may stop with a suspended machine. The time of day may be set; when it
        is set back, nobody knows how long ago this moment was.
        """
        return max(now.monotonic - self.monotonic, abs(now.time - self.time))


class Fence:
    """Decides whether a process of one region may write now."""

    def __init__(
        self,
        region: str,
        read: Callable[[], FenceRecord | None],
        *,
        is_primary: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        # Until the first move there is no record, and the region that was deployed as primary
        # writes.
        self._first = FenceRecord(0, OPEN, region if is_primary else "")
        self._region, self._read = region, read
        self._monotonic, self._wall = monotonic, wall
        self._permit: _Moment | None = None
        self._tried: _Moment | None = None
        self._epoch = 0
        self._refusal = _UNKNOWN

    def check(self) -> None:
        """Return if this process may write now. Raises ReadOnlyRegion."""
        if self._age() > REFRESH_S and self._may_try():
            self._renew()
        if self._age() > VALID_S:
            raise ReadOnlyRegion(self._refusal)

    def epoch(self) -> int:
        """The epoch in which this process writes now. Raises ReadOnlyRegion."""
        self.check()
        return self._epoch

    def _now(self) -> _Moment:
        return _Moment(self._monotonic(), self._wall())

    def _age(self) -> float:
        return self._permit.age(self._now()) if self._permit else float("inf")

    def _may_try(self) -> bool:
        return self._tried is None or self._tried.age(self._now()) >= RETRY_S

    def _renew(self) -> None:
        # Before the read: the record may change while its answer is under way.
        self._tried = began = self._now()
        try:
            record = self._read() or self._first
        except Exception as fault:
            # The permit of the last read is good until it is too old.
            logger().warning("fence not read", fault=describe(fault), **FENCE_UNREAD.fields(1))
            self._refusal = _UNKNOWN
            return
        self._refusal = self._refused(record)
        self._permit = None if self._refusal else began

    def _refused(self, record: FenceRecord) -> str:
        """Why a record does not let this region write; empty when it does."""
        if record.epoch < self._epoch:
            # The record of a table that was restored or exchanged says what was right once.
            found = {"epoch": record.epoch, "seen": self._epoch, **FENCE_UNREAD.fields(1)}
            logger().error("fence record from the past", **found)
            return _UNKNOWN
        self._epoch = record.epoch
        if record.state != OPEN:
            return "Writes are moving to another region; send the request again in a minute."
        if record.writer != self._region:
            return "This region is read-only: another region writes. Send the request again."
        return ""


_UNKNOWN = "Which region writes cannot be read at the moment; send the request again."


def read_record(dynamodb: Any, table: str) -> FenceRecord | None:
    """The fence record, as all regions agree on it; None before the first move."""
    answer = dynamodb.get_item(TableName=table, Key=KEY, ConsistentRead=True)
    return FenceRecord.parse(answer["Item"]) if "Item" in answer else None


def guard(client: Any, service: str, fence: Fence) -> None:
    """Ask the fence before each attempt of each request of a client that may change something.

    botocore emits this event for every attempt, before it signs and sends it.
    """

    def ask(operation_name: str, **_: Any) -> None:
        if service == "dynamodb" and operation_name in _READS:
            return
        if service == "events" and operation_name not in _PUBLISHES:
            return
        fence.check()

    client.meta.events.register_first(f"request-created.{service}", ask)
