"""What to deploy so that a setting stays as the controller has set it."""

from scaling.events import Setting
from scaling.model.readings import Target

_FIGURES = {
    Setting.CONCURRENCY: "Functions",
    Setting.PROVISIONED: "ProvisionedRange",
    Setting.TASKS: "Workers",
    Setting.CAPACITY: "Capacity",
    Setting.REPLICAS: "Cache",
}
"""The sections of strategy.yaml."""


def parameter_of(target: Target, value: int) -> str:
    """A parameter of the root stack with its value, or the section of strategy.yaml."""
    if target.setting is Setting.MEMORY:
        return f"{target.resource.removesuffix('Api')}Memory={value}"
    return f"strategy.yaml, {_FIGURES[target.setting]}: {value} for {target.resource}"
