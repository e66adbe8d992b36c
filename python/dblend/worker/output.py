"""output - what Blender printed during one attempt: the head and the tail of it, bounded."""

from __future__ import annotations

from collections import deque

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 190 * 1024
LAST_LINES = 50
LAST_BYTES = 1500


class Output:
    """The lines of one attempt."""

    def __init__(self) -> None:
        self._head: list[bytes] = []
        self._head_bytes = 0
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out = 0

    def clear(self) -> None:
        """A new attempt begins."""
        self.__init__()  # type: ignore[misc]

    def add(self, line: bytes) -> None:
        """One line, without its end."""
        size = len(line) + 1
        if not self._tail and self._head_bytes + size <= HEAD_BYTES:
            self._head.append(line)
            self._head_bytes += size
            return
        self._tail.append(line)
        self._tail_bytes += size
        while self._tail_bytes > TAIL_BYTES:
            dropped = len(self._tail.popleft()) + 1
            self._tail_bytes -= dropped
            self._left_out += dropped

    def text(self) -> bytes:
        """All that is kept, valid UTF-8; at most 256 KiB."""
        gap = [b"... %d bytes left out ..." % self._left_out] if self._left_out else []
        lines = [*self._head, *gap, *self._tail]
        return b"".join(_clean(line) + b"\n" for line in lines)

    def last(self) -> str:
        """The last lines, for people."""
        lines: deque[str] = deque()
        size = 0
        for line in [*reversed(self._tail), *reversed(self._head)][:LAST_LINES]:
            text = _clean(line).decode("utf-8")
            size += len(text) + 1
            if size > LAST_BYTES:
                break
            lines.appendleft(text)
        return "\n".join(lines)


def _clean(line: bytes) -> bytes:
    """Every bad byte and every control character but tab becomes '?': no byte more than before."""
    text = line.decode("utf-8", "surrogateescape")
    return "".join(
        letter if (letter >= " " and not "\udc80" <= letter <= "\udcff") or letter == "\t" else "?"
        for letter in text
    ).encode("utf-8")
