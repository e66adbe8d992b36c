"""What the broker tells of jobs, frames, workers and events: as ``dblend --json`` prints it.

Plain dictionaries, key for key. No key is left out; what is not known is None. Times are text,
RFC 3339 in UTC with milliseconds; paths are absolute.
"""

from __future__ import annotations

from typing import Any, TypedDict

__all__ = [
    "ENDED", "ErrorInfo", "EventInfo", "FileInfo", "FrameCounts", "FrameInfo", "JobDetails",
    "JobInfo", "PeakMemory", "Progress", "WorkerInfo",
]  # fmt: skip

from dataclasses import dataclass

ENDED = ("done", "failed", "cancelled")


class ErrorInfo(TypedDict):
    """Why something is not so; ``code`` is stable, the others are for people."""

    code: str
    text: str
    hint: str | None


class FrameCounts(TypedDict):
    """How many frames of a job are in which state; None until inspection has counted them."""

    total: int | None
    waiting: int | None
    claimed: int | None
    done: int | None
    kept: int | None
    taken: int | None
    failed: int | None
    cancelled: int | None


class PeakMemory(TypedDict):
    """The most memory that a frame of a job has taken, in bytes: of a card, of the host."""

    gpu_peak_bytes: int | None
    gpu_rss_peak_bytes: int | None
    cpu_rss_peak_bytes: int | None


class JobInfo(TypedDict):
    """A job. ``eta_s``: seconds that are left, as far as that can be said."""

    type: str
    job: int
    name: str
    file: str
    scene: str | None
    state: str
    priority: int
    output: str | None
    frames: FrameCounts
    warnings: list[ErrorInfo]
    submitted: str
    finished: str | None
    eta_s: int | None
    memory: PeakMemory
    error: ErrorInfo | None


class JobDetails(TypedDict):
    """All about one job: what was submitted, what inspection found, what it asks."""

    job: JobInfo
    spec: dict[str, Any]
    found: dict[str, Any] | None
    questions: list[ErrorInfo]
    blocked: list[dict[str, Any]]


class FileInfo(TypedDict):
    """A picture: width and height in pixels, the view of a stereo scene or ""."""

    path: str
    bytes: int
    width: int
    height: int
    view: str


class FrameInfo(TypedDict):
    """A frame. ``ms``: its render time in milliseconds, without proof."""

    type: str
    job: int
    frame: int
    state: str
    attempts: int
    worker: str | None
    ms: int | None
    files: list[FileInfo]
    error: ErrorInfo | None


class WorkerInfo(TypedDict):
    """A worker: a device and what it does. ``frames``: those that it has in hand."""

    type: str
    worker: str
    device: str
    host: str
    pid: int
    state: str
    job: int | None
    frames: list[int]
    blender: str | None
    done: int
    error: ErrorInfo | None
    rests_until: str | None
    telemetry: dict[str, int] | None


class EventInfo(TypedDict):
    """Something that happened. ``id`` rises; ``events(after=id)`` goes on from there."""

    type: str
    id: int
    time: str
    event: str
    job: int | None
    frame: int | None
    worker: str | None
    text: str | None


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    >>> Progress(state="active", total=250, done=100, failed=0, cancelled=0, eta_s=90).fraction
    0.4
    """

    state: str
    total: int  #: 0 until inspection has counted them
    done: int  #: rendered, or kept: whole pictures that were there already
    failed: int
    cancelled: int
    eta_s: int | None  #: seconds left, as far as that can be said

    @property
    def fraction(self) -> float:
        """0.0 to 1.0: of all frames those that need no more work."""
        return self.done / self.total if self.total else 0.0

    @property
    def ended(self) -> bool:
        """Is the job done, failed or cancelled?"""
        return self.state in ENDED


def progress_of(info: JobInfo) -> Progress:
    """The figures of a job object."""
    frames = info["frames"]
    return Progress(
        state=info["state"],
        total=frames["total"] or 0,
        done=(frames["done"] or 0) + (frames["kept"] or 0),
        failed=frames["failed"] or 0,
        cancelled=frames["cancelled"] or 0,
        eta_s=info["eta_s"],
    )
