"""Ports on 127.0.0.1: the ones asked for, the ones we had, or any that is free."""

import errno
import socket

from zebros.errors import BadInput

HOST = "127.0.0.1"
_OBSTACLES = {
    errno.EADDRINUSE: "is taken by another program",
    errno.EACCES: "is for the system's administrator alone",
}


def is_free(port: int) -> bool:
    """Whether a server of ours could listen there."""
    return not _obstacle(port)


def _obstacle(port: int) -> str:
    """Why no server of ours could listen there; empty when one could."""
    with socket.socket() as probe:
        # As the servers do: a connection of the last run that still lingers is no obstacle.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as fault:
            if fault.errno not in _OBSTACLES:
                raise
            return _OBSTACLES[fault.errno]
        return ""


def any_free() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def chosen(
    what: str,
    option: str,
    wanted: int | None,
    before: int | None,
    default: int,
    *,
    other: int | None = None,
) -> int:
    """The port for a part: by option, as last time, the usual one, or any; never the `other` one.

    `what` names the part and `option` the option that chooses, for the sentence of the BadInput
    that is raised when the port someone asked for cannot be had.
    """
    if wanted:
        why = "is asked for by another part too" if wanted == other else _obstacle(wanted)
        if not why:
            return wanted
        raise BadInput(
            f"Port {wanted} on {HOST}, meant for the {what}, {why}.",
            hint=f"Choose another one with {option}, or leave {option} out to get a free one.",
        )
    for port in (before, default):
        if port and port != other and is_free(port):
            return port
    return any_free()
