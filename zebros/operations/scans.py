"""Reads a table with a paced Scan, which only operators' commands do."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from zebros.client.connection import Deployment

type Item = dict[str, Any]
"""An item, or its key, as DynamoDB's API has it."""
_PAGE = 500
"""Items that one Scan reads at most."""
UNITS_PER_SECOND = 100.0
"""The read units a second that reading may take, which a table of phase mvp does not feel."""


def pages(
    deployment: Deployment,
    name: str,
    *,
    sort_keys: tuple[str, ...],
    attributes: str,
    beginning: str = "",
    after: Item | None = None,
    units_per_second: float = UNITS_PER_SECOND,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[list[Item], Item | None]]:
    """The items of a table with these sort keys, by pages, each with the key to continue after.

    `beginning` is that of their partition keys, `attributes` are those that are returned. Pauses
    between two pages, so that reading takes no more than `units_per_second` of the read units. The
    key of the last page is None.
    """
    values = {f":s{n}": {"S": one} for n, one in enumerate(sort_keys)}
    condition = f"sk IN ({', '.join(values)})"
    if beginning:
        values[":beginning"] = {"S": beginning}
        condition += " AND begins_with(pk, :beginning)"
    arguments: dict[str, Any] = {
        "TableName": name,
        "FilterExpression": condition,
        "ExpressionAttributeValues": values,
        "ProjectionExpression": attributes,
        "Limit": _PAGE,
        "ReturnConsumedCapacity": "TOTAL",
    }
    client = deployment.aws("dynamodb")
    while True:
        page = client.scan(**arguments, **({"ExclusiveStartKey": after} if after else {}))
        after = page.get("LastEvaluatedKey")
        yield page["Items"], after
        if after is None:
            return
        pause(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0) / units_per_second)


def of_tenant(tenant: str | None) -> str:
    """The beginning of the partition keys of a tenant; None: of all."""
    return "" if tenant is None else f"TENANT#{tenant}#"
