"""Nested stacks with SAM templates, and their updates.

Without this patch: the SAM transform runs only for the root template, so that a nested stack with
an `AWS::Serverless::Function` fails with "Unsupported resource type". And an update of a nested
stack drops the attributes of every unchanged resource, so that references to them fail: "Requested
attribute Arn does not exist in schema for AWS::IAM::Role". And the deletion of a nested stack
deletes what its DeletionPolicy retains.

Fix: a nested template is transformed too before it is deployed, an unchanged resource keeps its
attributes, and a retained one stays.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
"""

import contextvars
from collections.abc import Callable
from typing import Any

from zebros.emulator.patching import module, register, replace

_TYPE = "AWS::CloudFormation::Stack"
_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside_nested_stack", default=False)


def apply() -> None:
    """Transform nested templates, keep attributes in updates, and keep what is retained."""
    engine, stacks = module("services.cloudformation.engine"), module("services.cloudformation")
    provisioners = module("services.cloudformation.provisioners")
    handlers = provisioners._RESOURCE_HANDLERS
    original = handlers[_TYPE]

    def parse(body: str) -> Any:
        template = read(body)
        if not _inside.get():
            return template
        transformed = engine._apply_transforms(template)
        if isinstance(transformed, engine._TransformFailed):
            raise ValueError(transformed.error)
        return transformed

    def within(deploy: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            token = _inside.set(True)
            try:
                return deploy(*args, **kwargs)
            finally:
                _inside.reset(token)

        return call

    def update(
        kind: str,
        name: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
        attributes: dict[str, Any] | None = None,
    ) -> Any:
        if attributes is None:
            before = (stacks._stacks.get(stack) or {}).get("_resources", {})
            attributes = before.get(logical_id, {}).get("Attributes")
        return original_update(kind, name, old, new, stack, logical_id, attributes)

    def delete(physical_id: str, props: dict[str, Any]) -> Any:
        stack = stacks._stacks.get(provisioners._nested_stack_lookup_name(physical_id)) or {}
        declared = (stack.get("_template") or {}).get("Resources", {})
        for name in list(stack.get("_resources", {})):
            if declared.get(name, {}).get("DeletionPolicy") == "Retain":
                del stack["_resources"][name]
        return original["delete"](physical_id, props)

    original_update = replace(provisioners, "_update_resource", update)
    read = replace(engine, "_parse_template", parse)
    register(
        handlers,
        _TYPE,
        {
            **original,
            "create": within(original["create"]),
            "update": within(original["update"]),
            "delete": delete,
        },
    )
