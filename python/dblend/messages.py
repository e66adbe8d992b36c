"""The messages of proto/PROTOCOL.md as tables, and a check against them.

Bytes that :mod:`dblend.wire` lets through are MessagePack within the limits; a table says whether
they are a message. What is wrong is Malformed with a fault of the vectors: ``version``,
``unknown-type`` or ``malformed``. An unknown key is fine; nil is the same as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dblend.errors import Malformed
from dblend.shapes import (
    COUNT,
    DEVICE_TYPES,
    FLAG,
    FRAME,
    FRAMES,
    ID,
    INTEGER,
    ORDER,
    PATH,
    TEXT,
    Choice,
    Dictionary,
    Integer,
    Items,
    Kind,
    Optional,
    Shape,
    Text,
    Word,
    hexadecimal,
)
from dblend.wire import VERSION

__all__ = ["SIDES", "check", "check_answer"]

OBJECT = Shape({})
MEMORY = Integer(0, 2**50)
CARDS = Integer(0, 1024)
PIXELS = Integer(1, 1_000_000)
PID = Integer(1, 2**31 - 1)
NAME = Text(0, 512)
KEY = Text(1, 128)
LIMIT = Integer(1, 4000)
WAIT_MS = Integer(0, 10_000)
JOBS = Items(INTEGER, 4096)
PRIORITY = Integer(0, 100)
SECONDS = Integer(1, 604_800)
STOP = Word("", "soft", "now")
WHAT = Word("started", "finished", "kept", "taken", "error", "returned", "inspected", "swept")

# ---- 3.1, 3.2: reports ----

FILE = Shape({
    "path": PATH, "bytes": COUNT, "width": Integer(0, 1_000_000), "height": Integer(0, 1_000_000),
    "view": TEXT, "mtime_ns": INTEGER, "inode": INTEGER,
})  # fmt: skip
FILES = Items(FILE, 64)
TROUBLE = Shape({"code": Text(0, 64), "text": TEXT, "hint": Optional(TEXT)})
TROUBLES = Items(TROUBLE, 1024)
OUTPUT = Shape({"view": TEXT, "head": PATH, "digits": Integer(0, 255), "tail": TEXT})
FOUND = Shape({
    "scene": TEXT, "scenes": Items(TEXT, 1024), "frame_start": FRAME, "frame_end": FRAME,
    "frame_step": Integer(1, 1_048_574), "frame_current": FRAME, "fps": TEXT, "width": PIXELS,
    "height": PIXELS, "engine": TEXT, "format": TEXT, "camera": TEXT,
    "outputs": Items(OUTPUT, 64), "stamped": FLAG, "digest": hexadecimal(32), "blender": TEXT,
    "file_version": Integer(0, 100_000), "movie": Optional(TEXT), "ordered": FLAG,
    "denoise": FLAG, "engine_cpu_only": FLAG,
})  # fmt: skip
WRONG = Shape({"frame": FRAME, "code": Word("gone", "broken", "changed"), "text": TEXT})
REPORT = Choice({"claim": ID, "what": WHAT, "log": Optional(FLAG)}, "what", {
    "started": {"blender": TEXT},
    "finished": {"ms": COUNT, "files": FILES, "digest": TEXT, "warnings": Optional(TROUBLES),
                 "gpu_peak_bytes": Optional(MEMORY), "rss_peak_bytes": Optional(MEMORY)},
    "kept": {"files": FILES},
    "taken": {"size": COUNT, "mtime_ns": INTEGER, "inode": INTEGER},
    "error": {"code": Text(0, 64), "text": TEXT, "hint": Optional(TEXT), "fatal": Optional(FLAG),
              "gpu_had_bytes": Optional(MEMORY), "held_by": Optional(NAME)},
    "returned": {"charge": Optional(FLAG)},
    "inspected": {"found": FOUND, "questions": TROUBLES, "warnings": TROUBLES},
    "swept": {"wrong": Optional(Items(WRONG, 256)), "last": Optional(FRAME)},
})  # fmt: skip

# ---- 4.1: job specs ----

OPTIONS = Shape({key: Optional(kind) for key, kind in {
    "frames": FRAMES, "frame_words": Items(Word("current", "start", "end"), 3), "output": TEXT,
    "render_folder": TEXT, "scene": TEXT, "engine": TEXT, "format": TEXT,
    "samples": Integer(1, 16_777_216), "percentage": Integer(1, 1000), "denoise": FLAG,
    "priority": PRIORITY, "overwrite": FLAG, "keep": FLAG, "trust_scripts": FLAG,
    "no_scripts": FLAG, "strict": FLAG, "allow_missing": FLAG, "mix": FLAG, "allow_cpu": FLAG,
    "again": FLAG, "device_type": DEVICE_TYPES, "order": ORDER, "attempts": Integer(1, 1000),
    "placeholder_timeout_s": Integer(1, 31_536_000), "unbaked": Word("order", "refuse", "allow"),
    "stall_s": SECONDS, "max_frame_time_s": SECONDS, "min_frame_time_ms": Integer(0, 86_400_000),
}.items()})  # fmt: skip
SPEC = Shape({
    "file": PATH, "size": COUNT, "mtime_ns": INTEGER, "hash": hexadecimal(64),
    "kept": Optional(PATH), "name": TEXT, "cwd": PATH, "submitted_at": INTEGER,
    "options": OPTIONS, "go_on": Optional(FLAG), "key": Optional(KEY),
})  # fmt: skip

# ---- 2: workers ----

CLAIM_KIND = Word("render", "inspect", "sweep")
PHASE = Word("ahead", "rendering", "proof", "inspecting", "sweeping")
HOLDING = Items(Shape({"claim": ID, "phase": PHASE}), 8)
REPORTS = Items(REPORT, 8)
BLENDER = Shape({"version": TEXT, "path": PATH, "denoiser": FLAG})
PROGRESS = Shape({"claim": ID, "text": TEXT, "done": COUNT, "total": COUNT})
DESCRIPTION = Shape({
    "job": ID, "file": PATH, "size": COUNT, "mtime_ns": INTEGER, "hash": hexadecimal(64),
    "kept": Optional(PATH), "name": TEXT, "options": OPTIONS, "found": Optional(FOUND),
    "blender": Optional(TEXT), "median_ms": Optional(COUNT),
})  # fmt: skip
SIGHTING = Shape({"size": COUNT, "mtime_ns": INTEGER, "inode": INTEGER, "abandoned": FLAG})
GRANT = Choice(
    {"claim": ID, "kind": CLAIM_KIND, "job": ID, "attempt": ID, "sighting": Optional(SIGHTING)},
    "kind",
    {
        "render": {"frame": FRAME, "again": FLAG, "fresh": Optional(FLAG)},
        "inspect": {"about": DESCRIPTION},
        "sweep": {
            "about": DESCRIPTION,
            "live": Optional(Items(INTEGER, 4096)),
            "look": Optional(Items(Shape({"frame": FRAME, "files": FILES}), 256)),
            "ends": Optional(FLAG),
        },
    },
)
ORDERS = Shape({
    "n": COUNT, "pause": FLAG, "drain": STOP, "rest": Optional(STOP), "return": FLAG,
    "stop": Items(INTEGER, 8),
})  # fmt: skip
SETTLED = Shape({"claim": ID, "what": WHAT, "st": Word("accepted", "stale")})

FROM_WORKER = {
    "READY": Shape({
        "seq": ID, "worker": hexadecimal(32), "name": NAME, "host": Text(0, 256), "pid": PID,
        "device": NAME, "device_kind": Word("cpu", "gpu", "none"),
        "kinds": Items(CLAIM_KIND, 3), "blenders": Items(BLENDER, 32), "job": Optional(ID),
        "holding": HOLDING, "reports": REPORTS, "memory_bytes": Optional(MEMORY),
        "device_types": Optional(Items(TEXT, 16)), "device_name": Optional(NAME),
        "draws_shared": Optional(FLAG), "cards": Optional(CARDS), "regroups": Optional(CARDS),
        "largest_bytes": Optional(MEMORY),
    }),
    "SYNC": Shape({
        "session": ID, "seq": ID, "seen": COUNT, "job": Optional(ID), "holding": HOLDING,
        "reports": REPORTS, "want": Integer(0, 4), "leave": Optional(FLAG),
        "state": Word("starting", "idle", "opening", "rendering", "draining", "resting"),
        "progress": Optional(PROGRESS), "rest": Optional(TROUBLE),
        "telemetry": Optional(Dictionary(INTEGER)),
    }),
}  # fmt: skip
TO_WORKER = {
    "ANSWER": Shape({
        "seq": ID, "session": ID, "farm": hexadecimal(16), "park_ms": Integer(0, 600_000),
        "orders": ORDERS, "settled": Items(SETTLED, 16), "stale": Items(INTEGER, 16),
        "grants": Items(GRANT, 4), "job": Optional(DESCRIPTION),
    }),
    "READY-AGAIN": Shape({"seq": ID}),
    "REFUSED": Shape({
        "seq": Optional(COUNT), "code": Text(0, 64), "text": TEXT, "hint": Optional(TEXT),
    }),
}  # fmt: skip

# ---- 4: submitters ----

JOBS_CHANGE: dict[str, Kind] = {"key": KEY, "jobs": JOBS}
FROM_SUBMITTER = {
    "HELLO": Shape({}),
    "ATTEND": Shape({
        "role": Word("farm", "render"), "pid": PID, "leave": Optional(FLAG),
        "notice": Optional(TEXT), "groups": Optional(FLAG),
    }),
    "SUBMIT": Shape({"key": KEY, "jobs": Items(SPEC, 256)}),
    "LIST": Shape({"all": FLAG, "after": Optional(COUNT), "limit": Optional(LIMIT)}),
    "SHOW": Shape({"job": ID}),
    "FRAMES": Shape({"job": ID, "after": Optional(FRAME), "limit": Optional(LIMIT)}),
    "WORKERS": Shape({}),
    "LOG": Shape({
        "after": Integer(-1, 2**63 - 1), "job": Optional(ID), "frame": Optional(FRAME),
        "limit": Optional(LIMIT), "wait_ms": Optional(WAIT_MS),
    }),
    "OUTPUT": Shape({"job": ID, "frame": FRAME, "offset": Optional(COUNT)}),
    "WAIT": Shape({"jobs": JOBS, "wait_ms": WAIT_MS}),
    "PAUSE": Shape({**JOBS_CHANGE, "owner": Optional(TEXT)}),
    "RESUME": Shape({**JOBS_CHANGE, "accept_change": Optional(FLAG), "owner": Optional(TEXT)}),
    "CANCEL": Shape(JOBS_CHANGE),
    "REMOVE": Shape(JOBS_CHANGE),
    "RETRY": Shape({**JOBS_CHANGE, "all": Optional(FLAG)}),
    "VERIFY": Shape({**JOBS_CHANGE, "requeue": Optional(FLAG)}),
    "PRIORITY": Shape({"key": KEY, "job": ID, "priority": PRIORITY}),
    "ACCEPT": Shape({"key": KEY, "job": ID, "options": OPTIONS}),
    "CLEAR": Shape({"key": KEY}),
    "DRAIN": Shape({"key": KEY, "worker": NAME}),
    "REST": Shape({
        "key": KEY, "workers": Items(TEXT, 256), "rest": FLAG, "now": Optional(FLAG),
    }),
    "STOP": Shape({"key": KEY, "now": FLAG}),
}  # fmt: skip
TO_SUBMITTER = {
    "OK": OBJECT,
    "ERROR": Shape({
        "code": Text(0, 64), "text": TEXT, "hint": Optional(TEXT), "job": Optional(ID),
    }),
}  # fmt: skip

SIDES: dict[str, Mapping[str, Kind]] = {
    "from-worker": FROM_WORKER,
    "to-worker": TO_WORKER,
    "from-submitter": FROM_SUBMITTER,
    "to-submitter": TO_SUBMITTER,
}

RESULT = Shape({"ok": FLAG, "error": Optional(TROUBLE)})
RESULTS = {"results": Items(RESULT, 4096)}
OBJECTS = Items(OBJECT, 131_072)
OF_JOB: Kind = Shape({"job": ID, "state": TEXT})

# What an OK answers to each request, as far as a client must be able to rely on it.
ANSWERS: dict[str, dict[str, Kind]] = {
    "HELLO": {"farm": hexadecimal(16)},
    "SUBMIT": {"jobs": Items(Shape({
        "job": Optional(ID), "went_on": Optional(FLAG), "answered": Optional(FLAG),
        "repeated": Optional(FLAG), "error": Optional(TROUBLE),
    }), 256)},
    "LIST": {"jobs": Items(OF_JOB, 4000), "more": FLAG},
    "SHOW": {"job": OF_JOB, "spec": OBJECT, "questions": TROUBLES},
    "FRAMES": {"frames": Items(Shape({"frame": FRAME, "state": TEXT}), 4000), "more": FLAG},
    "WORKERS": {"workers": OBJECTS},
    "LOG": {"events": Items(Shape({"id": ID, "event": TEXT}), 4000), "last": COUNT},
    "OUTPUT": {"lines": Items(TEXT, 131_072), "next": Optional(COUNT)},
    "WAIT": {"jobs": Items(OF_JOB, 4096)},
    **{kind: dict(RESULTS) for kind in (
        "PAUSE", "RESUME", "CANCEL", "REMOVE", "RETRY", "VERIFY", "PRIORITY", "ACCEPT", "DRAIN",
        "REST",
    )},
    "CLEAR": {"cleared": COUNT},
}  # fmt: skip


def check(message: Mapping[str, Any], side: str) -> None:
    """Is it a message of that side (``from-submitter`` ...)? Raises Malformed when it is none.

    >>> check({"v": 1, "t": "SHOW", "job": 0}, "from-submitter")
    Traceback (most recent call last):
    dblend.errors.Malformed: job: out of range
    """
    version = message.get("v")
    INTEGER.check(version, "v")
    if version != VERSION:
        raise Malformed(f"version {version!r}, we speak {VERSION}", fault="version")
    kind = message.get("t")
    shape = SIDES[side].get(kind) if isinstance(kind, str) else None
    if shape is None:
        raise Malformed(f"there is no message of type {kind!r}", fault="unknown-type")
    shape.check(message, "")


def check_answer(request: str, answer: Mapping[str, Any]) -> None:
    """Does this OK say what it must say to that request? Raises Malformed when it does not."""
    Shape(ANSWERS.get(request, {})).check(answer, "")
