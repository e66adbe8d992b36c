"""One message as bytes: MessagePack within the limits of the protocol.

``proto/PROTOCOL.md``, section 1, says what a body may be. The reader goes through the bytes once,
from front to back, and refuses at the first thing that is not allowed, before it allocates
anything of that size; what is refused is :class:`dblend.errors.Malformed` with a ``fault``.
Everything that is sent goes through the same reader first, so that no limit is broken unseen.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

import msgpack

from dblend.errors import Malformed

__all__ = [
    "FROM_SUBMITTER",
    "FROM_WORKER",
    "TO_SUBMITTER",
    "TO_WORKER",
    "VERSION",
    "Limits",
    "Size",
    "decode",
    "encode",
    "measure",
]

VERSION = 1

DEPTH_MAX = 8
KEYS_MAX = 256
KEY_BYTES_MAX = 64
STRING_BYTES_MAX = 4096
INT_MAX = 2**63 - 1


@dataclass(frozen=True)
class Limits:
    """Of one direction: bytes of a body, and how many values it may hold."""

    body_bytes: int
    values: int


FROM_WORKER = Limits(131_072, 16_384)
FROM_SUBMITTER = Limits(1_048_576, 16_384)
TO_WORKER = Limits(8_388_608, 131_072)
TO_SUBMITTER = Limits(8_388_608, 131_072)


def decode(data: bytes, limits: Limits) -> dict[str, Any]:
    """The one map in ``data``. Raises Malformed for bytes that break the protocol's limits.

    >>> decode(bytes.fromhex("82a17601a174a548454c4c4f"), FROM_SUBMITTER)
    {'v': 1, 't': 'HELLO'}
    """
    return _Reader(data, limits).body()


def encode(message: Mapping[str, Any], limits: Limits) -> bytes:
    """The bytes of a message, ``v`` first. Raises Malformed when it breaks the limits.

    >>> encode({"t": "HELLO"}, FROM_SUBMITTER).hex()
    '82a17601a174a548454c4c4f'
    """
    try:
        data: bytes = msgpack.packb({"v": VERSION, **message}, use_bin_type=True)
    except (UnicodeEncodeError, TypeError, ValueError, OverflowError) as error:
        fault = "bad-text" if isinstance(error, UnicodeEncodeError) else "bad-type"
        raise Malformed(f"this cannot be sent: {error}", fault=fault) from None
    _Reader(data, limits).body()
    return data


def _refuse(fault: str, text: str) -> Malformed:
    return Malformed(text, fault=fault)


class _Reader:
    """A strict reader of one body."""

    def __init__(self, data: bytes, limits: Limits) -> None:
        if len(data) > limits.body_bytes:
            raise _refuse(
                "too-large", f"a body of {len(data)} bytes, {limits.body_bytes} are allowed"
            )
        self.data = data
        self.at = 0
        self.left = limits.values
        self.values_max = limits.values

    def body(self) -> dict[str, Any]:
        if not self.data:
            raise _refuse("truncated", "an empty body")
        tag = self.data[0]
        if not (tag & 0xF0 == 0x80 or tag in (0xDE, 0xDF)):
            raise _refuse("not-a-map", "the body is no map")
        value: dict[str, Any] = self.value(1)
        if self.at != len(self.data):
            raise _refuse("trailing", "something comes after the map")
        return value

    def take(self, size: int) -> bytes:
        begin = self.at
        self.at += size
        if self.at > len(self.data):
            raise _refuse("truncated", "the body ends in the middle of a value")
        return self.data[begin : self.at]

    def tag(self) -> int:
        """The next value's first byte; it is counted."""
        if self.at >= len(self.data):
            raise _refuse("truncated", "the body ends before its last value")
        self.left -= 1
        if self.left < 0:
            raise _refuse("many", f"more than {self.values_max} values")
        tag = self.data[self.at]
        self.at += 1
        return tag

    def value(self, depth: int) -> Any:
        tag = self.tag()
        if tag <= 0x7F:
            return tag
        if tag >= 0xE0:
            return tag - 256
        if 0xA0 <= tag <= 0xBF:
            return self.text(tag & 31)
        if tag <= 0x8F:
            return self.map(tag & 15, depth)
        if tag <= 0x9F:
            return self.array(tag & 15, depth)
        read = _FORMS.get(tag)
        if read is None:
            raise _refuse("bad-type", f"a value of type 0x{tag:02x}")
        return read(self, depth)

    def key(self) -> str:
        tag = self.tag()
        if 0xA0 <= tag <= 0xBF:
            size = tag & 31
        elif 0xD9 <= tag <= 0xDB:
            size = self.unsigned(1 << (tag - 0xD9))
        else:
            raise _refuse("bad-key", "a key that is no string")
        text = self.text(size)
        if not 1 <= size <= KEY_BYTES_MAX:
            raise _refuse("bad-key", f"a key of {size} bytes")
        return text

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        if size > STRING_BYTES_MAX:
            raise _refuse("long-string", f"a string of {size} bytes")
        try:
            text = self.take(size).decode("utf-8")
        except UnicodeDecodeError:
            raise _refuse("bad-text", "a string that is not UTF-8") from None
        if "\0" in text:
            raise _refuse("bad-text", "a string with a NUL")
        return text

    def room(self, values: int, depth: int) -> None:
        """A count is believed only as far as there are bytes for it."""
        if depth > DEPTH_MAX:
            raise _refuse("deep", f"nested deeper than {DEPTH_MAX}")
        if values > len(self.data) - self.at:
            raise _refuse("truncated", "a count of more values than there are bytes")
        if values > self.values_max:
            raise _refuse("many", f"more than {self.values_max} values")

    def array(self, count: int, depth: int) -> list[Any]:
        self.room(count, depth)
        return [self.value(depth + 1) for _ in range(count)]

    def map(self, count: int, depth: int) -> dict[str, Any]:
        self.room(2 * count, depth)
        if count > KEYS_MAX:
            raise _refuse("many", f"a map of {count} keys")
        result: dict[str, Any] = {}
        for _ in range(count):
            key = self.key()
            if key in result:
                raise _refuse("duplicate-key", f"the key {key!r} twice")
            result[key] = self.value(depth + 1)
        return result


def _integer(form: str) -> Callable[[_Reader, int], int]:
    layout = struct.Struct(">" + form)

    def read(reader: _Reader, _depth: int) -> int:
        number: int = layout.unpack(reader.take(layout.size))[0]
        if number > INT_MAX:
            raise _refuse("bad-integer", "an integer over 2^63 - 1")
        return number

    return read


def _floating(form: str) -> Callable[[_Reader, int], float]:
    layout = struct.Struct(">" + form)

    def read(reader: _Reader, _depth: int) -> float:
        number: float = layout.unpack(reader.take(layout.size))[0]
        if not math.isfinite(number):
            raise _refuse("bad-float", "a number that is not finite")
        return number

    return read


_FORMS: dict[int, Callable[[_Reader, int], Any]] = {
    0xC0: lambda reader, depth: None,
    0xC2: lambda reader, depth: False,
    0xC3: lambda reader, depth: True,
    0xCA: _floating("f"),
    0xCB: _floating("d"),
    **{0xCC + index: _integer(form) for index, form in enumerate("BHIQbhiq")},
    0xD9: lambda reader, depth: reader.text(reader.unsigned(1)),
    0xDA: lambda reader, depth: reader.text(reader.unsigned(2)),
    0xDB: lambda reader, depth: reader.text(reader.unsigned(4)),
    0xDC: lambda reader, depth: reader.array(reader.unsigned(2), depth),
    0xDD: lambda reader, depth: reader.array(reader.unsigned(4), depth),
    0xDE: lambda reader, depth: reader.map(reader.unsigned(2), depth),
    0xDF: lambda reader, depth: reader.map(reader.unsigned(4), depth),
}


@dataclass(frozen=True)
class Size:
    """Of a part of a body."""

    body_bytes: int
    values: int

    def __add__(self, other: Size) -> Size:
        return Size(self.body_bytes + other.body_bytes, self.values + other.values)


def measure(value: Any) -> Size:
    """How many bytes and values something adds to a body.

    >>> measure({"frames": [1, 2]})
    Size(body_bytes=11, values=5)
    """
    return Size(len(msgpack.packb(value, use_bin_type=True)), _count(value))


def _count(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + len(value) + sum(map(_count, value.values()))
    if isinstance(value, (list, tuple)):
        return 1 + sum(map(_count, value))
    return 1
