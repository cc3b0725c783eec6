"""Properties of an event source mapping whose values come from template parameters.

Without this patch: the value of a parameter stays text, even with `Type: Number`. Comparing
`MaximumConcurrency` with a number fails ("'<' not supported between instances of 'int' and 'str'"),
so the mapping polls nothing. CloudFormation converts a value to the type of its property. And a
mapping that is created with `Enabled: false` polls nothing, but is shown as Enabled.

Fix: the numeric properties are converted before a mapping is created or updated, and its state is
what it does.
"""

from typing import Any

from zebros.emulator.patching import module, register

_TYPE = "AWS::Lambda::EventSourceMapping"
_NUMERIC = frozenset(
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
    """Convert the numeric properties of a mapping to numbers."""
    handlers = module("services.cloudformation.provisioners")._RESOURCE_HANDLERS
    original = handlers[_TYPE]

    def create(logical_id: str, props: dict[str, Any], stack: str) -> Any:
        result = original["create"](logical_id, _converted(props), stack)
        mapping = module("services.lambda_svc")._esms[result[0]]
        mapping["State"] = "Enabled" if mapping["Enabled"] else "Disabled"
        return result

    def update(name: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> Any:
        return original["update"](name, _converted(old), _converted(new), stack)

    register(handlers, _TYPE, {**original, "create": create, "update": update})


def _converted(props: dict[str, Any]) -> dict[str, Any]:
    scaling = props.get("ScalingConfig")
    converted = {key: int(value) if key in _NUMERIC else value for key, value in props.items()}
    return {**converted, "ScalingConfig": _converted(scaling)} if scaling else converted
