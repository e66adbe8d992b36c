"""source - which file to open: the .blend as it was submitted, or the kept one.

The original while its size and mtime are those that were submitted (another mtime alone: the hash
decides), else the kept file by the same rule. Called in a thread of its own: a network disk may
hang, and the worker's loop must not.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from dblend import blendfile, kept
from dblend.worker.complaint import Trouble

_CHANGED = "changed since it was submitted, and no kept copy has its old bytes"


class Ask(NamedTuple):
    """Of one job's file."""

    file: str
    kept: str
    size: int
    mtime_ns: int
    hash: str
    read_header: bool
    opened: Answer | None = None  #: a look after the open: what was opened


class Answer(NamedTuple):
    """What is to be opened, or what is wrong."""

    use: str = ""
    mtime_ns: int = 0  #: of that file, for the look after the open
    file_version: int = 0  #: 304; 0: not known
    trouble: Trouble | None = None


def ask_for(about: Mapping[str, Any], read_header: bool, opened: Answer | None = None) -> Ask:
    """The question for a job description (PROTOCOL.md 2.4)."""
    facts = (about["size"], about["mtime_ns"], about["hash"])
    return Ask(about["file"], about.get("kept") or "", *facts, read_header, opened)


def look(ask: Ask) -> Answer:
    """Look now, in this thread."""
    try:
        if ask.opened is not None:
            return _look_after(ask, ask.opened)
        return _look(ask)
    except OSError as error:
        text = f"{ask.file}: cannot be read: {error.strerror}"
        return _wrong("file-unreadable", text, "make the file readable for the worker")


def _wrong(code: str, text: str, hint: str) -> Answer:
    return Answer(trouble=Trouble(code, text, hint, fatal=True))


def _look(ask: Ask) -> Answer:
    missing = False
    for path in filter(None, (ask.file, ask.kept)):
        try:
            mtime_ns = _same(path, ask)
        except FileNotFoundError:
            missing = missing or path == ask.file
            continue
        if mtime_ns is not None:
            return _checked(path, mtime_ns, ask)
    if missing:
        hint = "put the file back, or cancel the job"
        return _wrong("file-missing", f"{ask.file}: no such file", hint)
    hint = "render the file as it is now: dblend resume JOB --accept-change"
    return _wrong("file-changed", f"{ask.file}: {_CHANGED}", hint)


def _same(path: str, ask: Ask) -> int | None:
    """Its mtime while it has the submitted bytes; None: it has not. OSError."""
    info = os.stat(path)
    if info.st_size != ask.size:
        return None
    if info.st_mtime_ns == ask.mtime_ns:
        return ask.mtime_ns
    try:
        facts = kept.take_facts(path)
    except kept.FileChanged:
        return None
    return facts.mtime_ns if (facts.size, facts.hash) == (ask.size, ask.hash) else None


def _look_after(ask: Ask, opened: Answer) -> Answer:
    """Is it still what it was when it was opened?"""
    info = os.stat(opened.use)
    if (info.st_size, info.st_mtime_ns) == (ask.size, opened.mtime_ns):
        return opened
    return _wrong("file-changed", f"{ask.file}: {_CHANGED}", "")


def _checked(path: str, mtime_ns: int, ask: Ask) -> Answer:
    if not ask.read_header:
        return Answer(path, mtime_ns)
    try:
        version = blendfile.check(path)
    except blendfile.NotBlend:
        text = f"{ask.file}: not a .blend file"
        return _wrong("not-blend", text, "give a file that Blender saved")
    except blendfile.Truncated:
        text = f"{ask.file}: truncated: it is not whole"
        return _wrong("file-truncated", text, "save the file again, then add it again")
    return Answer(path, mtime_ns, version or 0)
