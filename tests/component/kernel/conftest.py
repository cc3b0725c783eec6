"""Real servers for the kernel's tests."""

from tests.component.kernel.valkey_server import running_server, server

__all__ = ["running_server", "server"]
