"""Frame lists: as people write them, and as SUBMIT carries them (PROTOCOL.md 4.2).

A list has, with commas between, `A`, `A-B`, `A-BxN` (every N-th from A), `current`, `start`, `end`;
numbers may be negative (`-5--1`). On the wire it is flat integers first, last, step, ... ascending,
none of which overlap, and the words apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Union

FRAME_MAX = 1048574  # Blender's MAXFRAME; the least is the negative of it
RANGES_MAX = 4096
TEXT_ITEMS = 65536  # items a person may write before they are merged
STEP_MAX = 2147483647
SHOWN_BYTES = 40  # of a wrong item
WORDS = ("current", "start", "end")

#: What `frames=` takes: "1-250x5,start", 7, range(1, 251), [1, 2, "30-40", "end"].
Frames = Union[str, int, range, Iterable[Union[str, int, range]]]

# More than 12 digits are no number: what is left of them is what is wrong.
_NUMBER = r"(-?[0-9]{1,12})"
_RANGE = re.compile(_NUMBER + r"(?:(-)" + _NUMBER + r"?(?:([xX])" + _NUMBER + r"?)?)?")
_NO_ITEM = "is no frame, range, current, start or end"
_OUTSIDE = f"is outside -{FRAME_MAX} to {FRAME_MAX}"


class FrameListError(ValueError):
    """A text that is no frame list; str() names the wrong piece: `frames: "9-1" ends ...`."""


class Range(NamedTuple):
    """Frames first, first + step, ... last; last is one of them."""

    first: int
    last: int
    step: int


class FrameList:
    """A frame list, normalised: its ranges ascend and none reaches into the next.

    >>> parse("7,1-3,start").flat()
    [1, 3, 1, 7, 7, 1]
    """

    def __init__(self, ranges: Sequence[Range], words: Iterable[str] = ()) -> None:
        self.ranges = tuple(ranges)
        self.words = tuple(word for word in WORDS if word in words)

    def flat(self) -> list[int]:
        """As on the wire: first, last, step, first, last, step ..."""
        return [number for one in self.ranges for number in one]

    def __str__(self) -> str:
        return ",".join([_format(one) for one in self.ranges] + list(self.words))

    def __iter__(self) -> Iterator[int]:
        """The frames that are numbers, ascending."""
        for first, last, step in self.ranges:
            yield from range(first, last + 1, step)

    def __len__(self) -> int:
        return sum((last - first) // step + 1 for first, last, step in self.ranges)


def parse(frames: Frames) -> FrameList:
    """The list that a person, or a program, means.

    Raises FrameListError with the words of `dblend add --frames`.
    """
    ranges: list[Range] = []
    words: dict[str, None] = {}
    for item in _items(frames):
        found = _take_item(item, words) if isinstance(item, str) else _take_numbers(item)
        if found is not None:
            if len(ranges) >= TEXT_ITEMS:
                raise _wrong(str(item), "is one range too many")
            ranges.append(found)
    normal = _normalise(ranges)
    if len(normal) > RANGES_MAX:
        raise FrameListError(f"frames: more than {RANGES_MAX} ranges: submit them as several jobs")
    return FrameList(normal, words)


def _items(frames: Frames) -> Iterator[str | range]:
    """Pieces of text between commas, and runs of numbers."""
    if isinstance(frames, str):
        yield from frames.split(",")
        return
    if isinstance(frames, (int, range)):
        frames = [frames]
    elif not isinstance(frames, Iterable) or isinstance(frames, (bytes, bytearray)):
        raise _wrong(str(frames), _NO_ITEM)
    empty = True
    for item in _runs(frames):
        if isinstance(item, str):
            yield from item.split(",")
        else:
            yield item
        empty = False
    if empty:
        yield ""  # no frame is not every frame


def _runs(items: Iterable[str | int | range]) -> Iterator[str | range]:
    """Numbers that follow each other as one item: a program's list may have any number of them."""
    run: range | None = None
    for item in items:
        if isinstance(item, int) and not isinstance(item, bool):
            if run is not None and item == run.stop:
                run = range(run.start, item + 1)
                continue
            if run is not None:
                yield run
            run = range(item, item + 1)
            continue
        if run is not None:
            yield run
            run = None
        yield item if isinstance(item, (str, range)) else str(item)
    if run is not None:
        yield run


def _take_numbers(numbers: range) -> Range:
    if not numbers:
        raise _wrong(str(numbers), "has no frame in it")
    first, last = sorted((numbers[0], numbers[-1]))
    if first < -FRAME_MAX or last > FRAME_MAX:
        outside = first if first < -FRAME_MAX else last
        raise _wrong(str(outside), _OUTSIDE)
    return _reach(first, last, abs(numbers.step))


def _take_item(text: str, words: dict[str, None]) -> Range | None:
    item = text.strip(" \t")
    if item in WORDS:
        words[item] = None
        return None
    match = _RANGE.match(item)
    why = _no_range(item, match)
    if match and not why:
        first, last = int(match[1]), int(match[3] or match[1])
        step = int(match[5] or 1)
        why = _out_of_order(first, last, step)
        if not why:
            return _reach(first, last, min(step, STEP_MAX))
    raise _wrong(text, why)


def _no_range(item: str, match: re.Match[str] | None) -> str:
    """Why it does not read like a range; "" if it does."""
    if not item:
        return "is empty: a number is missing beside a comma"
    if match and match[2] and match[3] is None:
        return "has no last frame after its '-'"
    if match and match[4] and match[5] is None:
        return "has no step after its 'x'"
    return "" if match and match.end() == len(item) else _NO_ITEM


def _out_of_order(first: int, last: int, step: int) -> str:
    if step < 1:
        return "has a step under 1"
    if last < first:
        return "ends before it begins"
    return _OUTSIDE if first < -FRAME_MAX or last > FRAME_MAX else ""


def _wrong(text: str, why: str) -> FrameListError:
    shown = text.encode("utf-8", "surrogateescape")[:SHOWN_BYTES].decode("utf-8", "replace")
    plain = "".join("?" if char < " " or char == "\x7f" else char for char in shown)
    return FrameListError(f'frames: "{plain}" {why}')


def _reach(first: int, last: int, step: int) -> Range:
    """So that the last frame is one of the step's."""
    reached = first + (last - first) // step * step
    return Range(first, reached, 1 if reached == first else step)


def _format(one: Range) -> str:
    if one.first == one.last:
        return str(one.first)
    return f"{one.first}-{one.last}" + (f"x{one.step}" if one.step > 1 else "")


def _normalise(ranges: list[Range]) -> list[Range]:
    ranges = sorted(ranges, key=lambda one: (one.first, one.last))
    apart = all(after.first > before.last for before, after in zip(ranges, ranges[1:]))
    if apart:
        ranges = _join(ranges)
    return ranges if apart and len(ranges) <= RANGES_MAX else _compress(_marks(ranges))


def _join(ranges: list[Range]) -> list[Range]:
    """1-3,4-6 -> 1-6; 1,2,3 -> 1-3; 1-5x2,7-9x2 -> 1-9x2: neighbours that go on with their step."""
    out = ranges[:1]
    for one in ranges[1:]:
        last = out[-1]
        gap = one.first - last.last
        was_single, is_single = last.first == last.last, one.first == one.last
        fits_left = (gap == one.step or is_single) if was_single else gap == last.step
        fits_right = is_single or one.step == gap
        if fits_left and fits_right and (not was_single or gap == 1):
            out[-1] = Range(last.first, one.last, gap)
        else:
            out.append(one)
    return out


def _marks(ranges: list[Range]) -> bytearray:
    """One byte a frame, the least frame first; 1 where it is meant."""
    marks = bytearray(2 * FRAME_MAX + 1)
    for first, last, step in ranges:
        begin, end = first + FRAME_MAX, last + FRAME_MAX + 1
        marks[begin:end:step] = b"\1" * len(range(begin, end, step))
    return marks


def _compress(marks: bytearray) -> list[Range]:
    """From the first frame left, with the distance to the next as step, as far as it goes."""
    out: list[Range] = []
    first = marks.find(1)
    while first >= 0 and len(out) <= RANGES_MAX:
        last, after = first, marks.find(1, first + 1)
        step = after - first if after >= 0 else 1
        if step == 1 and after >= 0:
            end = marks.find(0, first)
            last = (end if end >= 0 else len(marks)) - 1
            after = marks.find(1, last + 1)
        while after >= 0 and after - last == step:
            last, after = after, marks.find(1, after + 1)
        out.append(Range(first - FRAME_MAX, last - FRAME_MAX, step if last > first else 1))
        first = after
    return out
