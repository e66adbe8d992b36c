"""The kinds of values that the tables of :mod:`dblend.messages` are made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dblend.errors import Malformed

__all__ = [
    "COUNT", "DEVICE_TYPES", "FLAG", "FRAME", "FRAMES", "FRAME_MAX", "ID", "INTEGER", "ORDER",
    "PATH", "RANGES_MAX", "TEXT", "Choice", "Dictionary", "Flag", "FrameRanges", "Integer", "Items",
    "Kind", "Optional", "Pattern", "Shape", "Text", "Word", "hexadecimal",
]  # fmt: skip

FRAME_MAX = 1_048_574
RANGES_MAX = 4096


class Kind:
    """Of a value; :meth:`check` raises Malformed, naming the place."""

    def check(self, value: Any, at: str) -> None:
        raise NotImplementedError


def _wrong(at: str, why: str) -> Malformed:
    return Malformed(f"{at or 'the message'}: {why}")


@dataclass(frozen=True)
class Integer(Kind):
    """From ``least`` to ``most``, both included."""

    least: int = -(2**63)
    most: int = 2**63 - 1

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong(at, "not an integer")
        if not self.least <= value <= self.most:
            raise _wrong(at, "out of range")


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, bool):
            raise _wrong(at, "neither true nor false")


@dataclass(frozen=True)
class Text(Kind):
    """Of so many bytes of UTF-8."""

    least: int = 0
    most: int = 4096

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, str):
            raise _wrong(at, "not a string")
        if not self.least <= len(value.encode("utf-8", "surrogatepass")) <= self.most:
            raise _wrong(at, "too short or too long")


@dataclass(frozen=True)
class Pattern(Kind):
    """A text that a regular expression describes, all of it."""

    expression: str

    def check(self, value: Any, at: str) -> None:
        TEXT.check(value, at)
        if not re.fullmatch(self.expression, value, re.DOTALL):
            raise _wrong(at, "not of its form")


@dataclass(frozen=True)
class Word(Kind):
    """One of a few."""

    words: tuple[str, ...]

    def __init__(self, *words: str) -> None:
        object.__setattr__(self, "words", words)

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, str) or value not in self.words:
            raise _wrong(at, f"not one of {', '.join(map(repr, self.words))}")


@dataclass(frozen=True)
class Items(Kind):
    """An array of at most so many of one kind."""

    kind: Kind
    most: int

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, (list, tuple)):
            raise _wrong(at, "not an array")
        if len(value) > self.most:
            raise _wrong(at, f"more than {self.most}")
        for place, item in enumerate(value):
            self.kind.check(item, f"{at}[{place}]")


@dataclass(frozen=True)
class Dictionary(Kind):
    """A map of any keys to values of one kind."""

    kind: Kind

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(at, "not a map")
        for key, item in value.items():
            self.kind.check(item, f"{at}.{key}")


@dataclass(frozen=True)
class Optional(Kind):
    """A key that may be absent, or nil."""

    kind: Kind

    def check(self, value: Any, at: str) -> None:
        if value is not None:
            self.kind.check(value, at)


@dataclass(frozen=True)
class Shape(Kind):
    """A map with these keys; others are ignored."""

    fields: Mapping[str, Kind]

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(at, "not a map")
        _check_fields(self.fields, value, at)


@dataclass(frozen=True)
class Choice(Kind):
    """A map with keys, one of which says which further ones it has."""

    fields: Mapping[str, Kind]
    chosen_by: str
    choices: Mapping[str, Mapping[str, Kind]]

    def check(self, value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise _wrong(at, "not a map")
        _check_fields(self.fields, value, at)
        _check_fields(self.choices[value[self.chosen_by]], value, at)


def _check_fields(fields: Mapping[str, Kind], value: Mapping[str, Any], at: str) -> None:
    for key, kind in fields.items():
        place = f"{at}.{key}" if at else key
        item = value.get(key)
        if item is None and not isinstance(kind, Optional):
            raise _wrong(place, "missing")
        kind.check(item, place)


@dataclass(frozen=True)
class FrameRanges(Kind):
    """Flat: first, last, step, first, last, step ..., ascending, apart (4.2)."""

    def check(self, value: Any, at: str) -> None:
        Items(INTEGER, 3 * RANGES_MAX).check(value, at)
        if len(value) % 3:
            raise _wrong(at, "not three numbers a range")
        before = -FRAME_MAX - 1
        for place in range(0, len(value), 3):
            first, last, step = value[place : place + 3]
            if not (before < first <= last <= FRAME_MAX and step >= 1):
                raise _wrong(at, "ranges that do not ascend, or frames out of range")
            before = last


INTEGER = Integer()
COUNT = Integer(0)
ID = Integer(1)
FRAME = Integer(-FRAME_MAX, FRAME_MAX)
FLAG = Flag()
TEXT = Text()
PATH = Pattern("/.*")
ORDER = Pattern(r"first|last|middle|every:[1-9][0-9]{0,6}")
FRAMES = FrameRanges()
DEVICE_TYPES = Pattern(r"[A-Za-z]+(,[A-Za-z]+)*")


def hexadecimal(digits: int) -> Pattern:
    """So many lower-case hex digits."""
    return Pattern(f"[0-9a-f]{{{digits}}}")
