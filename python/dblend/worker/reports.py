"""reports - what happened and is not settled yet; goes into every SYNC, oldest first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

REPORTS_MAX = 8
LOGS_MAX = 4
BYTES_MAX = 96 * 1024  # of the texts in one message, roughly: its limit is 131,072
TEXT_MAX = 2000  # bytes
LIST_MAX = 60  # questions, warnings


class _Entry(NamedTuple):
    report: Mapping[str, Any]
    log: bytes
    size: int


class Reports:
    """Those of one worker."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, claim: int, what: str, log: bytes = b"", **keys: Any) -> None:
        """One more. log: Blender's output, which goes along as a blob."""
        report = {"claim": claim, "what": what, **_shorten(keys), **({"log": True} if log else {})}
        self._entries.append(_Entry(report, log, len(repr(report))))

    def settle(self, claim: int, what: str) -> None:
        """The broker has it, accepted or stale."""
        self._entries = [
            entry
            for entry in self._entries
            if (entry.report["claim"], entry.report["what"]) != (claim, what)
        ]

    def forget(self, claim: int) -> None:
        """The claim is not ours any more."""
        self._entries = [entry for entry in self._entries if entry.report["claim"] != claim]

    def ended(self, claim: int) -> bool:
        """Is an end of this claim among them?"""
        return any(
            entry.report["claim"] == claim and entry.report["what"] != "started"
            for entry in self._entries
        )

    def outgoing(self) -> tuple[list[Mapping[str, Any]], list[bytes]]:
        """As many as one message takes, and their logs in order."""
        logs: list[bytes] = []
        chosen: list[Mapping[str, Any]] = []
        size = 0
        for entry in self._entries[:REPORTS_MAX]:
            size += entry.size
            if chosen and (size > BYTES_MAX or (entry.log and len(logs) == LOGS_MAX)):
                break
            chosen.append(entry.report)
            logs += [entry.log] if entry.log else []
        return chosen, logs

    def __len__(self) -> int:
        return len(self._entries)


def _shorten(value: Any, key: str = "") -> Any:
    """What is too large, or no text, is dropped by the broker without a word."""
    if isinstance(value, str):
        data = value.replace("\0", "?").encode("utf-8", "replace")
        if key in ("text", "hint") and len(data) > TEXT_MAX:
            return data[:TEXT_MAX].decode("utf-8", "ignore") + " ..."
        return data.decode("utf-8")
    if isinstance(value, dict):
        return {name: _shorten(one, name) for name, one in value.items()}
    if isinstance(value, list):
        most = LIST_MAX if key in ("questions", "warnings") else len(value)
        return [_shorten(one, key) for one in value[:most]]
    return value
