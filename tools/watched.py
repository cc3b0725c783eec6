"""What can be watched: the resources of the system, and where their names are found."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.drift import ROOT
from zebros.cloudformation import System, resolve
from zebros.cloudformation.load import Template, load
from zebros.monitoring.signals import Kinds

WATCHED = (
    *("Edge", "Customers", "Opportunities", "Activities", "Reporting", "Imports", "Notifications"),
    *("Scaling", "Shared", "Worker", "Servers"),
)
"""The stacks with an output WatchedNames."""
_OUTPUT = "WatchedNames"
_EVERYTHING = {
    "Phase": "enterprise",
    "WorkerImage": "worker:1",
    "IdentityImage": "keycloak:1",
    "IdentityDomainName": "id.example.com",
    "IdentityCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "CloudFrontPrefixListId": "pl-1",
    "DomainName": "example.com",
    "HostedZoneId": "Z1",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "EdgeCertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/1",
}
"""Parameters with which all that is watched exists."""
_NAME = re.compile(r"@(\w+)")
_LISTED = re.compile(r"\$\{(\w+)(?:\.\w+)?\}")


@dataclass(frozen=True, slots=True)
class Names:
    """Where the name of a resource is found: (the parameter with the list, its place in it)."""

    places: dict[str, tuple[str, int]]

    @classmethod
    def of(cls, system: System) -> "Names":
        """The names that the outputs of the system list."""
        places = {}
        for stack in WATCHED:
            for place, item in enumerate(system.outputs[stack]["Fn::Sub"].split(",")):
                places[_LISTED.fullmatch(item)[1]] = (f"{stack}Names", place)  # type: ignore[index]
        return cls(places)

    def text(self, value: str) -> tuple[str, dict[str, Any]]:
        """The value of a dimension as a text for Fn::Sub, and the variables in it."""
        found = _NAME.findall(value)
        text = _NAME.sub(r"${\1}", value).replace("{system}", "${SystemName}")
        return text, {name: self._select(name) for name in found}

    def value(self, value: str) -> Any:
        """The value of a dimension in a template."""
        text, variables = self.text(value)
        if text == "${SystemName}":
            return {"Ref": "SystemName"}
        if len(variables) == 1 and text == f"${{{next(iter(variables))}}}":
            return next(iter(variables.values()))
        if variables:
            return {"Fn::Sub": [text, variables]}
        return {"Fn::Sub": text} if "${" in text else text

    def _select(self, name: str) -> Any:
        parameter, place = self.places[name]
        return {"Fn::Select": [place, {"Fn::Split": [",", {"Ref": parameter}]}]}


def system() -> System:
    """The system with everything that is watched; its outputs are the lists of names."""
    return resolve(ROOT / "template.yaml", _EVERYTHING, read=_probe)


def _probe(path: Path) -> Template:
    """A template; the root without the generated stack, and with the lists as its outputs."""
    template = load(path)
    if path != ROOT / "template.yaml":
        return template
    resources = {n: r for n, r in template["Resources"].items() if n != "Monitoring"}
    outputs = {n: {"Value": {"Fn::GetAtt": f"{n}.Outputs.{_OUTPUT}"}} for n in WATCHED}
    return {**template, "Resources": resources, "Outputs": outputs}


def kinds_of(system: System) -> Kinds:
    """The resources of a system for which signals are repeated."""
    tables = {
        name: str(table["TableName"]).replace("zebros-", "{system}-", 1)
        for name, table in system.of_type("AWS::DynamoDB::GlobalTable").items()
    }
    functions = tuple(system.of_type("AWS::Lambda::Function"))
    return Kinds(functions, tuple(system.of_type("AWS::SQS::Queue")), tables)
