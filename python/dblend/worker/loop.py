"""loop - the worker's one thread: waits for sockets, descriptors, signals and other threads."""

from __future__ import annotations

import contextlib
import queue
import signal
import socket
from typing import Any, Callable, Union

import zmq

Source = Union[int, "zmq.Socket[bytes]"]
Call = Callable[[], None]

LONGEST_MS = 60000  # a wait; nothing depends on it


class Loop:
    """Calls back what became readable (or writable), then what other threads have posted."""

    def __init__(self, on_signal: Callable[[int], None]) -> None:
        self._poller = zmq.Poller()
        self._calls: dict[Source, Call] = {}
        self._writers: dict[Source, Call] = {}
        self._posted: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._on_signal = on_signal
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self.watch(self._ours.fileno(), self._woken)

    def catch(self, *signals: int) -> None:
        """From now on these signals are told to on_signal, in the loop."""
        signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        for number in signals:
            signal.signal(number, lambda *_: None)

    def watch(self, source: Source, call: Call) -> None:
        """Calls when the source is readable, or has ended."""
        self._calls[source] = call
        self._register(source)

    def watch_room(self, source: Source, call: Call) -> None:
        """Calls when the source, which is watched, takes bytes again."""
        self._writers[source] = call
        self._register(source)

    def forget_room(self, source: Source) -> None:
        """The opposite of watch_room."""
        self._writers.pop(source, None)
        self._register(source)

    def forget(self, source: Source) -> None:
        """To be called before the source is closed."""
        self._calls.pop(source, None)
        self._writers.pop(source, None)
        self._poller.unregister(source)

    def _register(self, source: Source) -> None:
        flags = zmq.POLLIN | (zmq.POLLOUT if source in self._writers else 0)
        self._poller.register(source, flags)

    def post(self, call: Call) -> None:
        """Has the loop's thread make the call; from any thread."""
        self._posted.put(call)
        with contextlib.suppress(BlockingIOError):  # it will wake up for those before
            self._theirs.send(b"\0")

    def turn(self, wait_ms: int) -> None:
        """Waits so long at most, and handles everything that came."""
        events: dict[Any, int] = dict(self._poller.poll(max(0, min(wait_ms, LONGEST_MS))))
        for source, event in events.items():
            writer = self._writers.get(source)
            if event & zmq.POLLOUT and writer:
                writer()
            reader = self._calls.get(source)
            if event & ~zmq.POLLOUT and reader:
                reader()
        while not self._posted.empty():
            self._posted.get()()

    def _woken(self) -> None:
        try:
            for byte in self._ours.recv(4096):
                if byte:
                    self._on_signal(byte)
        except BlockingIOError:
            pass
