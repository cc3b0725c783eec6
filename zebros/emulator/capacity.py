"""Capacity of a global table in a template.

Without this patch: a table that becomes provisioned, and each of its indexes, has 5 units whatever
the template says. An update compares whole index definitions, so that a new capacity deletes an
index and makes it again.

Fix: the emulator creates and updates the table without the capacities. They are set afterwards, for
the table and each index in this region: the minimum, with which CloudFormation creates a table; on
demand 0. Nothing scales.
"""

from typing import Any

from zebros.emulator.patching import module, settle_after

_TYPE = "AWS::DynamoDB::GlobalTable"
_WRITES, _READS = "WriteProvisionedThroughputSettings", "ReadProvisionedThroughputSettings"
_INDEXES = "GlobalSecondaryIndexes"


def apply() -> None:
    """Apply the capacities of the template to the table and its indexes."""
    tables, scope = module("services.dynamodb"), module("core.responses")

    def settle(name: str, props: dict[str, Any]) -> None:
        region = scope.get_region()
        replicas: list[dict[str, Any]] = props["Replicas"]
        replica = next((one for one in replicas if one["Region"] == region), {})
        table = tables._tables[name]
        table["ProvisionedThroughput"] = _units(props, replica)
        writes, reads = _by_name(props), _by_name(replica)
        for index in table[_INDEXES]:
            name = index["IndexName"]
            index["ProvisionedThroughput"] = _units(writes[name], reads.get(name, {}))

    settle_after(_TYPE, settle, known=_without_capacity)


def _by_name(holder: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The indexes of a table or of a replica."""
    return {index["IndexName"]: index for index in holder.get(_INDEXES, [])}


def _units(writes: dict[str, Any], reads: dict[str, Any]) -> dict[str, int]:
    """The units of a table or an index, from the settings of its writes and of its reads."""
    write = writes.get(_WRITES, {}).get("WriteCapacityAutoScalingSettings", {})
    read = reads.get(_READS, {}).get("ReadCapacityAutoScalingSettings", {})
    return {
        "ReadCapacityUnits": int(read.get("MinCapacity", 0)),
        "WriteCapacityUnits": int(write.get("MinCapacity", 0)),
    }


def _without_capacity(props: dict[str, Any]) -> dict[str, Any]:
    """A copy of the properties in which neither the table nor an index has a capacity."""
    plain = {key: value for key, value in props.items() if key != _WRITES}
    indexes = [
        {key: value for key, value in index.items() if key != _WRITES}
        for index in props.get(_INDEXES, [])
    ]
    return {**plain, _INDEXES: indexes}
