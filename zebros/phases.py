"""The phases of the scaling strategy: values of the parameter `Phase` of template.yaml."""

from enum import StrEnum


class Phase(StrEnum):
    """The size of a system, from the smallest to the largest."""

    MVP = "mvp"
    STARTUP = "startup"
    GROWTH = "growth"
    ENTERPRISE = "enterprise"


PHASES = tuple(one.value for one in Phase)
"""Their names, in order."""
