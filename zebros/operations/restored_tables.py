"""The table that a restore reads: a copy of a live table at an earlier time, made by DynamoDB."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import batched

from zebros.client.connection import Deployment
from zebros.errors import BadInput, CliError

type Pause = Callable[[float], None]
_READ_LIMIT = 100
"""Keys in one BatchGetItem (DynamoDB's limit)."""
_POLL_S = 5.0
_LOCAL_POLL_S = 0.2


def name_of(table: str, at: datetime) -> str:
    """The name of a live table's copy: `zebros-customers-restored-20260131T093000Z`."""
    return f"{table}-restored-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def check_time(deployment: Deployment, table: str, at: datetime) -> None:
    """Raise BadInput unless DynamoDB can restore a table to a time."""
    answer = deployment.aws("dynamodb").describe_continuous_backups(TableName=table)
    found = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    if found.get("PointInTimeRecoveryStatus") != "ENABLED":
        raise BadInput(
            f"Point-in-time recovery of {table} is not enabled.",
            hint="`--from-table` takes a table that was restored from a backup.",
        )
    first, last = found["EarliestRestorableDateTime"], found["LatestRestorableDateTime"]
    if at < first:
        raise BadInput(
            f"{table} cannot be restored to {_text(at)}: its history begins at {_text(first)}.",
            hint="`--from-table` takes a table that was restored from a backup.",
        )
    if at > last:
        raise BadInput(
            f"{table} cannot be restored to {_text(at)} yet: the latest time is {_text(last)}.",
            hint="In AWS this is five minutes ago. Wait, or choose an earlier time.",
        )


def begin(deployment: Deployment, table: str, at: datetime) -> str:
    """Let DynamoDB copy a table as it was; returns the name. A copy that exists is used again."""
    name = name_of(table, at)
    if status(deployment, name) is None:
        check_time(deployment, table, at)
        client = deployment.aws("dynamodb")
        # A request whose answer came too late is sent again, and then finds the copy of the first.
        with suppress(client.exceptions.TableAlreadyExistsException):
            client.restore_table_to_point_in_time(
                SourceTableName=table,
                TargetTableName=name,
                RestoreDateTime=at,
                BillingModeOverride="PAY_PER_REQUEST",
                GlobalSecondaryIndexOverride=[],
            )
    return name


def wait(
    deployment: Deployment, name: str, progress: Callable[[], None], pause: Pause = time.sleep
) -> None:
    """Wait until a copy can be read. Raises CliError when it has disappeared."""
    while (now := status(deployment, name)) != "ACTIVE":
        if now is None:
            raise CliError(
                f"There is no table {name} any more.",
                hint="Run the command again: it begins another copy.",
            )
        progress()
        pause(_LOCAL_POLL_S if deployment.endpoint else _POLL_S)


def status(deployment: Deployment, name: str) -> str | None:
    """The status of a table, such as ACTIVE; None when there is none."""
    client = deployment.aws("dynamodb")
    try:
        return str(client.describe_table(TableName=name)["Table"]["TableStatus"])
    except client.exceptions.ResourceNotFoundException:
        return None


def delete(deployment: Deployment, name: str) -> None:
    """Delete a copy, if it exists."""
    client = deployment.aws("dynamodb")
    try:
        client.delete_table(TableName=name)
    except client.exceptions.ResourceNotFoundException:
        return


def existing(deployment: Deployment, name: str, keys: list[str], sort_key: str) -> set[str]:
    """The partition keys among these whose item with a sort key exists."""
    client = deployment.aws("dynamodb")
    found: set[str] = set()
    for some in batched(keys, _READ_LIMIT, strict=False):
        wires = [{"pk": {"S": pk}, "sk": {"S": sort_key}} for pk in some]
        waiting = {name: {"Keys": wires, "ProjectionExpression": "pk", "ConsistentRead": True}}
        while waiting:
            answer = client.batch_get_item(RequestItems=waiting)
            found |= {item["pk"]["S"] for item in answer["Responses"].get(name, ())}
            waiting = answer.get("UnprocessedKeys") or {}
    return found


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
