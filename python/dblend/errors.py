"""What can go wrong, an exception for each kind.

Every exception of this package is a :class:`FarmError` and carries the broker's three words:
``code`` (a short word to compare with), ``text`` (one sentence for people) and ``hint`` (what to
do about it, or None).

    >>> try:
    ...     farm.job(7).cancel()
    ... except dblend.NoSuchJob as error:
    ...     print(error.code, error.text)
    no-such-job there is no job 7
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "BrokerLost",
    "FarmError",
    "FileRefused",
    "JobNotDone",
    "KeyUsed",
    "Malformed",
    "NoBroker",
    "NoSuchJob",
    "NotPrivate",
    "Refused",
    "SubmitRefused",
    "TimeIsOver",
    "UsageError",
    "VersionRefused",
    "refusal",
]


class FarmError(Exception):
    """The base of all of them.

    ``code``  a short word, stable, to compare with: ``no-such-job``
    ``text``  one sentence for people
    ``hint``  what to do about it, or None
    ``job``   the number of the job that it is about, or None
    """

    code = "error"

    def __init__(
        self,
        text: str,
        hint: str | None = None,
        *,
        code: str | None = None,
        job: int | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code if code is not None else type(self).code
        self.text = text
        self.hint = hint
        self.job = job

    def __str__(self) -> str:
        return f"{self.text} ({self.hint})" if self.hint else self.text

    def as_dict(self) -> dict[str, str | None]:
        """``{code, text, hint}``, as ``dblend --json`` prints an error."""
        return {"code": self.code, "text": self.text, "hint": self.hint}


class NoBroker(FarmError):
    """Nobody has answered yet and nobody listens: there is no farm to talk to."""

    code = "no-broker"


class BrokerLost(FarmError):
    """The broker answered before, and then not any more for so long that we gave up."""

    code = "broker-lost"


class TimeIsOver(FarmError, TimeoutError):
    """The time that the caller gave is over. What was asked may still happen.

    A request that changes something may have arrived: ask again with the same ``key``.
    """

    code = "timeout"


class NotPrivate(FarmError):
    """The folder of the farm's sockets belongs to somebody else, or is open to others."""

    code = "not-private"


class Malformed(FarmError):
    """Bytes that are not of the protocol, or a request that breaks its limits: not sent.

    ``code`` is ``malformed``, ``fault`` the reason as the vectors of the protocol name it
    (``truncated``, ``deep``, ``too-large`` ...).
    """

    code = "malformed"

    def __init__(self, text: str, *, fault: str = "malformed", hint: str | None = None) -> None:
        super().__init__(text, hint=hint)
        self.fault = fault


class UsageError(FarmError, ValueError):
    """An option that there is not, or a value that it does not take. Nothing was sent."""

    code = "usage"


class FileRefused(FarmError):
    """A .blend that cannot be submitted: it is missing, not readable, cut off, or no .blend.

    ``file``  its path, as it was given
    """

    code = "file-unreadable"

    def __init__(self, text: str, *, code: str, file: str, hint: str | None = None) -> None:
        super().__init__(text, code=code, hint=hint)
        self.file = file

    def __str__(self) -> str:
        return f"{self.file}: {super().__str__()}"


class Refused(FarmError):
    """The broker said no: an ``ERROR`` answer, with its code, text and hint."""

    code = "refused"


class VersionRefused(Refused):
    """The broker serves another version of the protocol."""

    code = "version"


class NoSuchJob(Refused):
    """There is no job of that number."""

    code = "no-such-job"


class KeyUsed(Refused):
    """The key was used before, for a request with another content."""

    code = "key-used"


class SubmitRefused(Refused):
    """A job was not queued, ``already-queued`` for example; ``job`` is the one in its way."""

    code = "submit-refused"


class JobNotDone(FarmError):
    """``wait`` ended, and the job is not done: failed, cancelled, held, or paused by an error.

    ``info`` is the job as ``dblend show --json`` prints it, ``questions`` what a held job asks.
    """

    code = "not-done"

    def __init__(
        self,
        text: str,
        *,
        code: str,
        info: Mapping[str, Any],
        questions: list[dict[str, Any]] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(text, code=code, hint=hint, job=info.get("job"))
        self.info = info
        self.questions = questions or []


_OF_CODE: dict[str, type[Refused]] = {
    kind.code: kind for kind in (VersionRefused, NoSuchJob, KeyUsed)
}


def refusal(error: Mapping[str, Any], kind: type[Refused] = Refused) -> Refused:
    """The exception for a ``{code, text, hint, job}`` that the broker sent.

    A code with an exception of its own gets that one, any other ``kind``.
    """
    code = str(error.get("code") or kind.code)
    chosen = _OF_CODE.get(code, kind)
    return chosen(
        str(error.get("text") or code), code=code, hint=error.get("hint"), job=error.get("job")
    )
