"""pipe - the reading end of a pipe that the loop waits for, on every system."""

from __future__ import annotations

import os
import socket
import threading
from typing import IO

from dblend.worker import system


class Pipe:
    """The reading end of a pipe, as something that the loop can wait for."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._pumped: socket.socket | None = None
        if not system.WINDOWS:
            os.set_blocking(pipe.fileno(), False)
            return
        self._pumped, theirs = socket.socketpair()  # untested: only sockets can be waited for
        self._pumped.setblocking(False)
        threading.Thread(target=self._pump, args=(theirs,), name="pump", daemon=True).start()

    def _pump(self, theirs: socket.socket) -> None:
        with theirs:
            while True:
                data = os.read(self._pipe.fileno(), 1 << 16)
                if not data:
                    return
                theirs.sendall(data)

    def fileno(self) -> int:
        return (self._pumped or self._pipe).fileno()

    def read(self) -> bytes:
        """Empty: the end. BlockingIOError: nothing now."""
        try:
            if self._pumped:
                return self._pumped.recv(1 << 16)
            return os.read(self._pipe.fileno(), 1 << 16)
        except BlockingIOError:
            raise
        except OSError:
            return b""

    def close(self) -> None:
        (self._pumped or self._pipe).close()
