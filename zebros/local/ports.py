"""Chooses ports on 127.0.0.1: those of the options, those of the last start, or free ones."""

import errno
import secrets
import socket

from zebros.errors import BadInput

HOST = "127.0.0.1"
_FOR_SERVERS = range(10_000, 32_000)
_TRIES = 100
_OBSTACLES = {
    errno.EADDRINUSE: "is used by another program",
    errno.EACCES: "may be used only by the system's administrator",
}


def is_free(port: int) -> bool:
    """Whether a server can listen on this port."""
    return not _reason_not_free(port)


def _reason_not_free(port: int) -> str:
    """Why a server cannot listen on this port; empty when it can."""
    with socket.socket() as probe:
        # The servers set it too, so lingering connections of the last run do not matter.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as fault:
            if fault.errno not in _OBSTACLES:
                raise
            return _OBSTACLES[fault.errno]
        return ""


def free_port() -> int:
    """A port that is free at the moment, and that no outgoing connection gets.

    Systems give those a port above this range (Linux from 32768 on). One of them would keep a
    server that ends from starting again. Raises OSError when all ports that were tried are in use.
    """
    for port in secrets.SystemRandom().sample(_FOR_SERVERS, _TRIES):
        if is_free(port):
            return port
    raise OSError(errno.EADDRINUSE, "no free port was found")


def choose_port(
    what: str,
    option: str,
    choice: int | None,
    before: int | None,
    default: int,
    *,
    other: int | None = None,
) -> int:
    """The port for a part: the `choice`, `before`, the default or a free one; never `other`.

    Raises BadInput when the `choice` of the user cannot be used; `what` names the part in its
    message, and `option` the option.
    """
    if choice:
        why = "is requested for another part too" if choice == other else _reason_not_free(choice)
        if not why:
            return choice
        raise BadInput(
            f"Port {choice} on {HOST}, for the {what}, {why}.",
            hint=f"Choose another one with {option}, or omit {option} to get a free one.",
        )
    for port in (before, default):
        if port and port != other and is_free(port):
            return port
    return free_port()
