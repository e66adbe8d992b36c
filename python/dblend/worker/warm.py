"""warm - the one Blender of this worker, kept running between frames and jobs.

States: off, starting, idle, busy (with a command), closing. It is ended by a reason and started
anew when something is wanted of it; one that dies is started after a pause of 1 s, doubling to
60 s until a frame was proven.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Protocol

from dblend.worker import complaint, log, phase, system
from dblend.worker.blenders import Blender
from dblend.worker.child import End
from dblend.worker.complaint import Trouble
from dblend.worker.output import Output
from dblend.worker.pulse import Limits, Pulse

OFF, STARTING, IDLE, BUSY, CLOSING = "off", "starting", "idle", "busy", "closing"
START_MS = 120_000  # until it is ready: a cold disk and many add-ons take long
GRACE_MS = 500  # for one that is asked to leave
PAUSE_MIN_MS = 1000
PAUSE_MAX_MS = 60_000
SAMPLE_MS = 250
NEVER = 1 << 62


class Running(Protocol):
    """A started Blender."""

    def send(self, message: Mapping[str, Any]) -> None: ...

    def terminate(self) -> None: ...


class Owner(Protocol):
    """Who hears of it."""

    def blender_said(self, answer: dict[str, Any]) -> None:
        """The answer to a command."""

    def blender_ended(self, trouble: Trouble | None, was_ready: bool) -> None:
        """It is gone; trouble: nobody wished that."""


class Warm:
    """Of one worker. launch may raise OSError; tidy is called once it is gone."""

    def __init__(
        self,
        launch: Callable[[Blender, Warm], Running],
        tidy: Callable[[], None],
        clock: Callable[[], int],
    ) -> None:
        self._launch = launch
        self._tidy = tidy
        self._clock = clock
        self.owner: Owner | None = None
        self.state = OFF
        self.blender: Blender | None = None  #: that runs
        self._wanted: Blender | None = None
        self._child: Running | None = None
        self._pid = 0
        self._pause_ms = PAUSE_MIN_MS
        self._not_before_ms = 0
        self._due_ms = NEVER  # of the state
        self._pulse: Pulse | None = None
        self._verdict: Trouble | None = None  # why we end it, when it is to blame
        self._oom = 0
        self._peak = 0
        self._sample_ms = NEVER
        self.output = Output()
        self.phase = phase.Phase("")

    def _move(self, state: str) -> None:
        if state != self.state:
            log.info(f"blender: {self.state} -> {state}")
            self.state = state

    # -- what the work wants ----------------------------------------------------------------------

    def want(self, blender: Blender) -> None:
        """It shall run; another one that runs is ended first."""
        self._wanted = blender
        if self.state in (STARTING, IDLE, BUSY) and self.blender != blender:
            self.restart(f"Blender {blender.version} is wanted")

    def close(self) -> None:
        """It is not wanted any more."""
        self._wanted = None
        if self.state == IDLE:
            self._move(CLOSING)
            self._due_ms = self._clock() + GRACE_MS
            assert self._child is not None
            self._child.send({"do": "quit"})
        elif self.state in (STARTING, BUSY):
            self.restart("it is not wanted any more")

    def restart(self, reason: str) -> None:
        """End it now; what is wanted is started after it."""
        if self.state in (STARTING, IDLE, BUSY):
            log.info(f"end blender: {reason}")
            self._end()

    def _end(self) -> None:
        self._pulse = None
        self._move(CLOSING)
        self._due_ms = NEVER
        assert self._child is not None
        self._child.terminate()

    def command(self, message: Mapping[str, Any], limits: Limits) -> None:
        """For an idle one."""
        assert self.state == IDLE
        assert self._child is not None
        self._move(BUSY)
        self._pulse = Pulse(limits, self._clock(), lambda: system.use_of(self._pid))
        self._oom = system.oom_kills()
        self._sample_ms = 0
        self.phase = phase.Phase(str(message["do"]))
        self._child.send(message)

    def mark(self) -> None:
        """A new attempt begins."""
        self.output.clear()

    def praise(self) -> None:
        """A picture of it was proven."""
        self._pause_ms = PAUSE_MIN_MS

    def rss_bytes(self) -> int:
        """What it has now; 0: not known."""
        return system.rss_of(self._pid) if self._pid and self.state != OFF else 0

    def take_peak(self) -> int:
        """The most that it had since the last command; 0: not known."""
        return max(self._peak, self.rss_bytes())

    # -- time -------------------------------------------------------------------------------------

    def tick(self, now_ms: int) -> int:
        """Do what is due; the next deadline."""
        if self.state == OFF and self._wanted is not None:
            if now_ms < self._not_before_ms:
                return self._not_before_ms
            self._start(self._wanted, now_ms)
        if self.state == CLOSING and now_ms >= self._due_ms:
            self._end()
        if self.state == STARTING and now_ms >= self._due_ms:
            seconds = START_MS // 1000
            self._blame("blender-start", f"did not become ready within {seconds} s")
        if self.state == BUSY:
            self._watch(now_ms)
        if self.state == BUSY and self._pulse is not None:
            return min(self._pulse.due_ms(), self._sample_ms)
        return self._due_ms if self.state in (STARTING, CLOSING) else NEVER

    def _start(self, blender: Blender, now_ms: int) -> None:
        self.blender = blender
        self._verdict = None
        self._pid = 0
        try:
            self._child = self._launch(blender, self)
        except OSError as error:
            log.error(f'start blender: path="{blender.path}": {error.strerror}')
            self._not_before_ms = now_ms + PAUSE_MAX_MS
            self._hear_end(Trouble("crashed", error.strerror or ""), False)
            return
        self._move(STARTING)
        self._due_ms = now_ms + START_MS

    def _watch(self, now_ms: int) -> None:
        assert self._pulse is not None
        if now_ms >= self._sample_ms:
            self._peak = self.rss_bytes() if not self._sample_ms else self.take_peak()
            self._sample_ms = now_ms + SAMPLE_MS
        code = self._pulse.check(now_ms)
        limits = self._pulse.limits
        if code == "stalled":
            seconds = limits.stall_ms // 1000
            self._blame(code, f"no output, no processor time and no I/O for {seconds} s")
        elif code == "too-long":
            seconds = limits.most_ms // 1000
            self._blame(code, f"longer than the {seconds} s of --max-frame-time")

    def _blame(self, code: str, what: str) -> None:
        assert self.blender is not None
        self._verdict = Trouble(code, f"Blender {self.blender.version}: {what}", complaint.LOOK)
        log.warning(f"end blender: {self._verdict.text}")
        self._end()

    # -- what it says (child.Owner) ---------------------------------------------------------------

    def said(self, answer: dict[str, Any] | None) -> None:
        """A line on its socket."""
        if self._pulse is not None:
            self._pulse.beat(self._clock())
        if answer is None:
            if self.state in (STARTING, IDLE, BUSY):
                self._blame("crashed", "it said on its socket what is no answer")
        elif answer.get("event") == "ready" and self.state == STARTING:
            self._pid = answer.get("pid", 0)
            self._move(IDLE)
        elif self.state == BUSY:
            self._peak = self.take_peak()
            self._pulse = None
            self._move(IDLE)
            if self.owner is not None:
                self.owner.blender_said(answer)

    def printed(self, line: bytes) -> None:
        """A line of its output."""
        self.output.add(line)
        if self._pulse is not None:
            self._pulse.beat(self._clock())
            found = phase.parse(line.decode("utf-8", "replace"))
            self.phase = found or self.phase

    def ended(self, end: End) -> None:
        """It is gone."""
        was_ready = bool(self._pid)
        trouble = self._verdict
        if trouble is None and self.state != CLOSING:
            trouble = self._obituary(end)
            log.warning(f"blender has ended: {end}")
        if trouble is not None:
            self._not_before_ms = self._clock() + self._pause_ms
            self._pause_ms = min(2 * self._pause_ms, PAUSE_MAX_MS)
        self._child = None
        self._pulse = None
        self._pid = 0
        self._due_ms = NEVER
        self._tidy()
        self._move(OFF)
        self._hear_end(trouble, was_ready)

    def _hear_end(self, trouble: Trouble | None, was_ready: bool) -> None:
        if self.owner is not None:
            self.owner.blender_ended(trouble, was_ready)

    def _obituary(self, end: End) -> Trouble:
        assert self.blender is not None
        last = self.output.last()
        code, hint = complaint.of_end(end, system.oom_kills() > self._oom > 0, last)
        return Trouble(code, f"Blender {self.blender.version} ended with {end}: {last}", hint)
