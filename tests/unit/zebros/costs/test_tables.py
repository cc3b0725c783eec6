"""DynamoDB and DAX on hand-made resources."""

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.zebros.costs.design import one, rule, usage

TABLE = "AWS::DynamoDB::GlobalTable"
LOAD = usage(
    rules={"tables": rule(writes="0.5", reads="0.25", data="0.1")},
    read_units=3,
    write_units=4,
    index_write_units=2,
    data_gb=100,
    data_growth_gb=10,
    stream_reads=700,
)
# 200,000 writes x 0.5 = 100,000 of this table; 800,000 reads x 0.25 x 3 units = 600,000.
INDEX = {"IndexName": "gsi1", "Projection": {"ProjectionType": "INCLUDE"}}
KEYS = {"IndexName": "gsi2", "Projection": {"ProjectionType": "KEYS_ONLY"}}
RECOVERY = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True}}
HOME: dict[str, Any] = {"Region": "us-east-1", **RECOVERY}


def test_a_table_on_demand_is_charged_for_what_is_read_and_written() -> None:
    found = one(TABLE, LOAD, BillingMode="PAY_PER_REQUEST", Replicas=[HOME])
    assert found == {
        "dynamodb.write_requests": 400_000,
        "dynamodb.read_requests": 600_000,
        "dynamodb.storage": 10,
        "dynamodb.point_in_time_recovery": 10,
    }


def test_each_index_costs_writes_and_its_storage() -> None:
    found = one(
        TABLE,
        LOAD,
        BillingMode="PAY_PER_REQUEST",
        Replicas=[HOME],
        GlobalSecondaryIndexes=[INDEX, KEYS],
    )
    assert found["dynamodb.write_requests"] == 400_000 + 2 * 200_000
    assert found["dynamodb.read_requests"] == 600_000, "reads are divided, not multiplied"
    assert found["dynamodb.storage"] == 20, "an index of keys only is small"
    assert found["dynamodb.point_in_time_recovery"] == 10, "indexes are not backed up"


def test_without_recovery_nothing_is_charged_for_it() -> None:
    replica = {"PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": False}}
    for one_replica in (replica, {}):
        found = one(TABLE, LOAD, BillingMode="PAY_PER_REQUEST", Replicas=[one_replica])
        assert "dynamodb.point_in_time_recovery" not in found


def test_a_replica_is_written_and_stored_again_but_not_read() -> None:
    found = one(
        TABLE,
        LOAD,
        BillingMode="PAY_PER_REQUEST",
        Replicas=[HOME, {**HOME, "Region": "us-west-2"}],
        GlobalSecondaryIndexes=[INDEX],
    )
    assert found["dynamodb.replicated_write_requests"] == 600_000
    assert found["dynamodb.write_requests"] == 600_000
    assert found["dynamodb.read_requests"] == 600_000
    assert found["dynamodb.storage"] == 2 * 20
    assert found["dynamodb.point_in_time_recovery"] == 2 * 10


def test_a_stream_is_read_by_operators() -> None:
    stream = {"StreamViewType": "NEW_IMAGE"}
    found = one(
        TABLE, LOAD, BillingMode="PAY_PER_REQUEST", Replicas=[HOME], StreamSpecification=stream
    )
    assert found["dynamodb.stream_reads"] == 700


def scaling(kind: str, low: int, high: int, target: float | None = None) -> dict[str, Any]:
    tracking = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": target}}
    settings = {"MinCapacity": low, "MaxCapacity": high, **(tracking if target else {})}
    return {
        f"{kind}ProvisionedThroughputSettings": {f"{kind}CapacityAutoScalingSettings": settings}
    }


def provisioned(write: tuple[int, int], read: tuple[int, int], load: Any = LOAD) -> Any:
    return one(
        TABLE,
        load,
        Replicas=[{**HOME, **scaling("Read", *read)}],
        **scaling("Write", *write),
    )


def test_an_idle_table_costs_its_minimum() -> None:
    found = provisioned((25, 100), (50, 200))
    assert found["dynamodb.write_capacity"] == 25 * 730
    assert found["dynamodb.read_capacity"] == 50 * 730


def test_a_busy_table_scales_in_business_hours() -> None:
    busy = usage(
        rules={"tables": rule(writes="36.5", reads=1, data=1)},
        requests_per_user_and_day=5000,  # ten million requests
        read_units=1,
        write_units=1,
        index_write_units=1,
        data_gb=1,
        data_growth_gb=1,
    )
    # 73 million writes in 365 busy hours are 55.6 a second: at 70 % utilisation 79.4 units.
    needed = Decimal(73_000_000) / (365 * 3600) / Decimal("0.7")
    found = provisioned((25, 100), (1, 2), busy)
    assert found["dynamodb.write_capacity"] == pytest.approx(needed * 365 + 25 * 365)
    limited = provisioned((25, 50), (1, 2), busy)
    assert limited["dynamodb.write_capacity"] == (50 + 25) * 365, "never above the maximum"
    half = one(
        TABLE,
        busy,
        Replicas=[{**HOME, **scaling("Read", 1, 2)}],
        **scaling("Write", 1, 1000, target=50),
    )
    expected = Decimal(73_000_000) / (365 * 3600) * 2 * 365 + 365
    assert half["dynamodb.write_capacity"] == pytest.approx(expected)


def test_each_index_has_capacity_of_its_own() -> None:
    index = {**INDEX, **scaling("Write", 5, 10)}
    replica_index = {"IndexName": "gsi1", **scaling("Read", 7, 10)}
    replica = {**HOME, **scaling("Read", 2, 4), "GlobalSecondaryIndexes": [replica_index]}
    found = one(
        TABLE,
        LOAD,
        Replicas=[replica, replica],
        GlobalSecondaryIndexes=[index],
        **scaling("Write", 3, 6),
    )
    assert found["dynamodb.write_capacity"] == (3 + 5) * 730
    assert found["dynamodb.replicated_write_capacity"] == (3 + 5) * 730
    assert found["dynamodb.read_capacity"] == 2 * (2 + 7) * 730, "replicas are provisioned, too"


def test_capacity_without_scaling_is_fixed() -> None:
    found = one(
        TABLE,
        LOAD,
        BillingMode="PROVISIONED",
        Replicas=[{**HOME, "ReadProvisionedThroughputSettings": {"ReadCapacityUnits": 4}}],
        WriteProvisionedThroughputSettings={"WriteCapacityUnits": 6},
    )
    assert found["dynamodb.read_capacity"] == 4 * 730
    assert found["dynamodb.write_capacity"] == 6 * 730


def test_stored_data_grows_by_month() -> None:
    later = one(TABLE, LOAD.after(3), BillingMode="PAY_PER_REQUEST", Replicas=[HOME])
    assert later["dynamodb.storage"] == (100 + 3 * 10) * Decimal("0.1")


def test_dax_is_charged_by_node() -> None:
    found = one("AWS::DAX::Cluster", NodeType="dax.t3.small", ReplicationFactor=3)
    assert found == {"dax.dax.t3.small": 3 * 730}
