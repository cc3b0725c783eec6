"""What an update does to each resource, by the resource schemas of CloudFormation."""

from pathlib import Path

import pytest

from tests.unit.zebros.cloudformation.templates import resolved
from zebros.cloudformation.difference import Change, Effect, difference, fixed_names
from zebros.cloudformation.phases import limits


def changes(folder: Path, before: str, after: str) -> dict[str, Change]:
    """The changes between two templates that are written as `Resources:` only."""
    old = resolved(folder, root=f"Resources:\n{before}")
    new = resolved(folder, root=f"Resources:\n{after}")
    return {one.name: one for one in difference(old, new)}


def of_limits(folder: Path, before: str, after: str) -> list[str]:
    old = resolved(folder, root=f"Resources:\n{before}")
    new = resolved(folder, root=f"Resources:\n{after}")
    return sorted(limits(difference(old, new), old, new))


FUNCTION = "  F: {Type: AWS::Lambda::Function, Properties: {MemorySize: %d, FunctionName: %s}}\n"
QUEUE = "  Q: {Type: AWS::SQS::Queue, Properties: {%s}}\n"
TOPIC = "  T: {Type: AWS::SNS::Topic, Properties: {%s}}\n"


def test_a_change_in_place_names_the_changed_properties(tmp_path: Path) -> None:
    found = changes(tmp_path, FUNCTION % (128, "a"), FUNCTION % (256, "a"))
    assert found == {
        "F": Change("F", "AWS::Lambda::Function", "zebros", Effect.CHANGED, ("MemorySize",))
    }
    assert changes(tmp_path, FUNCTION % (128, "a"), FUNCTION % (128, "a")) == {}


def test_a_change_of_a_create_only_property_replaces_the_resource(tmp_path: Path) -> None:
    found = changes(tmp_path, FUNCTION % (128, "a"), FUNCTION % (128, "b"))["F"]
    assert (found.effect, found.reason) == (Effect.REPLACED, "FunctionName changes")


def test_a_nested_create_only_property_replaces_too(tmp_path: Path) -> None:
    bucket = """  B: {Type: AWS::S3::Bucket, Properties: {MetadataConfiguration: {Other: 1,
      JournalTableConfiguration: {%s: 1, EncryptionConfiguration: {SseAlgorithm: %s}}}}}\n"""
    found = changes(tmp_path, bucket % ("A", "AES256"), bucket % ("A", "aws:kms"))["B"]
    path = "MetadataConfiguration.JournalTableConfiguration.EncryptionConfiguration"
    assert (found.effect, found.reason) == (Effect.REPLACED, f"{path} changes")
    assert found.loses_data
    beside = changes(tmp_path, bucket % ("A", "AES256"), bucket % ("B", "AES256"))["B"]
    assert beside.effect is Effect.CHANGED


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AWS::RDS::DBCluster", "Engine"),
        ("AWS::ElastiCache::ReplicationGroup", "ClusterMode"),
        ("AWS::ElastiCache::ReplicationGroup", "NumNodeGroups"),
    ],
)
def test_some_changes_replace_by_the_values_before_and_after(
    tmp_path: Path, kind: str, name: str
) -> None:
    one = f"  One: {{Type: {kind}, Properties: {{{name}: %s}}}}\n"
    found = changes(tmp_path, one % "a", one % "b")["One"]
    assert (found.effect, found.reason) == (Effect.MAYBE_REPLACED, f"{name} changes")


def test_added_removed_and_kept_resources(tmp_path: Path) -> None:
    kept = "  Q: {Type: AWS::SQS::Queue, DeletionPolicy: %s}\n"
    assert changes(tmp_path, TOPIC % "", TOPIC % "" + QUEUE % "")["Q"].effect is Effect.ADDED
    removed = changes(tmp_path, TOPIC % "" + QUEUE % "", TOPIC % "")["Q"]
    assert removed.effect is Effect.REMOVED
    assert removed.loses_data
    for policy in ("Retain", "RetainExceptOnCreate"):
        found = changes(tmp_path, TOPIC % "" + kept % policy, TOPIC % "")["Q"]
        assert found.effect is Effect.KEPT
        assert not found.loses_data


def test_another_type_under_the_same_name_is_a_replacement(tmp_path: Path) -> None:
    found = changes(tmp_path, "  A: {Type: AWS::SQS::Queue}\n", "  A: {Type: AWS::SNS::Topic}\n")
    assert found["A"].effect is Effect.REPLACED
    assert found["A"].reason == "it was a AWS::SQS::Queue of zebros"


def test_a_replacement_replaces_what_cannot_point_elsewhere(tmp_path: Path) -> None:
    """A subscription is of one topic for ever; a function's variable follows."""
    more = """
  S: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref T, Protocol: sqs}}
  F: {Type: AWS::Lambda::Function, Properties: {Environment: {Variables: {T: !Sub 'x${T}'}}}}
  D: {Type: AWS::SNS::Subscription, Properties: {TopicArn: other, Protocol: !GetAtt S.Arn}}
  N: {Type: AWS::SNS::Topic}
"""
    found = changes(tmp_path, TOPIC % "TopicName: a" + more, TOPIC % "TopicName: b" + more)
    assert {name: one.effect for name, one in found.items()} == {
        "T": Effect.REPLACED,
        "S": Effect.REPLACED,
        "F": Effect.CHANGED,
        "D": Effect.REPLACED,
    }
    assert found["S"].reason == "T is replaced"
    assert found["D"].reason == "S is replaced"


def test_a_version_of_a_layer_is_followed_by_the_next(tmp_path: Path) -> None:
    layer = "  DepsLayer%s: {Type: AWS::Lambda::LayerVersion, Properties: {Content: %s}}\n"
    found = changes(tmp_path, layer % ("0123456789", "a"), layer % ("abcdef0123", "b"))
    assert [one.effect for one in found.values()] == [Effect.NEW_VERSION]


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("AWS::DynamoDB::GlobalTable", True),
        ("AWS::S3::Bucket", True),
        ("AWS::RDS::DBCluster", True),
        ("AWS::SQS::Queue", True),
        ("AWS::SecretsManager::Secret", False),
        ("AWS::Logs::LogGroup", True),
        ("AWS::Events::Archive", True),
        ("AWS::ElastiCache::ReplicationGroup", False),
        ("AWS::Lambda::Function", False),
    ],
)
def test_what_holds_data_is_lost_only_by_replacement_or_removal(kind: str, holds: bool) -> None:
    for effect in Effect:
        gone = effect in (Effect.REPLACED, Effect.MAYBE_REPLACED, Effect.REMOVED)
        change = Change("X", kind, "zebros", effect)
        assert change.holds_data is holds
        assert change.loses_data is (holds and gone)


TABLE = """
  Table:
    Type: AWS::DynamoDB::GlobalTable
    Properties:
      BillingMode: %s
      GlobalSecondaryIndexes: [%s]
"""


def indexes(*names: str) -> str:
    return ", ".join(f"{{IndexName: {name}}}" for name in names)


def test_two_index_changes_need_two_updates(tmp_path: Path) -> None:
    one, three = indexes("a"), indexes("a", "b", "c")
    assert of_limits(tmp_path, TABLE % ("X", one), TABLE % ("X", three)) == [
        "Table: 2 indexes change, and an update adds or removes one: 2 updates."
    ]
    assert of_limits(tmp_path, TABLE % ("X", one), TABLE % ("X", indexes("a", "b"))) == []
    (swapped,) = of_limits(tmp_path, TABLE % ("X", one), TABLE % ("X", indexes("b")))
    assert swapped.startswith("Table: 2 indexes change")


def test_a_billing_mode_switches_once_a_day(tmp_path: Path) -> None:
    modes = [TABLE % (mode, "") for mode in ("PAY_PER_REQUEST", "PROVISIONED")]
    (limit,) = of_limits(tmp_path, *modes)
    assert limit.startswith("Table: the billing mode switches")


def test_a_replaced_cache_is_empty(tmp_path: Path) -> None:
    cache = "  Cache: {Type: AWS::DAX::Cluster, Properties: {NodeType: %s}}\n"
    assert of_limits(tmp_path, cache % "dax.t3.small", cache % "dax.r5.large") == [
        "Cache is replaced: the cache is empty afterwards."
    ]
    assert of_limits(tmp_path, TOPIC % "", TOPIC % "" + cache % "dax.t3.small") == [
        "Cache is added: the cache is empty at first."
    ]
    assert of_limits(tmp_path, TOPIC % "" + cache % "dax.t3.small", TOPIC % "") == [
        "Cache is removed: the cache is empty afterwards."
    ]


def test_a_cache_that_may_be_replaced_may_be_empty(tmp_path: Path) -> None:
    group = "  Cache: {Type: AWS::ElastiCache::ReplicationGroup, Properties: {NumNodeGroups: %s}}\n"
    assert of_limits(tmp_path, group % 1, group % 2) == [
        "Cache may be replaced: the cache is empty afterwards."
    ]


def test_a_fixed_name_prevents_a_replacement(tmp_path: Path) -> None:
    """CloudFormation would have to create the second one under the name of the first."""
    bus = "  Bus: {Type: AWS::Events::EventBus, Properties: {Name: a}}\n"
    topic = "  Bus: {Type: AWS::SQS::Queue}\n"
    old = resolved(tmp_path, root=f"Resources:\n{topic}")
    new = resolved(tmp_path, root=f"Resources:\n{bus}")
    found = list(fixed_names(difference(old, new), new))
    assert found == ["Bus would be replaced, but its Name is fixed"]
    assert of_limits(tmp_path, topic, bus) == [f"{found[0]}; CloudFormation rejects the update."]
