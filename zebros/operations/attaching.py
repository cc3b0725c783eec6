"""What a deleted stack has left, or a restore has made, as parameters of a new stack.

Tables, bus, archive and buckets outlive their stack. A new stack of the same name uses them when
its parameters name them (docs/adr/0033). Here they are looked up and compared with the templates;
what a restored table lacks, and can be switched on without a loss, is switched on.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zebros.client.stack import made
from zebros.errors import BadInput, NotReady
from zebros.operations.attached_buckets import Buckets
from zebros.operations.attached_tables import Tables

_TABLE, _BUCKET = "AWS::DynamoDB::GlobalTable", "AWS::S3::Bucket"
_BUS, _ARCHIVE = "AWS::Events::EventBus", "AWS::Events::Archive"
_BUCKETS = ("LakeBucket", "FilesBucket")


@dataclass(slots=True)
class Clients:
    """Clients of the account and region, or of the local platform."""

    cloudformation: Any
    dynamodb: Any
    events: Any
    s3: Any

    @property
    def region(self) -> str:
        """The region of the stack."""
        return str(self.dynamodb.meta.region_name)


@dataclass(slots=True)
class Attachment:
    """What was found: the parameters of the new stack, and what is in its way."""

    parameters: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    """What was switched on, as sentences; with `dry_run`, what would be."""
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for. `new` names what the stack is to make itself, as the templates name it."""

    stack: str
    template: Path
    buckets: dict[str, str] = field(default_factory=dict)
    """Names of buckets by logical id, where the stack's name is not enough to find them."""
    new: Collection[str] = ()


def attach(clients: Clients, wanted: Wanted, *, dry_run: bool = False) -> Attachment:
    """Look up, check and complete what the stack is to use.

    Raises BadInput for a name in `new` that the templates do not have, and when the stack itself
    has made everything; NotReady when an earlier deployment of the stack failed or is under way.
    """
    expected = _expected(wanted, clients.region)
    if unknown := sorted(set(wanted.new) - set(expected)):
        raise BadInput(
            f"--new {unknown[0]} is nothing that a stack can be given.",
            hint=f"These are: {', '.join(sorted(expected))}.",
        )
    own = _owned(clients.cloudformation, wanted.stack)
    missing = {name: one for name, one in expected.items() if name not in own | set(wanted.new)}
    if not missing:
        raise BadInput(f"The stack {wanted.stack} makes everything itself: nothing is attached.")
    found = Attachment()
    tables = Tables(clients.dynamodb, dry_run=dry_run)
    buckets = Buckets(clients.s3, clients.region, dry_run=dry_run)
    for name, (kind, properties) in sorted(missing.items()):
        if kind == _TABLE:
            stream = tables.attach(properties)
            found.parameters |= {f"{name.removesuffix('Table')}StreamArn": stream}
        elif kind == _BUCKET:
            bucket = buckets.attach(wanted.stack, name, wanted.buckets.get(name))
            found.parameters |= {f"Existing{name}Name": bucket}
    for one in (tables, buckets):
        found.changes += one.changes
        found.problems += one.problems
    if "Bus" in missing:
        found.parameters |= {"ExistingBus": "yes"}
        _check_bus(clients.events, missing["Bus"][1], expected["BusArchive"][1], found, dry_run)
    return found


def _expected(wanted: Wanted, region: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Type and properties of what a stack can be given, by logical id."""
    from zebros.cloudformation import Account, resolve

    account = Account(region=region, stack_name=wanted.stack)
    system = resolve(wanted.template, account=account)
    return {
        name: (resource.type, resource.properties)
        for name, resource in system.resources.items()
        if resource.type in (_TABLE, _BUS) or name in (*_BUCKETS, "BusArchive")
    }


def _owned(cloudformation: Any, stack: str) -> set[str]:
    """The logical ids of what the stack has made, when it exists."""
    from botocore.exceptions import ClientError

    try:
        status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return set()
        raise
    if status == "DELETE_COMPLETE":
        return set()
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
        raise NotReady(
            f"The stack {stack} is left from a deployment that failed ({status}).",
            hint="Delete it first: `aws cloudformation delete-stack`. Its data stays.",
        )
    if status.endswith("_IN_PROGRESS"):
        raise NotReady(f"The stack {stack} is being changed ({status}).", hint="Wait for its end.")
    return {name for kind in made(cloudformation, stack).by_kind.values() for name in kind}


def _check_bus(
    events: Any,
    bus: dict[str, Any],
    archive: dict[str, Any],
    found: Attachment,
    dry_run: bool,
) -> None:
    """Compare bus and archive with the templates; an archive that is missing is created."""
    try:
        arn = events.describe_event_bus(Name=bus["Name"])["Arn"]
    except events.exceptions.ResourceNotFoundException:
        found.problems.append(
            f"There is no event bus {bus['Name']}: let the stack make it with --new Bus."
        )
        return
    name, pattern = archive["ArchiveName"], archive["EventPattern"]
    try:
        actual = events.describe_archive(ArchiveName=name)
    except events.exceptions.ResourceNotFoundException:
        found.changes.append(f"archive {name} of the bus, which keeps events from now on")
        if not dry_run:
            events.create_archive(
                ArchiveName=name,
                EventSourceArn=arn,
                Description=archive["Description"],
                EventPattern=json.dumps(pattern),
                RetentionDays=archive["RetentionDays"],
            )
        return
    if actual["EventSourceArn"] != arn:
        found.problems.append(f"The archive {name} is of another bus: {actual['EventSourceArn']}.")
    if actual.get("State", "ENABLED") not in ("ENABLED", "CREATING", "UPDATING"):
        found.problems.append(
            f"The archive {name} takes no events; its state is {actual['State']}."
        )
    kept = actual.get("RetentionDays", 0)
    if json.loads(actual.get("EventPattern") or "{}") != pattern or (
        0 < kept < archive["RetentionDays"]
    ):
        found.changes.append(f"archive {name}: pattern and {archive['RetentionDays']} days")
        if not dry_run:
            events.update_archive(
                ArchiveName=name,
                EventPattern=json.dumps(pattern),
                RetentionDays=archive["RetentionDays"],
            )
