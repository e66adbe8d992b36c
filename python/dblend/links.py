"""Sockets for operations: as many as there are operations at one time, used again afterwards.

A REQ socket has one request outstanding, so two threads (or tasks) that wait need two of them.
"""

from __future__ import annotations

import os
import threading
from typing import Generic, TypeVar

import zmq

from dblend import envelope

__all__ = ["IDLE_MAX", "Links"]

C = TypeVar("C", bound="zmq.Context[zmq.Socket[bytes]]")

IDLE_MAX = 8  # more than this are not kept open


class Link:
    """One REQ socket to the broker."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self.context = context
        self.endpoint = endpoint
        self.socket = self._open()

    def _open(self) -> zmq.Socket[bytes]:
        socket = self.context.socket(zmq.REQ)
        envelope.prepare(socket, self.endpoint)
        return socket

    def renew(self) -> None:
        """A new connection: the old one may hang on something that is gone."""
        self.close()
        self.socket = self._open()

    def close(self) -> None:
        """What was sent and not yet taken is dropped."""
        self.socket.close(linger=0)


class Links(Generic[C]):
    """Those of one farm. Threads may share it; a child process after fork gets new ones."""

    def __init__(self, context_kind: type[C], endpoint: str) -> None:
        self.endpoint = endpoint
        self._kind = context_kind
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._context = self._kind()
        self._idle: list[Link] = []
        self._closed = False

    def take(self) -> Link:
        """One that nobody uses."""
        with self._lock:
            if self._pid != os.getpid():
                self._begin()  # the parent's sockets are the parent's
            if self._closed:
                raise ValueError("the farm is closed")
            return self._idle.pop() if self._idle else Link(self._context, self.endpoint)

    def give(self, link: Link) -> None:
        """Back, after an exchange that has ended as it should."""
        with self._lock:
            if not self._closed and link.context is self._context and len(self._idle) < IDLE_MAX:
                self._idle.append(link)
                return
        link.close()

    def close(self) -> None:
        """All sockets and threads of libzmq; twice does no harm."""
        with self._lock:
            if not self._closed and self._pid == os.getpid():
                self._closed = True
                for link in self._idle:
                    link.close()
                self._context.destroy(linger=0)
