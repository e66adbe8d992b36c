"""Is a file a .blend, and is it whole? Known before a Blender starts.

The header of plain, gzip and zstd files, the old one (BLENDER-v304) and that of 5.0
(BLENDER17-01v0500), then from block to block up to DNA1, which stands near the end and without
which Blender opens nothing. Python learnt zstd with 3.14: before that a zstd file is taken as it
is, and the farm's inspection tells.
"""

from __future__ import annotations

import gzip
import importlib
import os
import re
import zlib
from typing import BinaryIO, NamedTuple, cast

WALK_MAX = 8 << 30  # unpacked bytes that are walked at most: a small file may unpack without end
PIECE_BYTES = 131072
_OLD_HEADER = 12  # BLENDER-v304
_NEW_HEADER = 17  # BLENDER17-01v0500
_NEW_LAYOUT = 1  # the 01 in it
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")


class NotBlend(ValueError):
    """It does not begin as a .blend does."""


class Truncated(ValueError):
    """It begins like a .blend, but is cut off or damaged: there is no whole DNA1 block."""


def check(path: str) -> int | None:
    """Which Blender saved it: 304 is 3.4, 500 is 5.0; None where this Python cannot unpack it.

    Raises NotBlend or Truncated, or OSError where it cannot be read.
    """
    with open(path, "rb", opener=_open_now) as file:
        unpacked = _unpacked(file)
        if unpacked is None:
            return None
        size = os.fstat(file.fileno()).st_size if unpacked is file else None
        source = _Source(unpacked, size)
        layout = _read_header(source)
        if layout.known:
            _walk(source, layout)
        return layout.version


def _open_now(path: str, flags: int) -> int:
    """A pipe would block."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _unpacked(file: BinaryIO) -> BinaryIO | None:
    """Its unpacked bytes, front to back; None: packed by what this Python cannot unpack."""
    magic = file.read(4)
    file.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return cast(BinaryIO, gzip.GzipFile(fileobj=file))
    if magic == _ZSTD or _ZSTD_SKIPPABLE.match(magic):
        try:
            zstd = importlib.import_module("compression.zstd")
        except ImportError:
            return None
        return cast(BinaryIO, zstd.ZstdFile(file))
    return file


class _Source:
    """The unpacked bytes of a file; size is known where nothing is packed."""

    def __init__(self, stream: BinaryIO, size: int | None) -> None:
        self._stream, self._size = stream, size
        self.at = 0

    def read(self, size: int) -> bytes:
        """Fewer bytes than asked: the end. Damaged packed bytes end it, too."""
        try:
            data = self._stream.read(size)
        except OSError as error:
            if error.errno is not None:
                raise
            data = b""  # gzip's own complaints have no number
        except (EOFError, ValueError, zlib.error):
            data = b""
        self.at += len(data)
        return data

    def skip(self, size: int) -> None:
        if self._size is not None:
            if size > self._size - self.at:
                raise Truncated
            self.at += size
            self._stream.seek(self.at)
            return
        while size > 0 and self.at < WALK_MAX:
            piece = min(size, PIECE_BYTES)
            if len(self.read(piece)) < piece:
                raise Truncated
            size -= piece


class _Layout(NamedTuple):
    """How the head of a block is laid out, and where in it the length of the block stands."""

    head: int
    length_at: int
    length_bytes: int
    big_endian: bool
    version: int
    known: bool  # a later layout is for a later Blender: the broker refuses it by its version


def _read_header(source: _Source) -> _Layout:
    text = source.read(_OLD_HEADER)
    if text[:7] != b"BLENDER":
        raise NotBlend
    if len(text) < _OLD_HEADER:
        raise Truncated
    return _read_new(source, text) if text[7:8].isdigit() else _read_old(text)


def _read_old(text: bytes) -> _Layout:
    match = re.fullmatch(rb"BLENDER([-_])([vV])([0-9]{3})", text)
    if not match:
        raise NotBlend
    return _Layout(20 if match[1] == b"_" else 24, 4, 4, match[2] == b"V", int(match[3]), True)


def _read_new(source: _Source, text: bytes) -> _Layout:
    """The two digits after BLENDER are the size of the header; a later one may be longer."""
    size = int(text[7:9]) if text[7:9].isdigit() else 0
    if size < _NEW_HEADER:
        raise NotBlend
    text += source.read(_NEW_HEADER - _OLD_HEADER)
    if len(text) < _NEW_HEADER:
        raise Truncated
    match = re.fullmatch(rb"BLENDER[0-9]{2}-([0-9]{2})v([0-9]{4})", text)
    if not match:
        raise NotBlend
    source.skip(size - _NEW_HEADER)
    return _Layout(32, 16, 8, False, int(match[2]), int(match[1]) <= _NEW_LAYOUT)


def _walk(source: _Source, layout: _Layout) -> None:
    """From block to block up to DNA1."""
    most = (1 << (8 * layout.length_bytes - 1)) - 1
    while source.at < WALK_MAX:
        block = source.read(layout.head)
        if len(block) < layout.head or block[:4] == b"ENDB":
            raise Truncated
        field = block[layout.length_at : layout.length_at + layout.length_bytes]
        length = int.from_bytes(field, "big" if layout.big_endian else "little")
        if length > most:
            raise Truncated
        source.skip(length)
        if block[:4] == b"DNA1":
            return
