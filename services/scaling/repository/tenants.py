"""Usage tiers of tenants in DynamoDB: keys and mapping, nothing else.

Keys, each prefixed with the tenant that operates the system:
  gsi1  METERED   <tenant>   all metered tenants, by name
"""

from collections.abc import Iterable
from itertools import batched

from kernel.domain.clock import Clock
from kernel.storage.differences import readable
from kernel.storage.records import Page, RecordStore
from kernel.storage.table import READ_LIMIT, Item, Table
from scaling.model.tenants import TenantUsage

_METERED = "METERED"


def _index(usage: TenantUsage) -> Item:
    return {"gsi1pk": f"TENANT#{usage.tenant_id}#{_METERED}", "gsi1sk": usage.id}


class TenantUsageRepository(RecordStore[TenantUsage]):
    """The tiers in the context's table."""

    def __init__(self, table: Table, clock: Clock) -> None:
        super().__init__(table, TenantUsage, "tenant_usage", _index, clock)

    def find_all(self, operator: str, tenant_ids: Iterable[str]) -> dict[str, TenantUsage]:
        """The records of tenants, for decisions.

        A tenant that is not metered is absent, and one whose record cannot be read.
        """
        found: dict[str, TenantUsage] = {}
        for some in batched(tenant_ids, READ_LIMIT, strict=False):
            keys = [(self.key(operator, one), "STATE") for one in some]
            items = self.table.get_many(keys, consistent=True)
            found |= {one.id: one for one in readable(self.for_decisions, items)}
        return found

    def metered_ids(self, operator: str) -> list[str]:
        """The ids of all metered tenants, sorted."""
        ids: list[str] = []
        after: Item | None = None
        while True:
            page = self.table.query(
                f"TENANT#{operator}#{_METERED}", index="gsi1", limit=1000, after=after
            )
            ids += [str(item["gsi1sk"]) for item in page.items]
            if (after := page.last_key) is None:
                return ids

    def list(self, operator: str, limit: int, cursor: str | None) -> Page[TenantUsage]:
        """The metered tenants, by name."""
        return self.page(operator, _METERED, index="gsi1", limit=limit, cursor=cursor)
