"""phase - what Blender is doing, in few words, read from the status lines that it prints.

    Fra:1 Mem:9.7M (Peak 9.7M) | Time:00:00.04 | ... | Scene, ViewLayer | Sample 1/4

Only what people see depends on it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SAMPLES = re.compile(r"(?:Sample|^Rendering|^Path Tracing Sample) +(\d{1,9}) ?/ ?(\d{1,9})(?!\d)")
_WORDS = {
    "Loading render kernels": "loading kernels",
    "Loading denoising kernels": "loading kernels",
    "Compiling": "loading kernels",
    "Building": "building BVH",
    "Updating Scene BVH": "building BVH",
    "Synchronizing": "synchronising",
    "Syncing": "synchronising",
    "Initializing": "synchronising",
    "Waiting for render to start": "synchronising",
    "Updating": "synchronising",
    "Copying": "synchronising",
    "Denoising": "denoising",
    "Compositing": "compositing",
    "Finish": "finishing",
}


class Phase(NamedTuple):
    """`sample 128/512`, or a step without a measure (0 of 0)."""

    text: str
    done: int = 0
    total: int = 0


def parse(line: str) -> Phase | None:
    """None: no status line, or one that says nothing of this kind."""
    first, *parts = line.split("|")
    if not first.startswith("Fra:"):
        return None
    for part in reversed(parts):  # the last says most: "Updating Scene BVH | Building BVH 0%"
        found = _part(part.strip())
        if found:
            return found
    return None


def _part(part: str) -> Phase | None:
    samples = _SAMPLES.search(part)
    if samples:
        done, total = int(samples[1]), int(samples[2])
        return Phase(f"sample {done}/{total}", done, total) if done <= total > 0 else None
    for begin, text in _WORDS.items():
        if part.startswith(begin):
            return Phase(text)
    return None
