"""The talk with a broker, without sockets: what to send, how long to wait, when to give up.

An operation is a generator. It yields :class:`Send` (send this, wait so long, hand me the body of
the answer or None) and :class:`Work` (call this, which may block, and hand me its result), and
returns what it has found out. A transport drives it: :mod:`dblend.farm` with plain sockets,
:mod:`dblend.aio` on asyncio. Neither knows anything of the protocol.

The rules of the talk (proto/PROTOCOL.md, sections 1 and 4): one request outstanding; a request
that stays unanswered is sent again, byte for byte, so that its key makes it happen once; every
third time through a new socket. Before the first answer a farm where nobody listens is no farm;
afterwards its broker may be away for ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Callable, TypeVar, Union

from dblend import messages, paths, wire
from dblend.errors import BrokerLost, NoBroker, TimeIsOver, refusal

__all__ = ["Action", "Operation", "Send", "Talk", "Times", "Work"]

T = TypeVar("T")


@dataclass(frozen=True)
class Send:
    """Send ``body``, through a new socket if ``renew``, and wait up to ``wait_s`` for an answer.

    The transport hands back the one frame of the answer, or None when none came in time.
    """

    body: bytes
    wait_s: float
    renew: bool = False


@dataclass(frozen=True)
class Work:
    """Call something that may take its time: look at a file, at a socket."""

    call: Callable[[], Any]


Action = Union[Send, Work]
Operation = Generator[Action, Any, T]


@dataclass(frozen=True)
class Times:
    """Seconds."""

    first_s: float = 0.5  # nobody has ever answered: then look whether anybody listens
    deaf_s: float = 10.0  # somebody listens, but has never answered
    overdue_s: float = 2.0  # beyond the time for which the broker may park the request
    outlive_s: float = 600.0  # how long a broker that once answered may be away


RENEW_EVERY = 3
START_ONE = "start a farm with `dblend farm', or queue a first file with `dblend add FILE'"


class Talk:
    """What is known of one broker, shared by all connections to it."""

    def __init__(
        self,
        endpoint: str,
        times: Times | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.endpoint = endpoint
        self.times = times or Times()
        self.clock = clock
        self.heard = False

    def ask(
        self, request: Mapping[str, Any], *, park_s: float = 0.0, until: float | None = None
    ) -> Operation[dict[str, Any]]:
        """The OK answer to a request that the broker may park for ``park_s``.

        ``until`` is on our clock. Raises Refused for an ERROR, NoBroker, BrokerLost, TimeIsOver,
        and Malformed for an answer that is none.
        """
        messages.check({"v": wire.VERSION, **request}, "from-submitter")
        body = wire.encode(request, wire.FROM_SUBMITTER)
        answer = wire.decode((yield from self._exchange(body, park_s, until)), wire.TO_SUBMITTER)
        return _result_of(request["t"], answer)

    def _exchange(self, body: bytes, park_s: float, until: float | None) -> Operation[bytes]:
        begun = self.clock()
        sends = 0
        while True:
            wait_s = park_s + self.times.overdue_s if self.heard else self.times.first_s
            if until is not None:
                wait_s = min(wait_s, max(until - self.clock(), 0.0))
            renew = sends > 0 and sends % RENEW_EVERY == 0
            answer: bytes | None = yield Send(body, wait_s, renew)
            if answer is not None:
                self.heard = True
                return answer
            sends += 1
            yield from self._consider(begun, until)

    def _consider(self, begun: float, until: float | None) -> Operation[None]:
        """No answer came: raise what that means by now, or go on."""
        now = self.clock()
        if not self.heard:
            there: bool = yield Work(lambda: paths.is_listening(self.endpoint))
            if not there:
                raise NoBroker(f"no broker answers at {self.endpoint}", START_ONE)
            if now - begun >= self.times.deaf_s:
                raise NoBroker(
                    f"whoever listens at {self.endpoint} does not answer",
                    "is it a broker's socket for submitters?",
                )
        if until is not None and now >= until:
            raise TimeIsOver("the time is over and no answer has come")
        if self.heard and now - begun >= self.times.outlive_s:
            raise BrokerLost(
                f"the broker at {self.endpoint} has not answered for so long", START_ONE
            )


def _result_of(request: str, answer: dict[str, Any]) -> dict[str, Any]:
    """A broker of another version says so in its own: that ERROR is read whatever else it is."""
    if answer.get("t") == "ERROR":
        raise refusal(answer)
    messages.check(answer, "to-submitter")
    messages.check_answer(request, answer)
    return answer
