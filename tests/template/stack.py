"""The templates as data: one by one, or resolved into the whole system (zebros.cloudformation)."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from zebros.cloudformation import System, resolve
from zebros.cloudformation.load import load as load_file

ROOT = Path(__file__).resolve().parents[2]
PHASES = ("mvp", "startup", "growth", "enterprise")
EVERYTHING = {
    "Phase": "enterprise",
    "WorkerImage": "worker:1",
    "ReserveConcurrency": "yes",
    "IdentityImage": "keycloak:1",
    "IdentityDomainName": "id.example.com",
    "IdentityCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "IdentityAdminCidr": "203.0.113.7/32",
    "CloudFrontPrefixListId": "pl-3b927c52",
}
"""Parameters with which every resource exists."""
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
    role = functions()[function]["Role"]["Fn::GetAtt"][0]
    policies = [
        *resources("AWS::IAM::Role")[role].get("Policies", []),
        *(p for p in resources("AWS::IAM::Policy").values() if {"Ref": role} in p["Roles"]),
    ]
    return [s for p in policies for s in p["PolicyDocument"]["Statement"]]


def listed(value: Any) -> list[Any]:
    """A value or a list, as a list."""
    return value if isinstance(value, list) else [value]
