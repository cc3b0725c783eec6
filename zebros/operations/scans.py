"""Lists keys of a table with a paced Scan, which only operators' commands do."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from zebros.client.connection import Deployment

type Key = dict[str, Any]
_PAGE = 1000
"""Items that one Scan reads at most."""
UNITS_PER_SECOND = 100.0
"""The read units a second that listing may take, which a table of phase mvp does not feel."""


def partition_keys(
    deployment: Deployment,
    table: str,
    sort_key: str,
    beginning: str = "",
    *,
    after: Key | None = None,
    units_per_second: float = UNITS_PER_SECOND,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[list[str], Key | None]]:
    """The partition keys of the items with a sort key, by pages.

    `table` is a logical id. Yields with each page the key after which to continue; None at the end.
    """
    values = {":sk": {"S": sort_key}}
    condition = "sk = :sk"
    if beginning:
        values[":beginning"] = {"S": beginning}
        condition += " AND begins_with(pk, :beginning)"
    arguments: dict[str, Any] = {
        "TableName": deployment.resources.table(table),
        "FilterExpression": condition,
        "ExpressionAttributeValues": values,
        "ProjectionExpression": "pk",
        "Limit": _PAGE,
        "ReturnConsumedCapacity": "TOTAL",
    }
    client = deployment.aws("dynamodb")
    while True:
        page = client.scan(**arguments, **({"ExclusiveStartKey": after} if after else {}))
        after = page.get("LastEvaluatedKey")
        yield [item["pk"]["S"] for item in page["Items"]], after
        if after is None:
            return
        pause(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0) / units_per_second)
