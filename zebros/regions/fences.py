"""The fence record as operators change it; functions read it (services/kernel/runtime/fence.py).

Every change is a conditional write of the whole record: of two operators, one wins.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from botocore.exceptions import ClientError

from zebros.contract import contract
from zebros.errors import CliError

_WORDS = contract().fence
OPEN, MOVING, RUN_PREFIX = _WORDS.open, _WORDS.moving, _WORDS.run_prefix
KEY = {"pk": {"S": _WORDS.key}, "sk": {"S": _WORDS.key}}
_SINCE = ("writer_since", "source_since")
_TEXTS = ("state", "writer", "source", "run", "began_at", "operator", "completed_to")
_LOST_RACE = frozenset({"ConditionalCheckFailedException", "ReplicatedWriteConflictException"})


@dataclass(frozen=True, slots=True)
class Fence:
    """The fence record."""

    epoch: int
    state: str
    """OPEN: `writer` writes. MOVING: nobody does, until `writer` does."""
    writer: str
    source: str = ""
    """The region that wrote before."""
    run: str = ""
    """The id of the last move."""
    began_at: str = ""
    operator: str = ""
    lost: bool = False
    """Whether the move did not wait for the source, and the source has not been rejoined since."""
    finished: bool = True
    """Whether the last move has no steps left."""
    writer_since: int = 0
    """The epoch since which `writer` writes without another region in between."""
    source_since: int = 0
    """The epoch since which `source` wrote so, until this one."""
    completed_to: str = ""
    """The place until which the last move has completed records (completing.py)."""

    @property
    def source_epochs(self) -> range:
        """The epochs in which `source` wrote, since another region did."""
        return range(self.source_since, self.epoch)

    def item(self) -> dict[str, Any]:
        """The record as an item of DynamoDB's API."""
        return {
            **KEY,
            **{name: {"N": str(getattr(self, name))} for name in ("epoch", *_SINCE)},
            **{name: {"S": getattr(self, name)} for name in _TEXTS},
            "lost": {"BOOL": self.lost},
            "finished": {"BOOL": self.finished},
        }

    @classmethod
    def parse(cls, item: dict[str, Any]) -> Self:
        """The record in an item. Raises CliError when it is none."""
        try:
            epoch = int(item["epoch"]["N"])
            state, writer = str(item["state"]["S"]), str(item["writer"]["S"])
        except (LookupError, TypeError, ValueError) as error:
            raise CliError(
                "The fence record is damaged, so no region writes.",
                hint="Its attributes are described in docs/adr/0048; correct it in the console.",
            ) from error
        return cls(
            epoch,
            state,
            writer,
            **{name: str(item.get(name, {}).get("S", "")) for name in _TEXTS[2:]},
            lost=bool(item.get("lost", {}).get("BOOL", False)),
            finished=bool(item.get("finished", {}).get("BOOL", True)),
            writer_since=int(item.get("writer_since", {}).get("N", 0)),
            source_since=int(item.get("source_since", {}).get("N", 0)),
        )


class Fences:
    """Reads and changes the fence record."""

    def __init__(
        self,
        dynamodb: Any,
        table: str,
        primary: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._dynamodb, self._table, self._now = dynamodb, table, clock
        self._first = Fence(0, OPEN, primary)

    def read(self) -> Fence:
        """The record; before the first move, that the primary writes."""
        answer = self._dynamodb.get_item(TableName=self._table, Key=KEY, ConsistentRead=True)
        return Fence.parse(answer["Item"]) if "Item" in answer else self._first

    def begin(self, seen: Fence, target: str, operator: str, *, lost: bool) -> Fence:
        """Nobody writes from now on. Raises CliError when the record is not as it was seen."""
        fence = Fence(
            epoch=seen.epoch + 1,
            state=MOVING,
            writer=target,
            source=seen.writer,
            run=f"{RUN_PREFIX}{secrets.token_hex(4)}",
            began_at=self._now().isoformat(timespec="seconds"),
            operator=operator,
            lost=lost,
            finished=False,
            writer_since=seen.epoch + 1,
            source_since=seen.writer_since,
        )
        return self._store(seen, fence)

    def open(self, fence: Fence) -> Fence:
        """The next region writes from now on. The caller has waited."""
        return self._store(fence, replace(fence, state=OPEN))

    def cancel(self, fence: Fence) -> Fence:
        """The region that wrote before writes again: the next one has not written yet."""
        again = replace(
            fence,
            epoch=fence.epoch + 1,
            state=OPEN,
            writer=fence.source,
            source=fence.writer,
            lost=False,
            finished=True,
            completed_to="",
            writer_since=fence.source_since,
            source_since=fence.epoch,
        )
        return self._store(fence, again)

    def set_lost(self, fence: Fence) -> Fence:
        """The move waits for its source no longer."""
        return self._store(fence, replace(fence, lost=True))

    def set_finished(self, fence: Fence) -> Fence:
        """The last move has no steps left."""
        return self._store(fence, replace(fence, finished=True, completed_to=""))

    def set_completed(self, fence: Fence, place: str) -> Fence:
        """The last move has completed the records until a place."""
        return self._store(fence, replace(fence, completed_to=place))

    def set_rejoined(self, fence: Fence) -> Fence:
        """The region that was lost is there again."""
        return self._store(fence, replace(fence, lost=False))

    def _store(self, seen: Fence, fence: Fence) -> Fence:
        """Replace the record, if it is as it was seen; also a second time, after a lost answer."""
        try:
            self._dynamodb.put_item(TableName=self._table, Item=fence.item(), **_condition(seen))
        except ClientError as error:
            if error.response["Error"]["Code"] not in _LOST_RACE:
                raise
            if (now := self.read()) == fence:
                return fence
            raise CliError(
                f"Somebody else has changed which region writes: epoch {now.epoch}, {now.state}, "
                f"writer {now.writer}{f', by {now.operator}' if now.operator else ''}.",
                hint="`zebros region status` shows it.",
            ) from error
        return fence


def _condition(seen: Fence) -> dict[str, Any]:
    """That the stored record is the one that was seen."""
    if seen.epoch == 0:
        return {"ConditionExpression": "attribute_not_exists(pk)"}
    return {
        "ConditionExpression": (
            "epoch = :e AND #s = :s AND run = :r AND lost = :l AND finished = :f"
        ),
        "ExpressionAttributeNames": {"#s": "state"},
        "ExpressionAttributeValues": {
            ":e": {"N": str(seen.epoch)},
            ":s": {"S": seen.state},
            ":r": {"S": seen.run},
            ":l": {"BOOL": seen.lost},
            ":f": {"BOOL": seen.finished},
        },
    }
