"""Tables that a new stack is to use: what they must have, and what can be switched on."""

import time
from typing import Any

_ACTIVE = "ACTIVE"
_WAIT_S, _POLL_S = 600.0, 1.0
_ON_DEMAND = "PAY_PER_REQUEST"


class Tables:
    """Compares tables with their properties in the templates.

    What is missing and costs no data is switched on, unless `dry_run`; the rest is a problem. A
    table becomes on demand, because nothing scales one that no stack owns (docs/adr/0033).
    """

    def __init__(self, dynamodb: Any, *, dry_run: bool = False) -> None:
        self._dynamodb, self._dry_run = dynamodb, dry_run
        self.changes: list[str] = []
        self.problems: list[str] = []

    def attach(self, properties: dict[str, Any]) -> str:
        """The ARN of the table's stream; empty when the table cannot be used or has none yet.

        `properties` are those of AWS::DynamoDB::GlobalTable.
        """
        name = properties["TableName"]
        try:
            table = self._dynamodb.describe_table(TableName=name)["Table"]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            self.problems.append(
                f"There is no table {name}: restore it, or let the stack make it, empty, "
                f"with --new."
            )
            return ""
        faults = [*_faults(table, properties), *self._expiry_faults(name, properties)]
        if faults:
            self.problems += [f"The table {name} {fault}." for fault in faults]
            return ""
        self._complete(table, properties)
        if self._dry_run:
            return str(table.get("LatestStreamArn", ""))
        return str(self._dynamodb.describe_table(TableName=name)["Table"]["LatestStreamArn"])

    def _expiry_faults(self, name: str, properties: dict[str, Any]) -> list[str]:
        expiry = self._expiry(name)
        wanted = properties["TimeToLiveSpecification"]["AttributeName"]
        if expiry.get("AttributeName", wanted) != wanted:
            return [f"deletes items by {expiry['AttributeName']}, not by {wanted}"]
        if expiry["TimeToLiveStatus"] == "DISABLING":
            return ["is switching off the deletion of expired items: wait for an hour"]
        return []

    def _expiry(self, name: str) -> dict[str, Any]:
        described = self._dynamodb.describe_time_to_live(TableName=name)
        expiry: dict[str, Any] = described["TimeToLiveDescription"]
        return expiry

    def _complete(self, table: dict[str, Any], properties: dict[str, Any]) -> None:
        """Switch on what the table lacks; DynamoDB accepts one change at a time."""
        name = table["TableName"]
        if table.get("SSEDescription", {}).get("Status") not in ("ENABLED", "ENABLING", "UPDATING"):
            self._update(name, "encryption by KMS", SSESpecification={"Enabled": True})
        if table.get("BillingModeSummary", {}).get("BillingMode") != _ON_DEMAND:
            self._update(name, "billing on demand", BillingMode=_ON_DEMAND)
        if not table.get("DeletionProtectionEnabled"):
            self._update(name, "deletion protection", DeletionProtectionEnabled=True)
        if self._expiry(name)["TimeToLiveStatus"] == "DISABLED":
            self._change(
                name,
                "deletion of expired items",
                "update_time_to_live",
                TimeToLiveSpecification=properties["TimeToLiveSpecification"],
            )
        backups = self._dynamodb.describe_continuous_backups(TableName=name)
        recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            self._change(
                name,
                "point-in-time recovery",
                "update_continuous_backups",
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
        if not table.get("StreamSpecification", {}).get("StreamEnabled"):
            view = properties["StreamSpecification"]["StreamViewType"]
            stream = {"StreamEnabled": True, "StreamViewType": view}
            self._update(name, "stream", StreamSpecification=stream)

    def _update(self, name: str, what: str, **change: Any) -> None:
        self._change(name, what, "update_table", **change)
        deadline = time.monotonic() + _WAIT_S
        while not self._dry_run and self._status(name) != _ACTIVE:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the table {name} is still changing after {_WAIT_S:.0f} s")
            time.sleep(_POLL_S)

    def _change(self, name: str, what: str, call: str, **change: Any) -> None:
        self.changes.append(f"table {name}: {what}")
        if not self._dry_run:
            getattr(self._dynamodb, call)(TableName=name, **change)

    def _status(self, name: str) -> str:
        return str(self._dynamodb.describe_table(TableName=name)["Table"]["TableStatus"])


def _faults(table: dict[str, Any], properties: dict[str, Any]) -> list[str]:
    """What a table has otherwise than the stack needs it, and cannot be switched on."""
    faults = []
    if table["TableStatus"] != _ACTIVE:
        faults.append(f"is {table['TableStatus']}: wait until it is active")
    if (actual := _keys(table, table)) != (wanted := _keys(properties, properties)):
        faults.append(f"has the keys {actual}, not {wanted}")
    indexes = {one["IndexName"]: one for one in table.get("GlobalSecondaryIndexes", [])}
    for expected in properties["GlobalSecondaryIndexes"]:
        name = expected["IndexName"]
        index = indexes.get(name)
        wanted = _keys(expected, properties)
        if index is None:
            faults.append(f"has no index {name}: create it with update-table")
        elif index.get("IndexStatus", _ACTIVE) != _ACTIVE:
            faults.append(f"is still building its index {name}: wait until it is active")
        elif (actual := _keys(index, table)) != wanted:
            faults.append(f"has the index {name} with the keys {actual}, not {wanted}")
        elif _projection(index) != _projection(expected):
            faults.append(f"has the index {name} with other attributes")
    stream, view = table.get("StreamSpecification", {}), properties["StreamSpecification"]
    if stream.get("StreamEnabled") and stream["StreamViewType"] != view["StreamViewType"]:
        faults.append(
            f"has a stream of {stream['StreamViewType']}, not {view['StreamViewType']}: switch "
            f"it off with update-table when its records are not needed any more"
        )
    others = [one["RegionName"] for one in table.get("Replicas", [])]
    home = table["TableArn"].split(":")[3]
    if elsewhere := sorted({one for one in others if one != home}):
        faults.append(
            f"has a replica in {', '.join(elsewhere)}, which a stack that is given its tables "
            f"cannot have"
        )
    return faults


def _keys(holder: dict[str, Any], table: dict[str, Any]) -> str:
    """The keys of a table or of an index, with their types."""
    types = {one["AttributeName"]: one["AttributeType"] for one in table["AttributeDefinitions"]}
    kinds = {"HASH": "partition", "RANGE": "sort"}
    return " and ".join(
        f"{one['AttributeName']} ({kinds[one['KeyType']]}, {types[one['AttributeName']]})"
        for one in holder["KeySchema"]
    )


def _projection(index: dict[str, Any]) -> tuple[str, list[str]]:
    projection = index["Projection"]
    return projection["ProjectionType"], sorted(projection.get("NonKeyAttributes", []))
