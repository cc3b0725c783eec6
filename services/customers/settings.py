"""The environment of this context's functions."""

from typing import NamedTuple


class Settings(NamedTuple):
    """What every function of this context reads."""

    table_name: str
    """The accounts' table, which also stores the idempotency keys."""
    contacts_table_name: str = ""
    """Empty for functions that read no contacts."""
