"""The resources of a deployed stack and its nested stacks are read from CloudFormation."""

import json
from typing import Any

import boto3
import pytest

from zebros.client.stack import Resources, made, read
from zebros.errors import NotReady

QUEUE = {"Type": "AWS::SQS::Queue"}


def nested(name: str, resources: dict[str, Any]) -> dict[str, Any]:
    """A nested stack's resource; its template is put into a bucket."""
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="templates")
    s3.put_object(Bucket="templates", Key=name, Body=json.dumps({"Resources": resources}))
    url = f"https://templates.s3.amazonaws.com/{name}"
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}


@pytest.fixture
def deployed(cloud: Any) -> Resources:
    """Root, context and two modules."""
    module = nested("module", {"DeadLetters": QUEUE})
    keys = [{"AttributeName": "pk", "KeyType": "HASH"}]
    table = {
        "KeySchema": keys,
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "TableName": "zebros-orders",
    }
    store = nested("store", {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": table}})
    context = {
        "OrdersQueue": QUEUE,
        "OrdersRelayInput": module,
        "OrdersStore": store,
        "OrdersBucket": {"Type": "AWS::S3::Bucket"},
        "OrdersRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": {"Statement": []}},
        },
    }
    root = {"Orders": nested("context", context), "LakeBucket": {"Type": "AWS::S3::Bucket"}}
    cloudformation = boto3.client("cloudformation")
    cloudformation.create_stack(
        StackName="zebros",
        TemplateBody=json.dumps({"Resources": root}),
        Capabilities=["CAPABILITY_IAM"],
    )
    return read(cloudformation, "zebros")


def test_resources_of_nested_stacks_are_found_by_their_logical_ids(deployed: Resources) -> None:
    assert deployed.bucket("LakeBucket").startswith("zebros-lakebucket-")
    assert deployed.queue("OrdersQueue").startswith("https://")
    assert deployed.bucket("OrdersBucket").startswith("zebros-orders-")


def test_a_module_resource_is_named_after_its_stack(deployed: Resources) -> None:
    assert set(deployed.queues) == {"OrdersQueue", "OrdersRelayDeadLetters"}
    assert deployed.tables == {"OrdersTable": "zebros-orders"}


def test_only_kinds_that_commands_use_are_returned(deployed: Resources) -> None:
    assert set(deployed.by_kind) == {"queues", "buckets", "tables"}


def test_a_missing_resource_is_reported(deployed: Resources) -> None:
    with pytest.raises(NotReady, match="no CustomersApi among its functions") as rejected:
        deployed.function("CustomersApi")
    assert "deploy it again" in rejected.value.hint
    assert deployed.find("functions", "CustomersApi") is None


def test_every_page_is_read() -> None:
    class Pages:
        """In place of CloudFormation: a stack with more resources than a page has."""

        def get_paginator(self, name: str) -> "Pages":
            assert name == "list_stack_resources"
            return self

        def paginate(self, StackName: str) -> list[dict[str, Any]]:  # noqa: N803
            assert StackName == "zebros"
            return [{"StackResourceSummaries": [one]} for one in LISTED]

        def describe_stacks(self, **_: str) -> dict[str, Any]:
            return {"Stacks": [{}]}

    assert read(Pages(), "zebros").functions == {"A": "z-A", "B": "z-B"}


STATUSES = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "DELETE_COMPLETE")
LISTED = [
    {
        "ResourceType": "AWS::Lambda::Function",
        "LogicalResourceId": name,
        "PhysicalResourceId": f"z-{name}",
        "ResourceStatus": status,
    }
    for name, status in zip("ABC", STATUSES, strict=True)
]


GIVEN = """
Parameters:
  OrdersStreamArn: {Type: String}
  OthersStreamArn: {Type: String}
  Phase: {Type: String, Default: mvp}
Resources:
  LakeBucket: {Type: AWS::S3::Bucket}
Outputs:
  BusName: {Value: given-bus}
  ArchiveName: {Value: given-archive}
  LakeBucketName: {Value: !Ref LakeBucket}
  FilesBucketName: {Value: given-files}
  ApiUrl: {Value: other}
"""


def test_what_a_stack_was_given_has_the_name_that_it_would_have(cloud: Any) -> None:
    """Tables by the parameters of their streams, bus, archive and buckets by the outputs."""
    cloudformation = boto3.client("cloudformation")
    stream = "arn:aws:dynamodb:us-east-1:123456789012:table/zebros-orders/stream/2026-01-01T00:00"
    cloudformation.create_stack(
        StackName="zebros",
        TemplateBody=GIVEN,
        Parameters=[
            {"ParameterKey": "OrdersStreamArn", "ParameterValue": stream},
            {"ParameterKey": "OthersStreamArn", "ParameterValue": ""},
        ],
    )
    found = read(cloudformation, "zebros")
    (lake,) = boto3.client("s3").list_buckets()["Buckets"]
    assert found.by_kind == {
        "tables": {"OrdersTable": "zebros-orders"},
        "buses": {"Bus": "given-bus"},
        "archives": {"BusArchive": "given-archive"},
        "buckets": {"LakeBucket": lake["Name"], "FilesBucket": "given-files"},
    }
    assert set(made(cloudformation, "zebros").by_kind) == {"buckets"}


def test_a_rule_is_known_without_the_bus_before_its_name() -> None:
    rules = {"OrdersRule": "zebros-events|zebros-OrdersRule-1A2B", "Other": "zebros-Other-1A2B"}
    assert Resources({"rules": rules}).rules == {
        "OrdersRule": "zebros-OrdersRule-1A2B",
        "Other": "zebros-Other-1A2B",
    }
