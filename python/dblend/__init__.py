"""DistributedBlend from Python: queue .blend files on a render farm, and watch them."""

from __future__ import annotations

from dblend.errors import (
    BrokerLost,
    FarmError,
    FileRefused,
    JobNotDone,
    KeyUsed,
    Malformed,
    NoBroker,
    NoSuchJob,
    NotPrivate,
    Refused,
    SubmitRefused,
    TimeIsOver,
    UsageError,
    VersionRefused,
)
from dblend.farm import Farm, Job
from dblend.objects import (
    EventInfo,
    FrameInfo,
    JobDetails,
    JobInfo,
    Progress,
    WorkerInfo,
)
from dblend.options import JobOptions
from dblend.spec import BY_CONTENT
from dblend.version import VERSION

__all__ = [
    "BY_CONTENT",
    "EventInfo",
    "Farm",
    "FrameInfo",
    "Job",
    "JobDetails",
    "JobInfo",
    "JobOptions",
    "Progress",
    "WorkerInfo",
    "BrokerLost",
    "FarmError",
    "FileRefused",
    "JobNotDone",
    "KeyUsed",
    "Malformed",
    "NoBroker",
    "NoSuchJob",
    "NotPrivate",
    "Refused",
    "SubmitRefused",
    "TimeIsOver",
    "UsageError",
    "VersionRefused",
]

__version__ = VERSION
