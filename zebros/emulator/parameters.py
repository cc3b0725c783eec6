"""Numbers of an event source mapping that come from template parameters.

Stock fault: a parameter's value stays text, even of `Type: Number`. `MaximumConcurrency` is
compared with a number, so that such a mapping polls nothing: "'<' not supported between instances
of 'int' and 'str'". (CloudFormation converts a value to the type of its property.)

Fix: the numbers of a mapping are converted before it is created or updated.
"""

from typing import Any

from zebros.emulator.patching import module, register

_TYPE = "AWS::Lambda::EventSourceMapping"
_NUMBERS = frozenset(
    {
        "BatchSize",
        "MaximumBatchingWindowInSeconds",
        "MaximumConcurrency",
        "MaximumRecordAgeInSeconds",
        "MaximumRetryAttempts",
        "ParallelizationFactor",
    }
)


def apply() -> None:
    """Convert the numbers of a mapping."""
    handlers = module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    stock = handlers[_TYPE]

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        return stock["create"](logical_id, _converted(props), stack)

    def update(name: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Any:
        return stock["update"](name, _converted(old), _converted(new), stack)

    register(handlers, _TYPE, {**stock, "create": create, "update": update})


def _converted(props: dict[str, Any]) -> dict[str, Any]:
    scaling = props.get("ScalingConfig")
    found = {key: int(value) if key in _NUMBERS else value for key, value in props.items()}
    return {**found, "ScalingConfig": _converted(scaling)} if scaling else found
