"""The environment of this context's functions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What every function of this context reads."""

    table_name: str
