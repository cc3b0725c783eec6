"""Meters in DynamoDB: counters that only grow by events, so that their order does not matter.

TENANT#<t>#USAGE             TOTAL        levels: users, customers, opportunities, bytes
TENANT#<t>#USAGE             DAY#<day>    what the day added to them, its requests and report_ms
TENANT#<t>#ACTIVE#<monday>   <user>       d<weekday>h<hour>: changes in an hour

Users have an item a week because its size stays below 1 KB, the unit of a write, and because three
months of users are read in 14 Queries. Days and weeks are kept as long as the tenant.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import batched

from kernel.storage.table import READ_LIMIT, Action, Add, Item, Table
from scaling.model.usage import Activity, Use

_TOTAL, _DAY = "TOTAL", "DAY#"
_PAGE = 1000


def counter_changes(tenant_id: str, use: Use) -> list[Action]:
    """What an event adds to the counters; counters of the same key are merged in a transaction."""
    pk, day = usage_key(tenant_id), use.day
    changes: list[Action] = [
        Add(pk, _TOTAL, dict(use.levels)),
        Add(pk, f"{_DAY}{day.isoformat()}", {**use.levels, **use.flows}),
    ]
    if use.actor:
        hour = f"d{day.weekday()}h{use.hour:02}"
        changes.append(Add(_week(tenant_id, _monday(day)), use.actor, {hour: 1}))
    return changes


def usage_key(tenant_id: str) -> str:
    """The partition key of a tenant's counters."""
    return f"TENANT#{tenant_id}#USAGE"


class UsageRepository:
    """The counters in the context's table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def totals(self, tenant_ids: Iterable[str]) -> dict[str, Mapping[str, int]]:
        """The levels of tenants; a tenant without events is absent."""
        found: dict[str, Mapping[str, int]] = {}
        for some in batched(tenant_ids, READ_LIMIT, strict=False):
            by_key = {usage_key(one): one for one in some}
            items = self._table.get_many([(pk, _TOTAL) for pk in by_key], consistent=True)
            found |= {by_key[str(item["pk"])]: _amounts(item) for item in items}
        return found

    def days(
        self, tenant_id: str, first: date
    ) -> tuple[Mapping[str, int], list[tuple[date, Mapping[str, int]]]]:
        """The levels, and what each day from the first one on has added, oldest first."""
        key, sort = usage_key(tenant_id), f"{_DAY}{first.isoformat()}"
        total: Mapping[str, int] = {}
        days: list[tuple[date, Mapping[str, int]]] = []
        for item in self._items(key, sort, _TOTAL):
            if item["sk"] == _TOTAL:
                total = _amounts(item)
            else:
                day = date.fromisoformat(str(item["sk"]).removeprefix(_DAY))
                days.append((day, _amounts(item)))
        return total, days

    def activity(self, tenant_id: str, first: date, last: date) -> Iterator[Activity]:
        """Who changed something when, in the weeks of these days."""
        monday = _monday(first)
        while monday <= last:
            for item in self._items(_week(tenant_id, monday), " ", "~"):
                for name in _amounts(item):
                    day = monday + timedelta(days=int(name[1]))
                    yield Activity(day, int(name[3:]), str(item["sk"]))
            monday += timedelta(days=7)

    def _items(self, pk: str, first: str, last: str) -> Iterator[Item]:
        after: Item | None = None
        while True:
            page = self._table.query(pk, between=(first, last), limit=_PAGE, after=after)
            yield from page.items
            if (after := page.last_key) is None:
                return


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _week(tenant_id: str, monday: date) -> str:
    return f"TENANT#{tenant_id}#ACTIVE#{monday.isoformat()}"


def _amounts(item: Item) -> dict[str, int]:
    return {name: int(value) for name, value in item.items() if name not in ("pk", "sk")}
