"""What an earlier stack has left is found, checked and completed; AWS is in memory."""

import json
from typing import Any

import boto3
import pytest

from tests.template.stack import ROOT, resources
from zebros import cli
from zebros.client import aws
from zebros.errors import BadInput, NotReady
from zebros.operations.attaching import Attachment, Clients, Wanted, attach

TABLES = {one["TableName"]: one for one in resources("AWS::DynamoDB::GlobalTable").values()}
LAKE, FILES = "zebros-shared-1abc-lakebucket-1abc", "zebros-shared-1abc-filesbucket-2def"
ARCHIVE = resources("AWS::Events::Archive")["BusArchive"]
WANTED = Wanted("zebros", ROOT / "template.yaml")


class Left:
    """What a deleted stack has left; each part can be made otherwise by a test."""

    def __init__(self) -> None:
        self.clients = Clients(
            *(boto3.client(one) for one in ("cloudformation", "dynamodb", "events", "s3"))
        )

    def table(self, name: str, **otherwise: Any) -> None:
        wanted = TABLES[name]
        keys = ("KeySchema", "AttributeDefinitions")
        indexes = [
            {key: one[key] for key in ("IndexName", "KeySchema", "Projection")}
            for one in wanted["GlobalSecondaryIndexes"]
        ]
        self.clients.dynamodb.create_table(
            **{
                "TableName": name,
                "BillingMode": "PAY_PER_REQUEST",
                "GlobalSecondaryIndexes": indexes,
                "StreamSpecification": {
                    "StreamEnabled": True,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
                "SSESpecification": {"Enabled": True},
                "DeletionProtectionEnabled": True,
                **{key: wanted[key] for key in keys},
                **otherwise,
            }
        )

    def settings(self, name: str) -> None:
        self.clients.dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True}
        )
        self.clients.dynamodb.update_continuous_backups(
            TableName=name,
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )

    def bus(self, *, archive: bool = True, **otherwise: Any) -> None:
        arn = self.clients.events.create_event_bus(Name="zebros-events")["EventBusArn"]
        if archive:
            values = {
                "ArchiveName": "zebros-events",
                "EventSourceArn": arn,
                "EventPattern": json.dumps(ARCHIVE["EventPattern"]),
                "RetentionDays": 365,
            }
            self.clients.events.create_archive(**values | otherwise)

    def bucket(self, name: str, *, complete: bool = True, region: str = "us-east-1") -> None:
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        self.clients.s3.create_bucket(Bucket=name, **(place if region != "us-east-1" else {}))
        if complete:
            self.clients.s3.put_bucket_versioning(
                Bucket=name, VersioningConfiguration={"Status": "Enabled"}
            )
            rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            self.clients.s3.put_bucket_encryption(
                Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]}
            )
            blocks = (
                *("BlockPublicAcls", "IgnorePublicAcls"),
                *("BlockPublicPolicy", "RestrictPublicBuckets"),
            )
            self.clients.s3.put_public_access_block(
                Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(blocks, True)
            )

    def all_but(self, *names: str) -> None:
        """Everything, except the tables, buckets or bus of these names."""
        for name in set(TABLES) - set(names):
            self.table(name)
            self.settings(name)
        if "bus" not in names:
            self.bus()
        for bucket in {LAKE, FILES} - set(names):
            self.bucket(bucket)

    def attach(self, wanted: Wanted = WANTED, **options: bool) -> Attachment:
        return attach(self.clients, wanted, **options)

    def described(self, name: str) -> dict[str, Any]:
        table: dict[str, Any] = self.clients.dynamodb.describe_table(TableName=name)["Table"]
        return table


@pytest.fixture
def left(cloud: Any) -> Left:
    return Left()


def test_everything_that_is_left_is_given_to_the_new_stack(left: Left) -> None:
    left.all_but()
    found = left.attach()
    assert (found.problems, found.changes) == ([], [])
    streams = {
        f"{name.removeprefix('zebros-').capitalize()}StreamArn": left.described(name)[
            "LatestStreamArn"
        ]
        for name in TABLES
    }
    assert found.parameters == streams | {
        "ExistingBus": "yes",
        "ExistingLakeBucketName": LAKE,
        "ExistingFilesBucketName": FILES,
    }


def test_the_parameters_are_those_of_the_template(left: Left) -> None:
    left.all_but()
    declared = (ROOT / "template.yaml").read_text(encoding="utf-8")
    for name in left.attach().parameters:
        assert f"\n  {name}: " in declared, name


RESTORED = {
    "StreamSpecification": {"StreamEnabled": False},
    "SSESpecification": {"Enabled": False},
    "DeletionProtectionEnabled": False,
}
SWITCHED_ON = [
    f"table zebros-customers: {one}"
    for one in (
        "encryption by KMS",
        "deletion protection",
        "deletion of expired items",
        "point-in-time recovery",
        "stream",
    )
]


def test_a_restored_table_gets_what_a_restore_leaves_out(left: Left) -> None:
    left.all_but("zebros-customers")
    left.table("zebros-customers", **RESTORED)
    updates: list[dict[str, Any]] = []
    meta = left.clients.dynamodb.meta.events
    meta.register(
        "before-parameter-build.dynamodb.UpdateTable", lambda params, **_: updates.append(params)
    )
    found = left.attach()
    assert (found.problems, found.changes) == ([], SWITCHED_ON)
    # The tables in memory do not change their encryption.
    assert updates[0] == {"TableName": "zebros-customers", "SSESpecification": {"Enabled": True}}
    table = left.described("zebros-customers")
    assert table["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"
    assert table["DeletionProtectionEnabled"] is True
    assert found.parameters["CustomersStreamArn"] == table["LatestStreamArn"]
    name = {"TableName": "zebros-customers"}
    expiry = left.clients.dynamodb.describe_time_to_live(**name)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}
    backups = left.clients.dynamodb.describe_continuous_backups(**name)
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
    assert left.attach().changes == SWITCHED_ON[:1], "a second run has nothing to do"


def test_a_dry_run_changes_nothing(left: Left) -> None:
    left.all_but("zebros-customers", LAKE, "bus")
    left.table("zebros-customers", **RESTORED)
    left.bucket(LAKE, complete=False)
    left.bus(archive=False)
    found = left.attach(dry_run=True)
    assert found.changes[: len(SWITCHED_ON)] == SWITCHED_ON
    assert left.attach(dry_run=True).changes == found.changes
    assert "LatestStreamArn" not in left.described("zebros-customers")
    assert left.clients.events.list_archives()["Archives"] == []


def test_a_provisioned_table_becomes_on_demand(left: Left) -> None:
    """Nothing scales a table that no stack owns."""
    left.all_but("zebros-edge")
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}
    index = TABLES["zebros-edge"]["GlobalSecondaryIndexes"][0]
    left.table(
        "zebros-edge",
        BillingMode="PROVISIONED",
        ProvisionedThroughput=units,
        GlobalSecondaryIndexes=[
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            | {"ProvisionedThroughput": units}
        ],
    )
    left.settings("zebros-edge")
    assert left.attach().changes == ["table zebros-edge: billing on demand"]
    billing = left.described("zebros-edge")["BillingModeSummary"]["BillingMode"]
    assert billing == "PAY_PER_REQUEST"


def index(name: str, **otherwise: Any) -> dict[str, Any]:
    keys = [
        {"AttributeName": f"{name}pk", "KeyType": "HASH"},
        {"AttributeName": f"{name}sk", "KeyType": "RANGE"},
    ]
    projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["doc"]}
    return {"IndexName": name, "KeySchema": keys, "Projection": projection, **otherwise}


HASH_ALONE = [{"AttributeName": "gsi1pk", "KeyType": "HASH"}]
WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "AttributeDefinitions": [
                {"AttributeName": one, "AttributeType": "S"} for one in ("id", "gsi1pk", "gsi1sk")
            ],
        },
        "The table zebros-edge has the keys id (partition, S), "
        "not pk (partition, S) and sk (sort, S).",
    ),
    (
        {
            "AttributeDefinitions": [
                {"AttributeName": one, "AttributeType": "N" if one == "sk" else "S"}
                for one in ("pk", "sk", "gsi1pk", "gsi1sk")
            ]
        },
        "The table zebros-edge has the keys pk (partition, S) and sk (sort, N), "
        "not pk (partition, S) and sk (sort, S).",
    ),
    (
        {"GlobalSecondaryIndexes": [index("gsi1", IndexName="other")]},
        "The table zebros-edge has no index gsi1: create it with update-table.",
    ),
    (
        {
            "GlobalSecondaryIndexes": [index("gsi1", KeySchema=HASH_ALONE)],
            "AttributeDefinitions": [
                {"AttributeName": one, "AttributeType": "S"} for one in ("pk", "sk", "gsi1pk")
            ],
        },
        "The table zebros-edge has the index gsi1 with the keys gsi1pk (partition, S), "
        "not gsi1pk (partition, S) and gsi1sk (sort, S).",
    ),
    (
        {"GlobalSecondaryIndexes": [index("gsi1", Projection={"ProjectionType": "ALL"})]},
        "The table zebros-edge has the index gsi1 with other attributes.",
    ),
    (
        {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}},
        "The table zebros-edge has a stream of KEYS_ONLY, not NEW_AND_OLD_IMAGES: switch it off "
        "with update-table when its records are not needed any more.",
    ),
]


@pytest.mark.parametrize(("otherwise", "problem"), WRONG)
def test_a_table_that_cannot_be_used_is_not_touched(
    left: Left, otherwise: dict[str, Any], problem: str
) -> None:
    left.all_but("zebros-edge")
    left.table("zebros-edge", **otherwise, DeletionProtectionEnabled=False)
    found = left.attach()
    assert (found.problems, found.changes) == ([problem], [])
    assert left.described("zebros-edge")["DeletionProtectionEnabled"] is False


def test_a_table_that_deletes_items_by_another_attribute_is_a_problem(left: Left) -> None:
    left.all_but("zebros-edge")
    left.table("zebros-edge")
    left.clients.dynamodb.update_time_to_live(
        TableName="zebros-edge",
        TimeToLiveSpecification={"AttributeName": "expires", "Enabled": True},
    )
    problem = "The table zebros-edge deletes items by expires, not by ttl."
    assert left.attach().problems == [problem]


def test_a_missing_table_is_a_problem_until_the_stack_is_told_to_make_it(left: Left) -> None:
    left.all_but("zebros-contacts")
    (problem,) = left.attach().problems
    assert problem.startswith("There is no table zebros-contacts: restore it")
    found = left.attach(Wanted("zebros", ROOT / "template.yaml", new=["ContactsTable"]))
    assert found.problems == []
    assert "ContactsStreamArn" not in found.parameters


def test_a_missing_bus_is_made_with_its_archive_by_the_stack_alone(left: Left) -> None:
    left.all_but("bus")
    (problem,) = left.attach().problems
    assert problem == "There is no event bus zebros-events: let the stack make it with --new Bus."
    found = left.attach(Wanted("zebros", ROOT / "template.yaml", new=["Bus"]))
    assert found.problems == []
    assert "ExistingBus" not in found.parameters


def test_a_bus_without_its_archive_gets_one(left: Left) -> None:
    left.all_but("bus")
    left.bus(archive=False)
    assert left.attach().problems == []
    (arn,) = [
        one["Arn"] for one in left.clients.events.list_event_buses(NamePrefix="z")["EventBuses"]
    ]
    archive = left.clients.events.describe_archive(ArchiveName="zebros-events")
    assert archive["EventSourceArn"] == arn
    assert archive["RetentionDays"] == 365
    assert json.loads(archive["EventPattern"])["source"] == ARCHIVE["EventPattern"]["source"]


def test_an_archive_that_keeps_less_is_corrected(left: Left) -> None:
    left.all_but("bus")
    left.bus(RetentionDays=30)
    assert left.attach().changes == ["archive zebros-events: pattern and 365 days"]
    archive = left.clients.events.describe_archive(ArchiveName="zebros-events")
    assert archive["RetentionDays"] == 365


def test_an_archive_of_another_bus_is_a_problem(left: Left) -> None:
    left.all_but("bus")
    other = left.clients.events.create_event_bus(Name="other")["EventBusArn"]
    left.bus(EventSourceArn=other)
    assert left.attach().problems == [f"The archive zebros-events is of another bus: {other}."]


def test_a_bucket_gets_versions_encryption_and_privacy(left: Left) -> None:
    left.all_but(LAKE)
    left.bucket(LAKE, complete=False)
    left.clients.s3.delete_bucket_encryption(Bucket=LAKE)
    changes = [
        f"bucket {LAKE}: {one}"
        for one in ("versions of objects", "encryption", "block of public access")
    ]
    assert left.attach().changes == changes
    versions = left.clients.s3.get_bucket_versioning(Bucket=LAKE)
    assert versions["Status"] == "Enabled"
    assert left.attach().changes == []


def test_a_bucket_of_another_stack_is_not_taken(left: Left) -> None:
    left.all_but(LAKE)
    left.bucket("zebros-test-shared-1abc-lakebucket-1abc")
    (problem,) = left.attach().problems
    assert problem.startswith("No bucket's name is that of the stack's LakeBucket: name it with")


def test_of_several_buckets_one_is_named(left: Left) -> None:
    left.all_but()
    other = LAKE.replace("1abc", "2abc")
    left.bucket(other)
    (problem,) = left.attach().problems
    assert problem == (
        f"Several buckets can be the stack's LakeBucket: {LAKE}, {other}. Name one with "
        f"--lake-bucket."
    )
    named = Wanted("zebros", ROOT / "template.yaml", {"LakeBucket": other})
    assert left.attach(named).parameters["ExistingLakeBucketName"] == other


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("elsewhere", "The bucket elsewhere is in eu-central-1, not in us-east-1."),
        ("nowhere", "The bucket nowhere cannot be read: NoSuchBucket."),
    ],
)
def test_a_bucket_that_is_not_in_the_region_is_a_problem(
    left: Left, name: str, problem: str
) -> None:
    left.all_but()
    boto3.client("s3", region_name="eu-central-1").create_bucket(
        Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    named = Wanted("zebros", ROOT / "template.yaml", {"LakeBucket": name})
    assert left.attach(named).problems == [problem]


def test_an_unknown_name_of_what_is_new_is_rejected(left: Left) -> None:
    with pytest.raises(BadInput, match="--new contacts is nothing that a stack") as rejected:
        left.attach(Wanted("zebros", ROOT / "template.yaml", new=["contacts"]))
    assert "ContactsTable" in rejected.value.hint


class Formation:
    """In place of CloudFormation: a stack in a state that the one in memory never has."""

    def __init__(self, status: str, made: dict[str, str]) -> None:
        self.status, self.made = status, made

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": self.status}]}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: str) -> list[dict[str, Any]]:
        summaries = [
            {
                "ResourceType": kind,
                "LogicalResourceId": name,
                "PhysicalResourceId": name,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for name, kind in self.made.items()
        ]
        return [{"StackResourceSummaries": summaries}]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        ("ROLLBACK_COMPLETE", "is left from a deployment that failed"),
        ("DELETE_FAILED", "is left from a deployment that failed"),
        ("DELETE_IN_PROGRESS", "is being changed"),
    ],
)
def test_a_stack_in_an_unfit_state_is_refused(left: Left, status: str, message: str) -> None:
    left.clients.cloudformation = Formation(status, {})
    with pytest.raises(NotReady, match=message):
        left.attach()


def test_what_an_existing_stack_has_made_itself_is_left_to_it(left: Left) -> None:
    left.all_but()
    made = {
        f"{name.removeprefix('zebros-').capitalize()}Table": "AWS::DynamoDB::GlobalTable"
        for name in TABLES
    }
    left.clients.cloudformation = Formation("UPDATE_COMPLETE", made)
    assert set(left.attach().parameters) == {
        *("ExistingBus", "ExistingLakeBucketName", "ExistingFilesBucketName")
    }
    made |= {"Bus": "AWS::Events::EventBus", "BusArchive": "AWS::Events::Archive"}
    made |= dict.fromkeys(("LakeBucket", "FilesBucket"), "AWS::S3::Bucket")
    with pytest.raises(BadInput, match="makes everything itself"):
        left.attach()


def test_the_command_prints_the_deployment(left: Left, capsys: pytest.CaptureFixture[str]) -> None:
    left.all_but("zebros-customers")
    left.table("zebros-customers", **RESTORED)
    aws.client.cache_clear()
    assert cli.main(["--stack", "zebros", "attach"]) == 0
    printed = capsys.readouterr()
    (line,) = printed.out.splitlines()
    assert line.startswith("sam deploy --stack-name zebros --parameter-overrides ")
    stream = left.described("zebros-customers")["LatestStreamArn"]
    assert f" CustomersStreamArn={stream} " in f"{line} "
    assert "Switched on: table zebros-customers: stream." in printed.err


def test_the_command_prints_every_problem_and_no_deployment(
    left: Left, capsys: pytest.CaptureFixture[str]
) -> None:
    left.all_but("zebros-customers", "zebros-contacts")
    aws.client.cache_clear()
    assert cli.main(["--stack", "zebros", "attach", "--dry-run"]) == 1
    printed = capsys.readouterr()
    assert printed.out.count("There is no table zebros-c") == 2
    assert "sam deploy" not in printed.out
    assert cli.main(["--stack", "zebros", "--json", "attach", "--new", "ContactsTable"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["problems"]) == 1
    assert "ActivitiesStreamArn" in found["parameters"]


def test_the_command_needs_a_checkout(left: Left, capsys: pytest.CaptureFixture[str]) -> None:
    aws.client.cache_clear()
    assert cli.main(["--stack", "zebros", "attach", "--template", "nowhere.yaml"]) == 69
    assert "There is no template nowhere.yaml" in capsys.readouterr().err
