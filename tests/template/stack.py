"""The templates as data: one by one, or all of them assembled into the whole system."""

from functools import cache
from typing import Any

from tests.template.assembly import ROOT, Assembly, parse

__all__ = ["ROOT", "functions", "listed", "load", "resources", "statements", "system", "templates"]


@cache
def load(name: str = "template.yaml") -> dict[str, Any]:
    """A template of the repository, by its path."""
    return parse((ROOT / name).read_text(encoding="utf-8"))


@cache
def system() -> Assembly:
    """Root template and nested stacks as one; a function has the policies that modules give it."""
    whole = Assembly(ROOT / "template.yaml", {})
    for policy in whole.resources.values():
        if policy["Type"] == "AWS::IAM::Policy":
            for role in policy["Properties"]["Roles"]:
                function = whole.resources[role["Ref"].removesuffix("Role")]["Properties"]
                function["Policies"] = [
                    *function["Policies"],
                    policy["Properties"]["PolicyDocument"],
                ]
    return whole


@cache
def templates() -> tuple[str, ...]:
    """Every template of the system, by its path."""
    patterns = ("template.yaml", "infra/*.yaml", "infra/modules/*.yaml", "services/*/template.yaml")
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    return tuple(str(path.relative_to(ROOT)) for path in found)


def resources(kind: str, name: str | None = None) -> dict[str, dict[str, Any]]:
    """Resources of a type by logical id, with their Properties: of the system, or of a template."""
    found = system().resources if name is None else load(name)["Resources"]
    return {k: v.get("Properties", {}) for k, v in found.items() if v["Type"] == kind}


def functions() -> dict[str, dict[str, Any]]:
    """Every function's properties by logical id."""
    return resources("AWS::Serverless::Function")


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    """A function's own policy statements."""
    return [s for p in properties.get("Policies", []) for s in p["Statement"]]


def listed(value: Any) -> list[Any]:
    """A value or a list, as a list."""
    return value if isinstance(value, list) else [value]
