"""heat - a card that is too hot rests until it is cooler."""

from __future__ import annotations

from dblend.worker import log

COOLER = 10  # degrees


class Heat:
    """Of one card. most: degrees that it may have; None: nobody said."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._resting = False

    def check(self, celsius: int | None) -> dict[str, str] | None:
        """Why it rests, as SYNC says it; None: it does not. celsius None: not known, as before."""
        if self._most is None:
            return None
        until = self._most - COOLER
        if celsius is None:
            celsius = until + 1 if self._resting else until
        text = f"its card has {celsius} C, more than {self._most}; it rests until {until} C"
        if not self._resting and celsius > self._most:
            self._resting = True
            log.warning(f"rest: {text}")
        elif self._resting and celsius <= until:
            self._resting = False
            log.info(f"the card has cooled to {celsius} C")
        hint = "look at its fans and at the air around it"
        return {"code": "too-hot", "text": text, "hint": hint} if self._resting else None
