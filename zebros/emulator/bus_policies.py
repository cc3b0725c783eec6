"""Policies of event buses in a template.

Without this patch: CloudFormation rejects AWS::Events::EventBusPolicy ("Unrecognized resource
types"), and PutPermission ignores a statement of one's own.

Fix: the policy is stored, and DescribeEventBus shows it. Nobody's rights are checked here.
"""

from typing import Any

from zebros.emulator.patching import module, register


def apply() -> None:
    """Add the resource type to CloudFormation."""
    provisioners = module("services.cloudformation.provisioners")
    policies = module("services.eventbridge")._event_bus_policies

    def put(props: dict[str, Any]) -> None:
        statement = {"Sid": props["StatementId"], **props["Statement"]}
        others = others_of(props)
        policies[props["EventBusName"]] = {
            "Version": "2012-10-17",
            "Statement": [*others, statement],
        }

    def others_of(props: dict[str, Any]) -> list[dict[str, Any]]:
        found = policies.get(props["EventBusName"], {"Statement": []})["Statement"]
        return [one for one in found if one.get("Sid") != props["StatementId"]]

    def create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        put(props)
        return provisioners._physical_name(stack, logical_id), {}

    def update(
        name: str, _old: dict[str, Any], new: dict[str, Any], _stack: str
    ) -> tuple[str, dict[str, str]]:
        put(new)
        return name, {}

    def delete(_name: str, props: dict[str, Any]) -> None:
        if others := others_of(props):
            policies[props["EventBusName"]] = {"Version": "2012-10-17", "Statement": others}
        else:
            policies.pop(props["EventBusName"], None)

    register(
        provisioners._RESOURCE_HANDLERS,
        "AWS::Events::EventBusPolicy",
        {"create": create, "update": update, "delete": delete},
    )
