"""A TCP proxy whose wire can be cut: nothing gets through, or every connection breaks."""

import selectors
import socket
import threading

CHUNK = 65536


class Proxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target` in a thread of its own."""

    def __init__(self, target):
        self.target = target
        self._cut = threading.Event()
        self._break = threading.Event()
        self._over = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self._selector.register(self._door, selectors.EVENT_READ, None)
        self._pairs = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def cut(self):
        """From now on nothing gets through, and nobody is told: a pulled cable."""
        self._cut.set()

    def heal(self):
        self._cut.clear()

    def reset(self):
        """Breaks every connection: a restarted switch."""
        self._break.set()

    def close(self):
        self._over.set()
        self._thread.join()
        self._door.close()

    def _run(self):
        while not self._over.is_set():
            if self._break.is_set():
                self._break.clear()
                for one in list(self._pairs):
                    self._drop(one)
            if self._cut.is_set():
                self._over.wait(0.05)
                continue
            for key, _ in self._selector.select(0.05):
                if key.fileobj is self._door:
                    self._accept()
                elif key.fileobj in self._pairs:
                    self._forward(key.fileobj)
        for one in list(self._pairs):
            self._drop(one)

    def _accept(self):
        near, _ = self._door.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.target), timeout=2)
        except OSError:
            near.close()  # no broker just now
            return
        far.settimeout(None)
        for one, other in ((near, far), (far, near)):
            self._pairs[one] = other
            self._selector.register(one, selectors.EVENT_READ, None)

    def _forward(self, one):
        try:
            data = one.recv(CHUNK)
            if data:
                self._pairs[one].sendall(data)
                return
        except OSError:
            pass
        self._drop(one)

    def _drop(self, one):
        other = self._pairs.get(one)
        for end in (one, other):
            if self._pairs.pop(end, None) is not None:
                self._selector.unregister(end)
                end.close()
