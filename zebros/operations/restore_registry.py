"""Brings the registry of tenants to the state of an earlier time.

It is in the edge's table, and the command line writes it, as `zebros tenants` does. The stored keys
of issuers are not restored, because the authorizer fetches them again; tenants that were added
later stay, because removing one would lock a company out.
"""

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from zebros.client.connection import Deployment
from zebros.operations.scans import Item, pages
from zebros.operations.tenants import TABLE, forget_decisions


def restore_registry(
    deployment: Deployment,
    copy: str,
    *,
    tenant: str | None,
    dry_run: bool,
    units_per_second: float,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Write the tenants that differ from their earlier state; returns what was done."""
    counts: dict[str, Any] = {"read": 0, "same": 0, "restored": 0, "put_back": 0}
    counts["changed_meanwhile"] = 0
    live = deployment.resources.table(TABLE)
    found = pages(
        deployment,
        copy,
        sort_keys=("TENANT",),
        attributes="pk, sk, gsi1pk, gsi1sk, version, doc",
        units_per_second=units_per_second,
        pause=pause,
    )
    for items, _ in found:
        for item in items:
            if tenant is None or item["pk"]["S"] == f"TENANT#{tenant}":
                outcome = _restore(deployment, live, item, dry_run=dry_run)
                counts["read"] += 1
                counts[outcome] += 1
    if not dry_run and counts["restored"] + counts["put_back"]:
        forget_decisions(deployment, pause)
    return counts


def _restore(deployment: Deployment, live: str, item: Item, *, dry_run: bool) -> str:
    """Write one tenant, unless it has its earlier state; returns the name of its counter."""
    client = deployment.aws("dynamodb")
    key = {"pk": item["pk"], "sk": item["sk"]}
    stored = client.get_item(TableName=live, Key=key, ConsistentRead=True).get("Item")
    if stored is not None and {**stored, "version": item.get("version")} == item:
        return "same"
    if dry_run:
        return "put_back" if stored is None else "restored"
    last = (stored or item).get("version", {"N": "0"})["N"]
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
    if stored is not None:
        condition = {
            "ConditionExpression": "version = :last OR attribute_not_exists(version)",
            "ExpressionAttributeValues": {":last": {"N": last}},
        }
    try:
        version = {"version": {"N": str(int(last) + 1)}}
        client.put_item(TableName=live, Item={**item, **version}, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return "changed_meanwhile"
    return "put_back" if stored is None else "restored"
