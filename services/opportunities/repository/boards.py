"""Boards in DynamoDB: count and sum of the opportunities in each stage, by currency.

BOARD#<pipeline>   STAGE#<stage>#<currency>    (prefixed with the tenant)
"""

from dataclasses import dataclass

from kernel.storage.differences import log_unreadable, readable
from kernel.storage.table import Add, Item, Table


@dataclass(frozen=True, slots=True)
class BoardColumn:
    """One stage of a board in one currency (empty: opportunities without an amount)."""

    stage: str
    currency: str
    count: int
    minor_units: int


class BoardRepository:
    """The boards in the context's table."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def columns(self, tenant_id: str, pipeline_id: str) -> list[BoardColumn]:
        """Count and sum per stage and currency, in one Query of stored totals."""
        columns, after = [], None
        while True:
            page = self._table.query(
                _board(tenant_id, pipeline_id), prefix="STAGE#", limit=1000, after=after
            )
            columns += readable(_column, page.items)
            if (after := page.last_key) is None:
                return columns


def count_change(
    tenant_id: str, pipeline_id: str, stage: str, currency: str, count: int, minor_units: int
) -> Add:
    """The action that changes the count and the sum of one column."""
    return Add(
        _board(tenant_id, pipeline_id),
        f"STAGE#{stage}#{currency}",
        {"opportunities": count, "minor_units": minor_units},
    )


def _board(tenant_id: str, pipeline_id: str) -> str:
    return f"TENANT#{tenant_id}#BOARD#{pipeline_id}"


def _column(item: Item) -> BoardColumn:
    """A column. Raises UnreadableRecord for an item that is none."""
    try:
        _, stage, currency = str(item["sk"]).split("#")
        count, minor_units = int(item.get("opportunities", 0)), int(item.get("minor_units", 0))
    except (TypeError, ValueError) as error:
        raise log_unreadable(str(item["pk"]), error) from error
    return BoardColumn(stage, currency, count, minor_units)
