"""child - a program that we talk to: JSON lines on a socket, what it prints on a pipe.

Has ended when the process is gone and all it printed was read.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NamedTuple, Protocol

from dblend.worker import system
from dblend.worker.loop import Loop
from dblend.worker.pipe import Pipe

LINE_MAX = 1 << 20
PRINTED_MAX = 1 << 16  # bytes of one line that it prints; the rest is another line


class End(NamedTuple):
    """How a child ended."""

    signal: int  #: 0: by itself
    status: int

    def __str__(self) -> str:
        return f"signal {self.signal}" if self.signal else f"exit status {self.status}"


class Owner(Protocol):
    """Who hears of a child. All in the loop's thread."""

    def said(self, answer: dict[str, Any] | None) -> None:
        """A JSON line came; None: one that is none."""

    def printed(self, line: bytes) -> None:
        """A line of its output."""

    def ended(self, end: End) -> None:
        """It is gone, with all that it started."""


class Spec(NamedTuple):
    """What to start; argv gets the descriptor's number appended."""

    argv: Sequence[str]
    env: Mapping[str, str]
    kept: bool = False  #: by a keeper: it does not outlive us
    cpus: Sequence[int] = ()
    nice: int = 0


class Child:
    """One child. OSError from the constructor: it cannot be started."""

    def __init__(self, loop: Loop, spec: Spec, owner: Owner) -> None:
        self._loop = loop
        self._owner = owner
        self._rest = bytearray()
        self._printed = bytearray()
        self._waiting = bytearray()
        self._told: End | None = None  # by the keeper
        self._ours: socket.socket | None
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        with theirs:
            try:
                self._process = self._start(spec, theirs.fileno())
            except OSError:
                self._ours.close()
                raise
        self.pid = self._process.popen.pid
        self._control: socket.socket | None = None
        if self._process.control >= 0:
            self._control = socket.socket(fileno=self._process.control)
            self._control.setblocking(False)
            loop.watch(self._control.fileno(), self._read_control)
        self._output: Pipe | None = Pipe(self._process.output)
        loop.watch(self._output.fileno(), self._read_output)
        loop.watch(self._ours.fileno(), self._read)
        threading.Thread(target=self._wait, name="waiter", daemon=True).start()

    @staticmethod
    def _start(spec: Spec, number: int) -> system.Process:
        name = system.child_socket(number) if spec.kept else str(number)
        env = {**spec.env, "DBLEND_FD": name}
        how = system.Start([*spec.argv, name], env, number, spec.cpus, spec.nice)
        return system.start_kept(how) if spec.kept else system.start(how)

    # -- what we say ------------------------------------------------------------------------------

    def send(self, message: Mapping[str, Any]) -> None:
        """One JSON line; what does not go now goes later."""
        if self._ours is not None:
            data = json.dumps(message, separators=(",", ":"), ensure_ascii=True)
            self._waiting += data.encode("ascii") + b"\n"
            self._write()

    def _write(self) -> None:
        if self._ours is None:
            return
        try:
            while self._waiting:
                del self._waiting[: self._ours.send(self._waiting[: 1 << 16])]
        except BlockingIOError:
            self._loop.watch_room(self._ours.fileno(), self._write)
            return
        except OSError:
            self._waiting.clear()  # it is going; its end says so
        self._loop.forget_room(self._ours.fileno())

    def hang_up(self) -> None:
        """Close the socket: it leaves by itself."""
        if self._ours is not None:
            self._loop.forget(self._ours.fileno())
            self._ours.close()
            self._ours = None

    def terminate(self) -> None:
        """It shall go, and soon it must."""
        self._tell(b"e", self._process.popen.terminate)

    def kill(self) -> None:
        """It must go."""
        self._tell(b"k", self._process.popen.kill)

    def _tell(self, word: bytes, without_keeper: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):  # it has just gone
            if self._control is None:
                without_keeper()
            else:
                self._control.send(word)

    # -- what we hear -----------------------------------------------------------------------------

    def _read(self) -> None:
        while self._ours is not None:
            try:
                data = self._ours.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.hang_up()
                return
            self._rest += data
            *lines, rest = self._rest.split(b"\n")
            self._rest = bytearray(rest) if len(rest) <= LINE_MAX else bytearray()
            self._read_output()  # what it printed before it spoke
            for line in lines:
                self._owner.said(_parse(bytes(line)))
            if len(rest) > LINE_MAX:
                self._owner.said(None)

    def _read_output(self) -> None:
        while self._output is not None:
            try:
                data = self._output.read()
            except BlockingIOError:
                return
            if not data:
                self._end_output()
                return
            self._printed += data
            *lines, rest = self._printed.split(b"\n")
            if len(rest) > PRINTED_MAX:
                lines.append(rest)
                rest = bytearray()
            self._printed = bytearray(rest)
            for line in lines:
                self._owner.printed(bytes(line))

    def _end_output(self) -> None:
        if self._printed:
            self._owner.printed(bytes(self._printed))
            self._printed.clear()
        if self._output is not None:
            self._loop.forget(self._output.fileno())
            self._output.close()
            self._output = None

    def _read_control(self) -> None:
        assert self._control is not None
        try:
            words = self._control.recv(64).decode("ascii", "replace").split()
        except BlockingIOError:
            return
        except OSError:
            words = []
        if len(words) == 2:
            number = int(words[1])
            self._told = End(number, 0) if words[0] == "signal" else End(0, number)
        self._loop.forget(self._control.fileno())
        self._control.close()
        self._control = None

    def _wait(self) -> None:
        self._process.popen.wait()
        self._loop.post(self._gone)

    def _gone(self) -> None:
        if self._control is not None:
            self._read_control()
        self._read()
        self._read_output()
        self._end_output()  # somebody else may still hold its other end
        self.hang_up()
        self._owner.ended(self._told or _end_of(self._process.popen))


def _end_of(popen: subprocess.Popen[bytes]) -> End:
    code = popen.returncode
    return End(-code, 0) if code < 0 else End(0, code)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
