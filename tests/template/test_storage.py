"""Storage classes of objects in the resolved buckets, compared with the scaling strategy."""

import ast
from typing import Any

import pytest

from tests.template.stack import PHASES, ROOT, listed, resources

IA, TIERED, GLACIER = "STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR"
type Move = tuple[str, str, int]
"""A prefix ("" for every object), a storage class, and the days before objects move to it."""

# The strategy by phase: "S3: standard | standard | lifecycle policies | Intelligent-Tiering", and
# "imports to IA after 30 days, reports to IA after 60 days and Glacier after a year".
FILES: dict[str, set[Move]] = {
    "mvp": set(),
    "startup": set(),
    "growth": {("imports/", IA, 30), ("reports/", IA, 60), ("reports/", GLACIER, 365)},
    # Intelligent-Tiering has its own infrequent access tier, which an object enters after 30 days
    # without a download: neither later than imports nor than reports should.
    "enterprise": {("", TIERED, 0), ("reports/", GLACIER, 365)},
}
# "infrequent access for old files"; the days are ours.
LAKE: dict[str, set[Move]] = {
    "mvp": set(),
    "startup": set(),
    "growth": {("", IA, 90)},
    "enterprise": {("", TIERED, 0)},
}
# "S3 prefixes customers/{id}/documents/, imports/{id}/, reports/{id}/"; the tenant is ours.
KINDS = ("customers/", "imports/", "reports/")


def rules(bucket: str, phase: str) -> list[dict[str, Any]]:
    """The lifecycle rules of a bucket."""
    found = resources("AWS::S3::Bucket", Phase=phase)[bucket]["LifecycleConfiguration"]["Rules"]
    names = [rule["Id"] for rule in found]
    assert len(names) == len(set(names))
    assert all(rule["Status"] == "Enabled" for rule in found)
    return list(found)


def moves(bucket: str, phase: str) -> set[Move]:
    """Every transition of a bucket's objects."""
    found = [
        (rule.get("Prefix", ""), one["StorageClass"], one["TransitionInDays"])
        for rule in rules(bucket, phase)
        for one in rule.get("Transitions", [])
    ]
    assert len(found) == len(set(found))
    return set(found)


@pytest.mark.parametrize("phase", PHASES)
def test_files_move_to_cheaper_classes_as_the_strategy_says(phase: str) -> None:
    assert moves("FilesBucket", phase) == FILES[phase]
    assert {prefix for prefix, *_ in FILES[phase]} - {""} <= set(KINDS)


@pytest.mark.parametrize("phase", PHASES)
def test_old_events_move_to_cheaper_classes(phase: str) -> None:
    assert moves("LakeBucket", phase) == LAKE[phase]


@pytest.mark.parametrize("phase", PHASES)
def test_only_what_was_deleted_or_never_completed_is_removed_by_age(phase: str) -> None:
    def others(bucket: str) -> dict[str, dict[str, Any]]:
        return {one["Id"]: one for one in rules(bucket, phase) if "Transitions" not in one}

    uploads = {
        "Id": "abort-incomplete-uploads",
        "Status": "Enabled",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    deleted = {
        "Id": "expire-deleted-objects",
        "Status": "Enabled",
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
        "ExpiredObjectDeleteMarker": True,
    }
    assert others("FilesBucket") == {uploads["Id"]: uploads, deleted["Id"]: deleted}
    for bucket in resources("AWS::S3::Bucket", Phase=phase):
        assert uploads in rules(bucket, phase), bucket
    assert others("LakeBucket") == {uploads["Id"]: uploads, deleted["Id"]: deleted}


@pytest.mark.parametrize("phase", PHASES)
def test_a_rule_that_moves_objects_does_nothing_else(phase: str) -> None:
    for bucket in ("FilesBucket", "LakeBucket"):
        for rule in rules(bucket, phase):
            if "Transitions" in rule:
                assert rule.keys() <= {"Id", "Status", "Prefix", "Transitions"}


def test_objects_are_written_and_read_below_the_prefix_of_their_kind_only() -> None:
    """A lifecycle rule goes by the beginning of a key: a report with another one would stay."""
    documents = [
        *(p for r in resources("AWS::IAM::Role").values() for p in r.get("Policies", [])),
        *resources("AWS::IAM::Policy").values(),
    ]
    allowed = {
        (action, resource["Fn::Sub"])
        for document in documents
        for statement in document["PolicyDocument"]["Statement"]
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
        if action in ("s3:GetObject", "s3:PutObject")
    }
    assert allowed == {
        (f"s3:{action}Object", f"arn:aws:s3:::{objects}")
        for action in ("Get", "Put")
        for objects in (
            "${FilesBucket}/imports/*",
            "${FilesBucket}/reports/*",
            "${LakeBucket}/tenant=*",
        )
    }


def writes() -> dict[str, set[str]]:
    """The arguments of every `put_object` in the code that runs in AWS, by module."""
    found: dict[str, set[str]] = {}
    for path in [*(ROOT / "services").rglob("*.py"), *(ROOT / "worker").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=name), keywords=keywords) if name in (
                    "put_object",
                    "upload_file",
                    "upload_fileobj",
                    "copy_object",
                ):
                    found[str(path.relative_to(ROOT / "services"))] = {
                        one.arg or ast.unparse(one.value) for one in keywords
                    }
    return found


def test_everything_that_is_written_is_compressed() -> None:
    """'compression of everything written'; component tests compare the stored bytes."""
    encoded = writes()
    assert set(encoded) == {
        "imports/adapters/run_files.py",
        "reporting/adapters/files.py",
        "reporting/lake/writer.py",
    }
    assert "ContentEncoding" in encoded["imports/adapters/run_files.py"]
    assert "ContentEncoding" in encoded["reporting/lake/writer.py"]
    assert "encoding" in encoded["reporting/adapters/files.py"]


def test_a_deleted_event_can_be_restored() -> None:
    """Without versions, the rule for deleted objects would have nothing to keep."""
    bucket = resources("AWS::S3::Bucket", Phase="mvp")["LakeBucket"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
