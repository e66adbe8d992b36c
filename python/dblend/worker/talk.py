"""talk - this worker's talk with the broker (proto/PROTOCOL.md, section 2).

Always exactly one request is outstanding: READY, then one SYNC after the other, each the state of
now. When an answer is overdue the state is sent anew on a timer (1 s doubling to 10 s, with jitter,
a new socket every third time), and on nothing but the timer until an answer comes. No socket and
no clock here.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from dblend.worker.reports import Reports

OVERDUE_MS = 2000  # beyond the park time
PARK_MS = 1000  # until the broker has said it
PAUSE_MIN_MS = 1000
PAUSE_MAX_MS = 10000
SENDS_A_SOCKET = 3
NEVER = 1 << 62

Message = dict[str, Any]


class Owner(Protocol):
    """Whose talk it is."""

    def describe(self) -> Message:
        """Keys of SYNC but those of the talk: job, holding, want, state, leave ..."""

    def send(self, message: Message, blobs: Sequence[bytes], renew: bool) -> None:
        """renew: on a new socket, since the old one may be dead."""

    def joined(self, farm: str) -> None:
        """READY was answered."""

    def assigned(self, about: Mapping[str, Any]) -> None:
        """A description of the assignment."""

    def granted(self, grant: Mapping[str, Any]) -> None:
        """A claim is ours."""

    def lost(self, claim: int) -> None:
        """A claim is not ours any more."""

    def ordered(self, orders: Mapping[str, Any]) -> None:
        """The broker's orders, as they are now."""

    def answered(self, want: int, grants: int) -> None:
        """An answer is through: what its request wanted, how many came."""

    def left(self) -> None:
        """The last SYNC was answered."""

    def refused(self, text: str) -> None:
        """The broker will not have us."""


class Talk:
    """One worker's."""

    def __init__(self, me: Message, owner: Owner, reports: Reports, now_ms: int) -> None:
        self._me = me
        self._owner = owner
        self._reports = reports
        self._session = 0  # 0: READY comes next
        self._seq = 0
        self._seen = 0
        self._asked: Message | None = None  # the request that is outstanding
        self._touched = False
        self._park_ms = PARK_MS
        self._pause_ms = PAUSE_MIN_MS
        self._silent_sends = 0  # since the last answer
        self._due_ms = now_ms
        self.heard_ms = now_ms  #: when the last answer came

    def touch(self) -> None:
        """Something happened that the broker must hear at once, with the next tick."""
        self._touched = True

    def tick(self, now_ms: int) -> int:
        """Send what is due; the next deadline."""
        overdue = now_ms >= self._due_ms and self._asked is not None
        silent = self._silent_sends > 1
        if self._asked is None or overdue or (self._touched and not silent):
            self._send(now_ms, overdue)
        return self._due_ms

    def _send(self, now_ms: int, overdue: bool) -> None:
        wait_ms = self._park_ms + OVERDUE_MS
        if overdue:
            self._silent_sends += 1
            wait_ms = int(self._pause_ms * random.uniform(0.8, 1.2))
            self._pause_ms = min(2 * self._pause_ms, PAUSE_MAX_MS)
        self._silent_sends = max(1, self._silent_sends)
        self._seq += 1
        message, blobs = self._sync() if self._session else (self._ready(), [])
        self._asked = message
        self._touched = False
        self._due_ms = now_ms + wait_ms
        renew = overdue and self._silent_sends % SENDS_A_SOCKET == 1
        self._owner.send(message, blobs, renew)

    def _ready(self) -> Message:
        now = self._owner.describe()
        reports, _ = self._reports.outgoing()
        ends = [{**report, "log": None} for report in reports]  # no blob goes with it
        job = {"job": now["job"]} if "job" in now else {}
        return {
            "t": "READY",
            "seq": self._seq,
            **self._me,
            **job,
            "holding": now["holding"],
            "reports": ends,
        }

    def _sync(self) -> tuple[Message, list[bytes]]:
        reports, blobs = self._reports.outgoing()
        message = {
            "t": "SYNC",
            "session": self._session,
            "seq": self._seq,
            "seen": self._seen,
            **self._owner.describe(),
            "reports": reports,
        }
        return message, blobs

    # -- answers ----------------------------------------------------------------------------------

    def receive(self, answer: Message, now_ms: int) -> None:
        """An answer came; one that is not the answer to the last request is ignored."""
        asked = self._asked
        if asked is None or answer.get("seq") != asked["seq"]:
            return
        kind = answer.get("t")
        if kind not in ("ANSWER", "READY-AGAIN", "REFUSED"):
            return
        self._asked = None
        self._silent_sends = 0
        self._pause_ms = PAUSE_MIN_MS
        self.heard_ms = now_ms
        if kind == "ANSWER":
            self._take(answer, asked)
        elif kind == "READY-AGAIN":
            self._session = 0
        else:
            said = [answer.get("text"), answer.get("hint")]
            self._owner.refused("; ".join(str(part) for part in said if part))

    def _take(self, answer: Message, asked: Message) -> None:
        self._session = answer["session"]
        self._park_ms = answer["park_ms"]
        if asked["t"] == "READY":
            self._seen = 0  # of another session, perhaps of another broker
            self._owner.joined(answer["farm"])
        for end in answer["settled"]:
            self._reports.settle(end["claim"], end["what"])
        for claim in answer["stale"]:
            self._owner.lost(claim)
        if answer.get("job"):
            self._owner.assigned(answer["job"])
        for grant in answer["grants"]:
            self._owner.granted(grant)
        self._seen = max(self._seen, answer["orders"]["n"])
        self._owner.ordered(answer["orders"])
        self._owner.answered(asked.get("want", 0), len(answer["grants"]))
        if asked.get("leave"):
            self._owner.left()
