"""complaint - what went wrong in Blender, by its own words and by how it ended.

Asked only when something did go wrong: Blender prints "Error:" in runs that are fine. Some words
spoil the picture all the same: Cycles says them, stops, and what it has is saved.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import NamedTuple

from dblend.worker.child import End

SCRIPT_EXIT = 9  # --python-exit-code: autorender itself has failed
KILLED = getattr(signal, "SIGKILL", 9)


class Trouble(NamedTuple):
    """An error as the broker and people are told of it."""

    code: str
    text: str
    hint: str = ""
    fatal: bool = False

    def named(self, code: str, hint: str) -> Trouble:
        """The same, known better."""
        return self._replace(code=code, hint=hint)


LOOK = "look at the output of the attempt: dblend log JOB --frame N"
_MEMORY = ("out-of-memory", "the scene needs more memory than there is")
_GPU = ("out-of-gpu-memory", "the scene needs more memory than the device has")
_DEVICE = ("device-lost", "look at the device and its driver: the kernel's log says more")
_CRASHED = ("crashed", LOOK)
_CAMERA = ("no-camera", "add a camera to the scene")
_OUTPUT = ("output-unwritable", "check the output folder")

_PLAIN = {
    "No space left on device": ("disk-full", "make room on the disk, then retry the job"),
    "Disk quota exceeded": ("disk-full", "make room within the quota, then retry the job"),
    "Build without OpenImageDenoiser": (
        "denoiser-missing",
        "render with --no-denoise, or with an official build of Blender",
    ),
    "Cannot render, no camera": _CAMERA,
    "No camera found in scene": _CAMERA,
    "Cannot open file for writing": _OUTPUT,
    "Render error: cannot save": _OUTPUT,
    "Malloc returns null": _MEMORY,
    "Calloc returns null": _MEMORY,
    "std::bad_alloc": _MEMORY,
    "Missing DNA block": ("file-truncated", "save the file again"),
    "File format is not supported": ("not-blend", ""),
}
_SPOILING = {
    "System is out of GPU": _GPU,
    "Out of memory in CUDA": _GPU,
    "Out of memory in cu": _GPU,
    "Out of memory in HIP": _GPU,
    "Out of memory in hip": _GPU,
    "CUDA_ERROR_OUT_OF_MEMORY": _GPU,
    "OUT_OF_DEVICE_MEMORY": _GPU,
    "DEVICE_OUT_OF_MEMORY": _GPU,
    "GPU is lost": _DEVICE,
    "fallen off the bus": _DEVICE,
    "DEVICE_LOST": _DEVICE,
    "DEVICE_UNAVAILABLE": _DEVICE,
    "CUDA_ERROR_NO_DEVICE": _DEVICE,
    "No CUDA-capable device": _DEVICE,
    "hipErrorNoDevice": _DEVICE,
    "Uncorrectable ECC error": _DEVICE,
    "Illegal address in ": _CRASHED,
    "Launch failed in ": _CRASHED,
    "Launch exceeded timeout in ": _CRASHED,
}

Known = tuple[str, str]


def find(text: str) -> Known | None:
    """(code, hint) of the last known complaint in a text of many lines."""
    return _last(text, {**_PLAIN, **_SPOILING})


def spoiling(text: str) -> Known | None:
    """The last of those after which no picture can be trusted, whatever Blender says."""
    return _last(text, _SPOILING)


def _last(text: str, table: Mapping[str, Known]) -> Known | None:
    at, words = max((text.rfind(words), words) for words in table)
    return table[words] if at >= 0 else None


def of_end(end: End, out_of_memory: bool, last: str) -> Known:
    """For an end that nobody wished for. out_of_memory: the kernel has killed for it meanwhile."""
    killed = end.signal == KILLED
    if killed and out_of_memory:
        return _MEMORY
    known = find(last)
    if known:
        return known
    if killed:
        return "crashed", "somebody killed it; often the kernel, when memory runs out"
    if not end.signal and end.status == SCRIPT_EXIT:
        return "script-error", LOOK
    return _CRASHED
