"""Nested stacks whose template is a SAM template.

Stock fault: the SAM transform runs for the root template alone; a nested stack with an
`AWS::Serverless::Function` fails with "Unsupported resource type".

Mended: a child's template goes through the same transform before it is deployed.
"""

import contextvars
from collections.abc import Callable
from typing import Any

from zebros.emulator.seams import module, register, replace

_TYPE = "AWS::CloudFormation::Stack"
_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("inside_nested_stack", default=False)


def apply() -> None:
    """Transform the templates of nested stacks."""
    engine = module("services.cloudformation.engine")
    handlers = module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    stock = handlers[_TYPE]

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

    read = replace(engine, "_parse_template", parse)
    register(
        handlers,
        _TYPE,
        {**stock, "create": within(stock["create"]), "update": within(stock["update"])},
    )
