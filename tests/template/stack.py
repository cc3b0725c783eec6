"""The templates as data: one by one, or resolved into the whole system (zebros.cloudformation)."""

import re
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from zebros.cloudformation import System, resolve
from zebros.cloudformation.load import load as load_file

ROOT = Path(__file__).resolve().parents[2]
_SCHEMAS = Path(str(distribution("cfn-lint").locate_file("cfnlint/data/schemas")))
STATES_LANGUAGE = _SCHEMAS / "other" / "step_functions" / "statemachine.json"
"""The schema of state machines. To import cfn-lint for its path would take a second."""
PHASES = ("mvp", "startup", "growth", "enterprise")
DOMAIN = {
    "DomainName": "crm.example.com",
    "HostedZoneId": "Z0123456789",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "EdgeCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/2",
}
"""What the phases growth and enterprise need."""
IDENTITY = {
    "IdentityImage": "keycloak:1",
    "IdentityDomainName": "id.example.com",
    "IdentityCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "CloudFrontPrefixListId": "pl-3b927c52",
}
"""What a Keycloak of the system's own needs."""
EVERYTHING = {
    "Phase": "enterprise",
    "WorkerImage": "worker:1",
    "ReserveConcurrency": "yes",
    **DOMAIN,
    **IDENTITY,
    "IdentityAdminCidr": "203.0.113.7/32",
    "ReplicaLakeBucketName": "replica-lake",
    "ReplicaFilesBucketName": "replica-files",
    "AlarmEmail": "ops@example.com",
    "Dashboards": "yes",
    "AllowedOrigin": "https://app.example.com",
}
"""Parameters with which every resource exists."""
SECONDARY = {
    "RegionRole": "secondary",
    "ReplicaRegion": "",
    "IdentityGlobalDatabaseId": "zebros-keycloak",
    **{
        f"{name}StreamArn": f"arn:aws:dynamodb:eu-central-1:123456789012:table/{name}/stream/1"
        for name in (
            "Customers",
            "Contacts",
            "Opportunities",
            "Activities",
            "Reporting",
            "Imports",
            "Notifications",
            "Scaling",
        )
    },
}
"""What a second region needs in addition."""
NAMES = (
    *("Edge", "Customers", "Contacts", "Opportunities"),
    *("Activities", "Reporting", "Imports", "Notifications", "Scaling"),
)
"""The tables, by their logical ids without `Table`."""
LEFT = {
    f"{name}StreamArn": (
        f"arn:aws:dynamodb:us-east-1:123456789012:table/zebros-{name.lower()}/stream/1"
    )
    for name in NAMES
} | {
    "ExistingBus": "yes",
    "ExistingLakeBucketName": "zebros-shared-1-lakebucket-1",
    "ExistingFilesBucketName": "zebros-shared-1-filesbucket-1",
}
"""Everything that a deleted stack has left for a new one."""
_HASH = re.compile(r"(Layer)[0-9a-f]{10}$")


@cache
def load(name: str = "template.yaml") -> dict[str, Any]:
    """A template of the repository as it is written, by its path."""
    return load_file(ROOT / name)


@cache
def _system(parameters: frozenset[tuple[str, str]]) -> System:
    return resolve(ROOT / "template.yaml", dict(parameters))


def system(**parameters: str) -> System:
    """The system that the templates describe with EVERYTHING, changed by these parameters."""
    return _system(frozenset((EVERYTHING | parameters).items()))


@cache
def templates() -> tuple[str, ...]:
    """Every template of the system, by its path."""
    patterns = ("template.yaml", "infra/*.yaml", "infra/modules/*.yaml", "services/*/template.yaml")
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return tuple(str(path.relative_to(ROOT)) for path in found)


def resources(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by logical id."""
    return system(**parameters).of_type(kind)


def of_worker(kind: str, **parameters: str) -> dict[str, dict[str, Any]]:
    """The properties of the resources of a type in the worker's stack, by logical id."""
    stack = system(**parameters).in_stack("zebros/Worker")
    return {name: one.properties for name, one in stack.items() if one.type == kind}


def functions(**parameters: str) -> dict[str, dict[str, Any]]:
    """Every function's properties by logical id; layers have their names without SAM's hash."""
    return {
        name: {**function, "Layers": [_HASH.sub(r"\1", one["Ref"]) for one in function["Layers"]]}
        for name, function in resources("AWS::Lambda::Function", **parameters).items()
    }


def statements(function: str) -> list[dict[str, Any]]:
    """What a function's role allows, apart from AWS's managed policies."""
    return statements_of(functions()[function]["Role"]["Fn::GetAtt"][0])


def statements_of(role: str, **parameters: str) -> list[dict[str, Any]]:
    """What a role allows, apart from AWS's managed policies."""
    others = resources("AWS::IAM::Policy", **parameters).values()
    policies = [
        *resources("AWS::IAM::Role", **parameters)[role].get("Policies", []),
        *(p for p in others if {"Ref": role} in p["Roles"]),
    ]
    found = [s for p in policies for s in p["PolicyDocument"]["Statement"]]
    return [statement for statement in found if statement["Effect"] == "Allow"]


def listed(value: Any) -> list[Any]:
    """A value or a list, as a list."""
    return value if isinstance(value, list) else [value]
