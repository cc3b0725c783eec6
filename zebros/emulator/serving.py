"""Functions that are called while state is being restored would find nobody listening."""

import os
import socket
import time

from zebros.emulator.settings import HOST

_PATIENCE_S = 60.0


def wait() -> None:
    """Return when the emulator of this process accepts connections."""
    ends = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((HOST, int(os.environ["GATEWAY_PORT"]))) == 0:
                return
        time.sleep(0.02)
