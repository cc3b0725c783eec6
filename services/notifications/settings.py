"""The environment of this context's functions."""

from typing import NamedTuple


class Settings(NamedTuple):
    """What every function of this context reads."""

    table_name: str
    socket_endpoint: str = ""
    """The management API of the WebSocket connections; empty where there is no WebSocket API."""


class OperatorSettings(NamedTuple):
    """For the API."""

    operator_tenant: str = ""
    """The tenant whose administrators are notified of the scaling controller."""
