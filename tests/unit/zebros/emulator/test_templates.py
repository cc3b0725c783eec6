"""CloudFormation in the emulator: conditions, archives, tables, secrets."""

import json
import string
from collections.abc import Callable
from typing import Any

import pytest

from zebros.emulator import archives, bus_policies, capacity, conditions, parameters, secrets, ttl

IS_CLOUD: dict[str, Any] = {
    "Conditions": {
        "IsCloud": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AWS::AccountId"}, "000000000000"]}]}
    }
}
TABLE: dict[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "TimeToLiveSpecification": {"AttributeName": "ttl", "Enabled": True},
    "SSESpecification": {"SSEEnabled": True},
}
RECOVERY = {
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    "DeletionProtectionEnabled": "true",
}
TABLES: dict[str, dict[str, Any]] = {
    "AWS::DynamoDB::Table": {**TABLE, **RECOVERY},
    "AWS::DynamoDB::GlobalTable": {
        **TABLE,
        "Replicas": [{"Region": "eu-west-1"}, {"Region": "us-east-1", **RECOVERY}],
    },
}


def test_a_condition_on_the_account_is_wrong_when_unpatched(emulator: Any) -> None:
    engine = emulator("services.cloudformation.engine")
    assert engine._evaluate_conditions(IS_CLOUD, {}) == {"IsCloud": True}


def test_a_condition_on_the_account_is_evaluated(emulator: Any, patched: Any) -> None:
    engine = emulator("services.cloudformation.engine")
    with patched(conditions.apply):
        assert engine._evaluate_conditions(IS_CLOUD, {}) == {"IsCloud": False}


def test_a_condition_may_use_a_mapping(emulator: Any, patched: Any) -> None:
    engine = emulator("services.cloudformation.engine")
    template = {
        "Mappings": {"Phases": {"mvp": {"Cache": "off"}, "grown": {"Cache": "on"}}},
        "Conditions": {
            "HasCache": {
                "Fn::Equals": [{"Fn::FindInMap": ["Phases", {"Ref": "Phase"}, "Cache"]}, "on"]
            },
            "Lean": {"Fn::Not": [{"Condition": "HasCache"}]},
        },
    }
    with patched(conditions.apply):
        for phase, cached in (("mvp", False), ("grown", True)):
            found = engine._evaluate_conditions(template, {"Phase": {"Value": phase}})
            assert found == {"HasCache": cached, "Lean": not cached}


def test_archives_are_unknown_to_cloudformation_when_unpatched(emulator: Any) -> None:
    handlers = emulator("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    assert "AWS::Events::Archive" not in handlers


def test_an_archive_is_created_changed_and_deleted_with_its_stack(
    emulator: Any, patched: Any
) -> None:
    events = emulator("services.eventbridge")
    events._create_event_bus({"Name": "bus"})
    source = "arn:aws:events:us-east-1:000000000000:event-bus/bus"
    props = {"SourceArn": source, "RetentionDays": 30, "EventPattern": {"source": ["zebros.x"]}}
    with patched(archives.apply):
        handlers = emulator("services.cloudformation.provisioners")._RESOURCE_HANDLERS
        handler = handlers["AWS::Events::Archive"]
        name, attributes = handler["create"]("EventArchive", props, "zebros")
        assert events._archives[name]["RetentionDays"] == 30
        assert attributes["Arn"].endswith(f":archive/{name}")
        events._put_events(
            {
                "Entries": [
                    {"EventBusName": "bus", "Source": source, "DetailType": "d", "Detail": "{}"}
                    for source in ("zebros.x", "zebros.y")
                ]
            }
        )
        assert events._archives[name]["EventCount"] == 1
        handler["update"](name, props, {**props, "RetentionDays": 365}, "zebros", "EventArchive")
        assert events._archives[name]["RetentionDays"] == 365
        assert events._archives[name]["EventCount"] == 1, "an update keeps what is archived"
        handler["delete"](name, props)
        assert name not in events._archives


def test_an_archive_that_cannot_be_made_fails_with_the_reason(emulator: Any, patched: Any) -> None:
    with patched(archives.apply):
        handlers = emulator("services.cloudformation.provisioners")._RESOURCE_HANDLERS
        bad = {"SourceArn": "arn:x", "EventPattern": {"source": "not a list"}}
        with pytest.raises(ValueError, match=r"AWS::Events::Archive: .*pattern"):
            handlers["AWS::Events::Archive"]["create"]("EventArchive", bad, "zebros")


def test_a_bus_has_the_policy_of_its_template(emulator: Any, patched: Any) -> None:
    events = emulator("services.eventbridge")
    events._create_event_bus({"Name": "guarded"})
    props = {
        "EventBusName": "guarded",
        "StatementId": "only-relays",
        "Statement": {"Effect": "Deny", "Action": "events:PutEvents"},
    }
    handlers = emulator("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    assert "AWS::Events::EventBusPolicy" not in handlers
    with patched(bus_policies.apply):
        handler = handlers["AWS::Events::EventBusPolicy"]
        name, _ = handler["create"]("BusPolicy", props, "zebros")
        handler["update"](name, props, {**props, "Statement": {"Effect": "Allow"}}, "zebros")
        shown = json.loads(events._describe_event_bus({"Name": "guarded"})[2])
        assert json.loads(shown["Policy"])["Statement"] == [
            {"Sid": "only-relays", "Effect": "Allow"}
        ]
        handler["delete"](name, props)
        assert "guarded" not in events._event_bus_policies


def table_settings(emulator: Callable[[str], Any], kind: str) -> tuple[Any, ...]:
    """The settings of a table that was created, and updated from other settings."""
    tables = emulator("services.dynamodb")
    provisioners = emulator("services.cloudformation.provisioners")
    before = {**TABLES[kind], "TimeToLiveSpecification": {"AttributeName": "x", "Enabled": True}}
    name, _ = provisioners._RESOURCE_HANDLERS[kind]["create"]("Records", before, "zebros")
    given = (kind, name, before, TABLES[kind], "zebros", "Records")
    name, attributes = provisioners._update_resource(*given)
    assert attributes["Arn"].endswith(f":table/{name}")
    return (
        tables._ttl_settings.get(name),
        tables._pitr_settings.get(name),
        tables._tables[name]["SSEDescription"],
        tables._tables[name]["DeletionProtectionEnabled"],
    )


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_loses_its_time_to_live_when_unpatched(emulator: Any, kind: str) -> None:
    # A Table has its protection at another place than a GlobalTable, and keeps it, as text.
    protection = {"AWS::DynamoDB::Table": "true", "AWS::DynamoDB::GlobalTable": False}[kind]
    assert table_settings(emulator, kind) == (None, None, None, protection)


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_has_time_to_live_backups_encryption_and_protection(
    emulator: Any, patched: Any, kind: str
) -> None:
    with patched(ttl.apply):
        expiry, backups, encryption, protection = table_settings(emulator, kind)
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    assert backups is True
    assert encryption["Status"] == "ENABLED"
    assert protection is True


def units(kind: str, low: int) -> dict[str, Any]:
    """The setting of an autoscaled capacity; a parameter's value is text."""
    target = {"TargetTrackingScalingPolicyConfiguration": {"TargetValue": 70}}
    scaling = {"MinCapacity": str(low), "MaxCapacity": "400", **target}
    return {f"{kind}ProvisionedThroughputSettings": {f"{kind}CapacityAutoScalingSettings": scaling}}


def indexed(provisioned: bool) -> dict[str, Any]:
    """A global table with an index, on demand or provisioned."""
    write, read, index_write, index_read = (
        units(kind, low) if provisioned else {}
        for kind, low in (("Write", 100), ("Read", 50), ("Write", 40), ("Read", 30))
    )
    return {
        **TABLE,
        **write,
        "TableName": "records",
        "BillingMode": "PROVISIONED" if provisioned else "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "gsi1",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                **index_write,
            }
        ],
        "Replicas": [
            {
                "Region": "us-east-1",
                **read,
                "GlobalSecondaryIndexes": [{"IndexName": "gsi1", **index_read}],
            }
        ],
    }


def capacities(emulator: Callable[[str], Any], *moves: bool) -> tuple[list[Any], bool]:
    """Units of table and index after each move, and whether the index is still the first one."""
    tables = emulator("services.dynamodb")
    provisioners = emulator("services.cloudformation.provisioners")
    kind, found = "AWS::DynamoDB::GlobalTable", []
    before = indexed(moves[0])
    name, _ = provisioners._RESOURCE_HANDLERS[kind]["create"]("Records", before, "zebros")
    (first,) = tables._tables[name]["GlobalSecondaryIndexes"]
    for provisioned in moves:
        after = indexed(provisioned)
        provisioners._update_resource(kind, name, before, after, "zebros", "Records")
        before = after
        table = tables._tables[name]
        (index,) = table["GlobalSecondaryIndexes"]
        found.append(
            (
                table["BillingModeSummary"]["BillingMode"],
                *table["ProvisionedThroughput"].values(),
                *index.get("ProvisionedThroughput", {}).values(),
            )
        )
    return found, index is first


def test_an_index_is_made_again_for_its_capacity_when_unpatched(emulator: Any) -> None:
    found, same = capacities(emulator, False, True)
    assert found[-1] == ("PROVISIONED", 5, 5, 5, 5)
    assert not same


def test_capacities_follow_the_template_and_the_index_stays(emulator: Any, patched: Any) -> None:
    with patched(ttl.apply, capacity.apply):
        found, same = capacities(emulator, True, False, True)
    provisioned = ("PROVISIONED", 50, 100, 30, 40)
    assert found == [provisioned, ("PAY_PER_REQUEST", 0, 0, 0, 0), provisioned]
    assert same


def test_a_generated_secret_has_punctuation_although_excluded_when_unpatched(emulator: Any) -> None:
    provisioners = emulator("services.cloudformation.provisioners")
    wanted = {"GenerateSecretString": {"PasswordLength": 400, "ExcludePunctuation": True}}
    assert set(provisioners._sm_secret_string(wanted)) & set(string.punctuation)


def test_a_generated_secret_has_the_properties_of_the_template(emulator: Any, patched: Any) -> None:
    provisioners = emulator("services.cloudformation.provisioners")
    wanted = {"PasswordLength": 400, "ExcludePunctuation": True, "ExcludeCharacters": "abc"}
    with patched(secrets.apply):
        made = provisioners._sm_secret_string({"GenerateSecretString": wanted})
        again = provisioners._sm_secret_string({"GenerateSecretString": wanted})
        given = provisioners._sm_secret_string({"SecretString": "as it is"})
    assert len(made) == 400
    assert made != again
    assert set(made) <= set(string.ascii_letters + string.digits) - set("abc")
    assert given == "as it is"


def mapped(emulator: Callable[[str], Any]) -> dict[str, Any]:
    """A mapping with numbers from parameters, which are text."""
    provisioners = emulator("services.cloudformation.provisioners")
    kind = "AWS::Lambda::EventSourceMapping"
    props: dict[str, Any] = {
        "FunctionName": "consumer",
        "EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:queue",
        "ScalingConfig": {"MaximumConcurrency": "2"},
    }
    name, _ = provisioners._RESOURCE_HANDLERS[kind]["create"]("Source", props, "zebros")
    changed = {**props, "BatchSize": "5", "ScalingConfig": {"MaximumConcurrency": "3"}}
    provisioners._update_resource(kind, name, props, changed, "zebros", "Source")
    found: dict[str, Any] = emulator("services.lambda_svc")._esms[name]
    return found


def test_a_mapping_s_concurrency_from_a_parameter_is_text_when_unpatched(emulator: Any) -> None:
    found = mapped(emulator)
    assert (found["ScalingConfig"], found["BatchSize"]) == ({"MaximumConcurrency": "3"}, "5")
    with pytest.raises(TypeError, match="not supported between instances"):
        assert emulator("services.lambda_svc")._sqs_esm_concurrency(found, {}, {}) > 1


def test_a_mapping_s_figures_from_parameters_are_numbers(emulator: Any, patched: Any) -> None:
    with patched(parameters.apply):
        found = mapped(emulator)
    assert (found["ScalingConfig"], found["BatchSize"]) == ({"MaximumConcurrency": 3}, 5)


def state_of_disabled(emulator: Any) -> str:
    handlers = emulator("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    props = {"FunctionName": "f", "EventSourceArn": "arn:aws:sqs:us-east-1:0:q", "Enabled": False}
    kind = "AWS::Lambda::EventSourceMapping"
    name, _ = handlers[kind]["create"]("Source", props, "zebros")
    return str(emulator("services.lambda_svc")._esms[name]["State"])


def test_a_mapping_that_is_created_disabled_is_shown_as_enabled_when_unpatched(
    emulator: Any,
) -> None:
    assert state_of_disabled(emulator) == "Enabled"


def test_a_mapping_that_is_created_disabled_is_shown_as_disabled(
    emulator: Any, patched: Any
) -> None:
    with patched(parameters.apply):
        assert state_of_disabled(emulator) == "Disabled"
