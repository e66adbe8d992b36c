"""pulse - does a child still live, or does it only exist?

A sign of life is a line that it prints or sends, and processor time or I/O of it or of what it
started: a scene that is prepared for an hour prints nothing. Where the system does not tell what a
process uses (it is not Linux), lines alone count.
"""

from __future__ import annotations

from typing import Callable, NamedTuple

from dblend.worker.system import Use

FIRST_LOOK_MS = 250
LOOKS = 4  # in one stall time


class Limits(NamedTuple):
    """How long without a sign of life, and how long at all (0: no limit)."""

    stall_ms: int
    most_ms: int = 0


class Pulse:
    """Of one piece of work of one child."""

    def __init__(self, limits: Limits, now_ms: int, look: Callable[[], Use | None]) -> None:
        self.limits = limits
        self._begin_ms = self._beat_ms = now_ms
        self._look = look
        self._use: Use | None = None
        self._look_ms = now_ms + min(FIRST_LOOK_MS, limits.stall_ms // LOOKS)

    def beat(self, now_ms: int) -> None:
        """It said something."""
        self._beat_ms = now_ms

    def check(self, now_ms: int) -> str:
        """"", or the code of what is wrong: `stalled`, `too-long`."""
        if now_ms >= self._look_ms:
            use = self._look()
            if use is not None and use != self._use:
                self._beat_ms = now_ms
                self._use = use
            self._look_ms = now_ms + max(50, self.limits.stall_ms // LOOKS)
        if self.limits.most_ms and now_ms >= self._begin_ms + self.limits.most_ms:
            return "too-long"
        return "stalled" if now_ms >= self._beat_ms + self.limits.stall_ms else ""

    def due_ms(self) -> int:
        """When it has to be checked next."""
        due = min(self._look_ms, self._beat_ms + self.limits.stall_ms)
        most = self.limits.most_ms
        return min(due, self._begin_ms + most) if most else due

    def half_over(self, now_ms: int) -> bool:
        """Has it been silent for half of what is too long?"""
        return now_ms >= self._beat_ms + self.limits.stall_ms // 2
