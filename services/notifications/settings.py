"""The environment of this context's functions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """What every function of this context reads."""

    table_name: str
    socket_endpoint: str = ""
    """The management API of the WebSocket connections; empty where there is no WebSocket API."""
