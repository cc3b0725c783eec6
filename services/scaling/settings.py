"""The environment of this context's functions."""

from typing import NamedTuple


class Settings(NamedTuple):
    """What every function of this context reads."""

    table_name: str


class OperatorSettings(NamedTuple):
    """For functions that read or write what belongs to the operator's tenant."""

    operator_tenant: str
    """The tenant whose administrators run the system; the history belongs to it."""


class ControllerSettings(NamedTuple):
    """For functions that read, or change, what the controller may change."""

    system_name: str
    """The name of the root stack, which is the prefix of its alarms."""
    phase: str
    scaling_targets_parameter: str
    """The parameter of Systems Manager with the resources: model/inventory.py."""
    scaling_mode: str = "propose"
    """propose: nothing is changed; apply."""
    scaling_budget: int = 0
    """USD a month that everything above the deployed settings may cost."""
