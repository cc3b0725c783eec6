"""A stack that uses tables, bus and buckets that exist already, in the resolved templates."""

import json
from typing import Any

import pytest

from tests.template.stack import DOMAIN, LEFT, NAMES, PHASES, ROOT
from zebros.cloudformation import Account, System, TemplateError, resolve
from zebros.cloudformation.difference import difference

STREAMS = {name: arn for name, arn in LEFT.items() if name.endswith("StreamArn")}
SOURCES = {
    "CustomersRelaySource": "CustomersStreamArn",
    "CustomersRelaySecondSource": "ContactsStreamArn",
    "OpportunitiesRelaySource": "OpportunitiesStreamArn",
    "ActivitiesRelaySource": "ActivitiesStreamArn",
    "ReportingRelaySource": "ReportingStreamArn",
    "ImportsRelaySource": "ImportsStreamArn",
    "NotificationsRelaySource": "NotificationsStreamArn",
}
KEPT = {
    "Bus",
    "BusArchive",
    "LakeBucket",
    "FilesBucket",
    *(f"{name}Table" for name in NAMES),
}
BUS = {"Fn::Sub": "arn:aws:events:us-east-1:123456789012:event-bus/zebros-events"}


def deployed(phase: str = "mvp", **parameters: str) -> System:
    return resolve(ROOT / "template.yaml", DOMAIN | {"Phase": phase} | parameters)


def text(system: System) -> str:
    return json.dumps([system.outputs, [one.properties for one in system.resources.values()]])


@pytest.mark.parametrize("phase", PHASES)
def test_a_stack_does_not_make_what_it_was_given(phase: str) -> None:
    own, attached = deployed(phase), deployed(phase, **LEFT)
    assert set(own.resources) - set(attached.resources) == KEPT
    assert set(attached.resources) <= set(own.resources)


def test_every_table_can_be_given() -> None:
    """A context with a new table needs its parameter, or no later stack can take the table over."""
    assert sorted(deployed().of_type("AWS::DynamoDB::GlobalTable")) == sorted(
        f"{name}Table" for name in NAMES
    )
    assert STREAMS.keys() <= deployed().parameters.keys()


@pytest.mark.parametrize("name", NAMES)
def test_each_table_is_given_by_its_stream_alone(name: str) -> None:
    """A later release with one more table makes that one in a stack that was given the others."""
    parameter = f"{name}StreamArn"
    own, attached = deployed(), deployed(**{parameter: STREAMS[parameter]})
    assert set(own.resources) - set(attached.resources) == {f"{name}Table"}


@pytest.mark.parametrize(
    ("parameter", "names"),
    [
        ("ExistingBus", {"Bus", "BusArchive"}),
        ("ExistingLakeBucketName", {"LakeBucket"}),
        ("ExistingFilesBucketName", {"FilesBucket"}),
    ],
)
def test_bus_and_buckets_are_given_one_by_one(parameter: str, names: set[str]) -> None:
    own, attached = deployed(), deployed(**{parameter: LEFT[parameter]})
    assert set(own.resources) - set(attached.resources) == names


def test_the_relays_read_the_given_streams_and_publish() -> None:
    mappings = deployed(**LEFT).of_type("AWS::Lambda::EventSourceMapping")
    for name, parameter in SOURCES.items():
        assert mappings[name]["EventSourceArn"] == STREAMS[parameter]
        # What the earlier stack did not publish any more is still in the stream.
        assert mappings[name]["StartingPosition"] == "TRIM_HORIZON"
        assert mappings[name]["Enabled"] is True


def test_rules_and_relays_use_the_given_bus() -> None:
    attached = deployed(**LEFT)
    rules = attached.of_type("AWS::Events::Rule").values()
    names = [rule["EventBusName"] for rule in rules if "EventBusName" in rule]
    assert names
    assert {json.dumps(name) for name in names} == {'"zebros-events"'}
    relay = attached.resources["CustomersRelayRole"].properties["Policies"][0]
    (statement,) = relay["PolicyDocument"]["Statement"]
    assert statement["Resource"] == "arn:aws:events:us-east-1:123456789012:event-bus/zebros-events"


def test_reports_and_monitoring_use_the_given_buckets() -> None:
    own, attached = deployed(), deployed(**LEFT)
    for bucket, parameter in (
        ("LakeBucket", "ExistingLakeBucketName"),
        ("FilesBucket", "ExistingFilesBucketName"),
    ):
        assert bucket not in text(attached).replace(f"{bucket}Policy", "").replace(
            f"{bucket}Name", ""
        )
        used = json.dumps({"Ref": bucket}), f"${{{bucket}}}"
        assert any(one in text(own) for one in used)
        assert LEFT[parameter] in text(attached)
        policy = attached.resources[f"{bucket}Policy"].properties
        assert policy["Bucket"] == LEFT[parameter]
        (statement,) = policy["PolicyDocument"]["Statement"]
        arn = f"arn:aws:s3:::{LEFT[parameter]}"
        assert statement["Resource"] == [arn, f"{arn}/*"]


def test_a_bucket_of_the_stack_is_closed_to_connections_without_tls() -> None:
    for bucket in ("LakeBucket", "FilesBucket"):
        policy = deployed().resources[f"{bucket}Policy"].properties
        assert policy["Bucket"] == {"Ref": bucket}
        (statement,) = policy["PolicyDocument"]["Statement"]
        arns = [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}]
        assert statement["Resource"] == arns


def test_commands_find_the_given_bus_and_buckets_in_the_outputs() -> None:
    outputs = deployed(**LEFT).outputs
    assert outputs["BusName"] == outputs["ArchiveName"] == "zebros-events"
    assert outputs["LakeBucketName"] == LEFT["ExistingLakeBucketName"]
    assert outputs["FilesBucketName"] == LEFT["ExistingFilesBucketName"]


def test_a_stack_in_another_region_finds_its_own_bus() -> None:
    where = Account(region="eu-central-1")
    attached = resolve(ROOT / "template.yaml", {"ExistingBus": "yes"}, account=where)
    assert "arn:aws:events:eu-central-1:123456789012:event-bus/zebros-events" in text(attached)


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_move_of_phase_does_not_touch_what_the_stack_was_given(phase: str) -> None:
    before, after = deployed("mvp", **LEFT), deployed(phase, **LEFT)
    touched = {one.name for one in difference(before, after)}
    assert not touched & KEPT


@pytest.mark.parametrize("parameter", STREAMS)
def test_a_given_table_cannot_be_replicated_by_the_stack(parameter: str) -> None:
    with pytest.raises(TemplateError, match="ReplicaRegion needs tables that the stack itself has"):
        resolve(
            ROOT / "template.yaml",
            parameters("enterprise", ReplicaRegion="eu-central-1", **{parameter: "arn"}),
        )


@pytest.mark.parametrize("parameter", ["ExistingLakeBucketName", "ExistingFilesBucketName"])
def test_a_given_bucket_cannot_be_replicated_by_the_stack(parameter: str) -> None:
    replicas = {"ReplicaLakeBucketName": "one", "ReplicaFilesBucketName": "two"}
    with pytest.raises(TemplateError, match="needs buckets that the stack itself has made"):
        resolve(
            ROOT / "template.yaml", parameters("enterprise", **replicas, **{parameter: "given"})
        )


ONE_REGION = {"RegionRole": "primary", "ReplicaRegion": "", "WitnessRegion": ""}


def test_the_given_buckets_are_watched() -> None:
    shared = {"SystemName": "zebros", "Phase": "mvp", "ExistingBus": "no", **ONE_REGION}
    shared |= {"ReplicaLakeBucketName": "", "ReplicaFilesBucketName": ""}
    given = {"ExistingLakeBucketName": "lake", "ExistingFilesBucketName": "files"}
    found = resolve(ROOT / "infra" / "shared.yaml", shared | given)
    assert found.outputs["WatchedNames"] == "lake,files"


@pytest.mark.parametrize("given", ["ExistingLakeBucketName", "ExistingFilesBucketName"])
def test_the_shared_stack_itself_replicates_no_given_bucket(given: str) -> None:
    shared = {
        "SystemName": "zebros",
        "Phase": "enterprise",
        **ONE_REGION,
        "ReplicaLakeBucketName": "one",
        "ReplicaFilesBucketName": "two",
        "ExistingBus": "no",
        "ExistingLakeBucketName": "",
        "ExistingFilesBucketName": "",
    }
    path = ROOT / "infra" / "shared.yaml"
    assert "ReplicationRole" in resolve(path, shared).resources
    assert "ReplicationRole" not in resolve(path, shared | {given: "given"}).resources


def parameters(phase: str, **more: str) -> dict[str, Any]:
    return DOMAIN | {"Phase": phase} | more
