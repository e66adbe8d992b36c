"""prover - our prove.py: many requests in flight, answered by their id; ended when it hangs.

The interpreter is the first one here that can import OpenImageIO: prove.py answers `hello` then,
and ends otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Protocol

from dblend.worker import log, system
from dblend.worker.child import End
from dblend.worker.pulse import Limits, Pulse

START_MS = 60_000
END_MS = 2000  # between the end of its socket and KILL
PAUSE_MIN_MS = 1000
PAUSE_MAX_MS = 60_000
NEVER = 1 << 62


class Running(Protocol):
    """A started prover."""

    pid: int

    def send(self, message: Mapping[str, Any]) -> None: ...

    def hang_up(self) -> None: ...

    def kill(self) -> None: ...


class Owner(Protocol):
    """Who hears of it."""

    def prover_said(self, request: int, answer: dict[str, Any]) -> None:
        """The answer to a request."""

    def prover_died(self, hung: set[int]) -> None:
        """All it held is lost; hung: the requests that it did not answer for too long."""


class Prover:
    """Of one worker."""

    def __init__(
        self,
        launch: Callable[[str, Prover], Running],
        pythons: Sequence[str],
        hello: Mapping[str, Any],
        clock: Callable[[], int],
    ) -> None:
        self._launch = launch
        self._pythons = list(pythons)
        self._hello = hello
        self._clock = clock
        self.owner: Owner | None = None
        self.ready = False  #: it takes requests
        self.missing = not self._pythons  #: no interpreter here can run it
        self._next = 0  # interpreter
        self._child: Running | None = None
        self._farm = ""
        self._requests: dict[int, Pulse] = {}
        self._last = 0
        self._hung: set[int] = set()
        self._leaving = False
        self._due_ms = NEVER
        self._pause_ms = PAUSE_MIN_MS

    def start(self, farm: str) -> None:
        """Whose it is. From now on it is kept running."""
        if not self._farm:
            self._farm = farm
            self._start()

    @property
    def gone(self) -> bool:
        """No process of it is left."""
        return self._child is None

    def ask(self, request: Mapping[str, Any], stall_ms: int) -> int:
        """The number of the request, for its answer. Only when ready."""
        assert self._child is not None
        child = self._child
        self._last += 1
        look = Pulse(Limits(stall_ms), self._clock(), lambda: system.use_of(child.pid))
        self._requests[self._last] = look
        child.send({**request, "id": self._last})
        return self._last

    def leave(self) -> None:
        """Close: it gives up what is not proven, and goes."""
        self._leaving = True
        self.ready = False
        if self._child is not None:
            self._child.hang_up()
            self._due_ms = self._clock() + END_MS
        else:
            self._due_ms = NEVER

    def tick(self, now_ms: int) -> int:
        """Do what is due; the next deadline."""
        if now_ms >= self._due_ms:
            self._due_ms = NEVER
            if self._child is None:
                self._start()
            else:
                self._child.kill()
        hung = [pulse for pulse in self._requests.values() if pulse.check(now_ms)]
        if hung and self._child is not None and not self._hung:
            self._hung = {
                number
                for number, pulse in self._requests.items()
                if pulse in hung or pulse.half_over(now_ms)
            }
            log.warning("end the prover: the output folder does not answer")
            self._child.kill()
        dues = [] if self._hung else [pulse.due_ms() for pulse in self._requests.values()]
        return min([self._due_ms, *dues])

    def _start(self) -> None:
        python = self._pythons[self._next]
        try:
            self._child = self._launch(python, self)
        except OSError as error:
            self._pass_over(f"{python}: {error.strerror}")
            return
        self._due_ms = self._clock() + START_MS
        self._child.send({**self._hello, "do": "hello", "id": 0, "farm": self._farm})

    def _pass_over(self, why: str) -> None:
        """The next interpreter at once; after the last a pause, then the first."""
        log.warning(f"pass over interpreter: {why}")
        self._next = (self._next + 1) % len(self._pythons)
        self.missing = self.missing or self._next == 0
        if not self.missing:
            self._start()
            return
        self._retry_later()

    def _retry_later(self) -> None:
        self._due_ms = self._clock() + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, PAUSE_MAX_MS)

    # -- what it says (child.Owner) ---------------------------------------------------------------

    def said(self, answer: dict[str, Any] | None) -> None:
        """A line on its socket."""
        if answer is None or self._leaving:
            return
        if answer.get("is") == "hello":
            self.ready = True
            self.missing = False
            self._pause_ms = PAUSE_MIN_MS
            self._due_ms = NEVER
            log.debug(f"prover: ready, OpenImageIO {answer.get('oiio', '?')}")
        elif self._requests.pop(answer.get("id", -1), None) and self.owner is not None:
            self.owner.prover_said(answer["id"], answer)

    def printed(self, line: bytes) -> None:
        """What it says for people."""
        log.warning(f"prover: {line.decode('utf-8', 'replace')}")

    def ended(self, end: End) -> None:
        """It is gone."""
        was_ready, self.ready = self.ready, False
        hung, self._hung = self._hung, set()
        self._child = None
        self._due_ms = NEVER
        self._requests.clear()
        if self._leaving:
            return
        if not was_ready:
            self._pass_over(f"{self._pythons[self._next]}: {end}")
            return
        log.warning(f"the prover has ended: {end}")
        self._start()
        if self.owner is not None:
            self.owner.prover_died(hung)
