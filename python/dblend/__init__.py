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
from dblend.version import VERSION

__all__ = [
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
