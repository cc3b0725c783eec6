"""Scaling actions in DynamoDB: keys and mapping, nothing else.

Keys, each prefixed with the tenant:
  gsi1  ACTIONS                   <since created>#<id>    all actions, newest first
  HISTORY (table itself)          <id>                    what a decision reads; TTL
"""

from datetime import datetime, timedelta
from itertools import batched

from kernel.domain.clock import Clock, rfc3339
from kernel.storage.differences import readable
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import READ_LIMIT, Action, Item, Put, Table
from scaling.model.actions import ScalingAction
from scaling.model.readings import ActionState

HISTORY_AGE = timedelta(days=30)
"""Longer than any pause of the policy (ScalingTimes in strategy.yaml)."""
_MOST = 500
"""Actions that a decision reads at most; a month of changes in a row has fewer."""


def _index(action: ScalingAction) -> Item:
    return {
        "gsi1pk": f"TENANT#{action.tenant_id}#ACTIONS",
        "gsi1sk": f"{rfc3339(action.created_at)}#{action.id}",
    }


class ActionRepository(RecordStore[ScalingAction]):
    """The scaling actions in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, ScalingAction, "scaling_action", _index, clock)

    def history(self, tenant_id: str) -> list[ScalingAction]:
        """The changes that a decision depends on, as they are now.

        Read without an index, because an index shows a change some time after it was written.
        """
        ids: list[str] = []
        after: Item | None = None
        while len(ids) < _MOST:
            page = self.table.query(
                _history(tenant_id), limit=READ_LIMIT, after=after, newest_first=True,
                consistent=True,
            )  # fmt: skip
            ids += [str(item["sk"]) for item in page.items]
            if (after := page.last_key) is None:
                break
        items: list[Item] = []
        for some in batched(ids, READ_LIMIT, strict=False):
            keys = [(self.key(tenant_id, one), "STATE") for one in some]
            items += self.table.get_many(keys, consistent=True)
        found = readable(self.from_item, items)
        return [one for one in found if one.setting is not None]

    def with_change(self, before: ScalingAction | None, after: ScalingAction) -> list[Action]:
        """The action's place in the history; a refusal has none, because it changes nothing."""
        if before is None and after.status is ActionState.REFUSED:
            return []
        return [Put(_place(after, after.since))]

    def list(self, tenant_id: str, limit: int, cursor: str | None) -> Page[ScalingAction]:
        """All actions, newest first."""
        return self.page(
            tenant_id, "ACTIONS", index="gsi1", limit=limit, cursor=cursor, newest_first=True
        )


def _place(action: ScalingAction, since: datetime) -> Item:
    return {
        "pk": _history(action.tenant_id),
        "sk": action.id,
        "ttl": int((since + HISTORY_AGE).timestamp()),
    }


def _history(tenant_id: str) -> str:
    return f"TENANT#{tenant_id}#HISTORY"
