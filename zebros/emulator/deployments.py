"""Applications and deployment groups of CodeDeploy in a template.

Without this patch: CloudFormation rejects the resource types ("Unrecognized resource types"), and
with them every template in which SAM's DeploymentPreference moves an alias gradually.

Fix: the resources exist and do nothing. An alias moves to its new version at once, as with
CodeDeployDefault.LambdaAllAtOnce, which the templates choose here (docs/adr/0034).
"""

from typing import Any

from zebros.emulator.patching import module, register

_TYPES = ("AWS::CodeDeploy::Application", "AWS::CodeDeploy::DeploymentGroup")


def apply() -> None:
    """Add the resource types to CloudFormation."""
    provisioners = module("services.cloudformation.provisioners")

    def create(logical_id: str, _props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        return provisioners._physical_name(stack, logical_id), {}

    def update(
        name: str, _old: dict[str, Any], _new: dict[str, Any], _stack: str
    ) -> tuple[str, dict[str, str]]:
        return name, {}

    def delete(_name: str, _props: dict[str, Any]) -> None:
        """Nothing is left."""

    for kind in _TYPES:
        register(
            provisioners._RESOURCE_HANDLERS,
            kind,
            {"create": create, "update": update, "delete": delete},
        )
