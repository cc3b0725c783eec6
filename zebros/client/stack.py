"""The resources of a deployed stack and its nested stacks, by logical id.

The name of a resource of a module (infra/modules) is prefixed with the name of its stack, without
the last word: `DeadLetters` in the nested stack `CustomersRelayInput` is
`CustomersRelayDeadLetters`, and `Table` in `CustomersStore` is `CustomersTable`.

What the stack was given instead of making it (docs/attaching.md) has the name that it would have.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from zebros.errors import NotReady

MODULE_SUFFIX = re.compile("(Input|Store)$")
"""The end of the name of a module's stack, after what its resources belong to."""
_NESTED = "AWS::CloudFormation::Stack"
_AT_ONCE = 8
"""Stacks that are listed at the same time."""
_KINDS = {
    "AWS::ApiGateway::RestApi": "rest_apis",
    "AWS::ApiGatewayV2::Api": "socket_apis",
    "AWS::CodeDeploy::DeploymentGroup": "deployment_groups",
    "AWS::DynamoDB::GlobalTable": "tables",
    "AWS::DynamoDB::Table": "tables",
    "AWS::Events::Archive": "archives",
    "AWS::Events::EventBus": "buses",
    "AWS::Events::Rule": "rules",
    "AWS::Lambda::Function": "functions",
    "AWS::S3::Bucket": "buckets",
    "AWS::SQS::Queue": "queues",
    "AWS::StepFunctions::StateMachine": "state_machines",
}
_GIVEN = {
    "BusName": ("buses", "Bus"),
    "ArchiveName": ("archives", "BusArchive"),
    "LakeBucketName": ("buckets", "LakeBucket"),
    "FilesBucketName": ("buckets", "FilesBucket"),
}
"""Kind and logical id of what an output of the root stack names."""
STREAM = re.compile(r"(\w+)StreamArn")
"""The parameter of a table that exists already; the group is the table's name without `Table`."""
_TABLE = re.compile(r":table/([^/]+)/stream/")


@dataclass(frozen=True)
class Resources:
    """A stack's resources: for each kind, the physical ids by logical id.

    The physical id is the value of CloudFormation's `Ref`: a queue's URL, a state machine's ARN,
    and the name of anything else. Methods for one resource raise NotReady when there is none.
    """

    by_kind: dict[str, dict[str, str]]

    @property
    def functions(self) -> dict[str, str]:
        """Names of functions."""
        return self.by_kind.get("functions", {})

    @property
    def tables(self) -> dict[str, str]:
        """Names of tables."""
        return self.by_kind.get("tables", {})

    @property
    def queues(self) -> dict[str, str]:
        """URLs of queues."""
        return self.by_kind.get("queues", {})

    @property
    def rules(self) -> dict[str, str]:
        """Names of rules, without the bus, with which CloudFormation prefixes them."""
        names = self.by_kind.get("rules", {})
        return {logical_id: name.rpartition("|")[2] for logical_id, name in names.items()}

    def function(self, name: str) -> str:
        """A function's name."""
        return self._one("functions", name)

    def table(self, name: str) -> str:
        """A table's name."""
        return self._one("tables", name)

    def queue(self, name: str) -> str:
        """A queue's URL."""
        return self._one("queues", name)

    def bucket(self, name: str) -> str:
        """A bucket's name."""
        return self._one("buckets", name)

    def bus(self) -> str:
        """The event bus."""
        return self._one("buses", "Bus")

    def archive(self) -> str:
        """The archive of the event bus."""
        return self._one("archives", "BusArchive")

    def find(self, kind: str, name: str) -> str | None:
        """The physical id of a resource that a stack may lack."""
        return self.by_kind.get(kind, {}).get(name)

    def _one(self, kind: str, name: str) -> str:
        physical_id = self.find(kind, name)
        if physical_id is None:
            raise NotReady(
                f"The deployed stack has no {name} among its {kind.replace('_', ' ')}.",
                hint="It was deployed from an older template: deploy it again (`zebros up`).",
            )
        return physical_id


def read(cloudformation: Any, stack: str) -> Resources:
    """What a stack and those nested in it have made or were given; `cloudformation` is a client."""
    by_kind = made(cloudformation, stack).by_kind
    for kind, logical_id, physical_id in _given(cloudformation, stack):
        by_kind.setdefault(kind, {}).setdefault(logical_id, physical_id)
    return Resources(by_kind)


def made(cloudformation: Any, stack: str) -> Resources:
    """The resources of a stack and of all stacks nested in it."""
    by_kind: dict[str, dict[str, str]] = {}
    level = [("", stack)]
    with ThreadPoolExecutor(_AT_ONCE) as several:
        while level:
            listed = several.map(lambda one: list(_summaries(cloudformation, one[1])), level)
            below: list[tuple[str, str]] = []
            for (prefix, _), summaries in zip(level, listed, strict=True):
                for kind, logical_id, physical_id in summaries:
                    if kind == _NESTED:
                        below.append((_prefix(logical_id), physical_id))
                    elif kind in _KINDS:
                        by_kind.setdefault(_KINDS[kind], {})[prefix + logical_id] = physical_id
            level = below
    return Resources(by_kind)


def _given(cloudformation: Any, stack: str) -> Iterator[tuple[str, str, str]]:
    """Kind, logical id and physical id of what outputs and parameters of the root stack name."""
    described = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    for output in described.get("Outputs", []):
        if output["OutputKey"] in _GIVEN:
            yield *_GIVEN[output["OutputKey"]], output["OutputValue"]
    for parameter in described.get("Parameters", []):
        name = STREAM.fullmatch(parameter["ParameterKey"])
        table = _TABLE.search(parameter.get("ParameterValue", ""))
        if name and table:
            yield "tables", f"{name[1]}Table", table[1]


def _prefix(nested: str) -> str:
    return MODULE_SUFFIX.sub("", nested) if MODULE_SUFFIX.search(nested) else ""


def _summaries(cloudformation: Any, stack: str) -> Iterator[tuple[str, str, str]]:
    """Type, logical id and physical id of the existing resources of a stack."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    for page in pages:
        for summary in page["StackResourceSummaries"]:
            physical_id = summary.get("PhysicalResourceId")
            if physical_id and summary["ResourceStatus"] != "DELETE_COMPLETE":
                yield summary["ResourceType"], summary["LogicalResourceId"], physical_id
