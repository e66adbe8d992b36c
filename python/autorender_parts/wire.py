"""wire - JSON lines over the socket that the worker handed us."""

import json
import socket


class Wire:
    """Reads commands and sends events; blocking, one thread."""

    def __init__(self, fd):
        """Takes the descriptor; programs that scripts start will not inherit it."""
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)
        self._socket.setblocking(True)
        self._rest = bytearray()

    def receive(self):
        """The next command as a dict; None at the end of the socket. ValueError: not JSON."""
        while True:
            end = self._rest.find(b"\n")
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                if not line.strip():
                    continue
                command = json.loads(line)
                if not isinstance(command, dict):
                    raise ValueError("a command is a JSON object")
                return command
            try:
                more = self._socket.recv(65536)
            except ConnectionError:
                return None
            if not more:
                return None
            self._rest += more

    def send(self, event):
        """Sends one event. OSError when the worker is gone."""
        data = json.dumps(event, separators=(",", ":"), ensure_ascii=True)
        self._socket.sendall(data.encode("ascii") + b"\n")
