"""The picture of a system: its resources, outputs and stacks, and the account they are in."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Account:
    """Where the system is deployed: the values of CloudFormation's pseudo parameters."""

    account_id: str = "123456789012"
    region: str = "us-east-1"
    stack_name: str = "zebros"
    partition: str = "aws"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource as CloudFormation would create it."""

    type: str
    properties: dict[str, Any]
    stack: str
    """The path of its stack: "zebros/Customers"."""
    template: Path
    depends_on: tuple[str, ...] = ()
    deletion_policy: str = "Delete"
    update_replace_policy: str = "Delete"
    update_policy: dict[str, Any] = field(default_factory=dict)
    references: frozenset[str] = frozenset()
    """The logical ids that its properties and its update policy name."""


@dataclass(slots=True)
class System:
    """The resources of all stacks by logical id, and the root stack's outputs.

    A resource of a module (infra/modules) has the name of its stack in front: `Queue` of
    `ReportingEventsInput` is `ReportingEventsQueue`, `Table` of `ContactsStore` is `ContactsTable`.
    References name resources in the same way.
    """

    parameters: dict[str, Any]
    resources: dict[str, Resource] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    stacks: dict[str, Path] = field(default_factory=dict)
    """The template of each stack, by the stack's path."""
    outputs_of: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The outputs of every stack, by its path."""

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of a type, by logical id."""
        return {n: r.properties for n, r in self.resources.items() if r.type == kind}

    def in_stack(self, stack: str) -> dict[str, Resource]:
        """The resources of a stack and of those nested in it: "zebros/Reporting"."""
        return {
            name: resource
            for name, resource in self.resources.items()
            if resource.stack == stack or resource.stack.startswith(f"{stack}/")
        }
