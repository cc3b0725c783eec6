"""An identity provider on loopback that can hang, answer byte by byte, or refuse connections."""

import socket
import threading
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from zebros.local.issuer import HOST, Issuer, _Server

_BETWEEN_BYTES_S = 0.2


class Mood(StrEnum):
    """How the provider answers."""

    WELL = "well"
    HANGING = "hanging"
    """Accepts connections and never answers."""
    DRIPPING = "dripping"
    """Sends one byte at a time, so that no single read ever times out."""
    REFUSING = "refusing"
    """Closes every connection."""


class Provider:
    """The local issuer behind a TCP front."""

    def __init__(self, home: Path) -> None:
        self._server = _Server((HOST, 0), Issuer(home, ""))
        self._front = socket.create_server((HOST, 0))
        self.mood = Mood.WELL
        self.connections = 0
        """The connections that were made since the last `taken`."""
        self.issuer = Issuer(home, f"http://{HOST}:{self._front.getsockname()[1]}/realms/")
        self._server.issuer = self.issuer
        self._open: list[socket.socket] = []
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        threading.Thread(target=self._accept, daemon=True).start()

    def taken(self) -> int:
        """The connections since the last call."""
        made, self.connections = self.connections, 0
        return made

    def close(self) -> None:
        """End the servers."""
        self._front.close()
        for one in self._open:
            one.close()
        self._server.shutdown()
        self._server.server_close()

    def _accept(self) -> None:
        with suppress(OSError):  # the front was closed
            while True:
                caller, _ = self._front.accept()
                self.connections += 1
                self._open.append(caller)
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        with suppress(OSError), caller:
            if self.mood is Mood.REFUSING:
                return
            request = caller.recv(65_536)
            while self.mood is Mood.HANGING:
                time.sleep(0.05)
            with socket.create_connection(self._server.server_address[:2]) as behind:
                behind.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
                while part := behind.recv(65_536):
                    self._send(caller, part)

    def _send(self, caller: socket.socket, part: bytes) -> None:
        if self.mood is not Mood.DRIPPING:
            return caller.sendall(part)
        for at in range(len(part)):
            caller.sendall(part[at : at + 1])
            time.sleep(_BETWEEN_BYTES_S)
        return None
