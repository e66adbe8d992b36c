"""scratch - Blender's own temporary folder: removed with it, or by a later worker.

The name says whose it is; both makes of the worker use it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile

from dblend.worker import system

_NAME = re.compile(r"dblend-blender-(\d+)-(\d+)-")


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def make() -> str:
    """A new one. OSError."""
    return tempfile.mkdtemp(prefix=f"dblend-blender-{_user()}-{os.getpid()}-")


def remove(path: str) -> None:
    """What cannot be removed stays: it is only temporary."""
    shutil.rmtree(path, ignore_errors=True)


def sweep() -> None:
    """Remove those of this user's processes that are gone."""
    base = tempfile.gettempdir()
    try:
        names = os.listdir(base)
    except OSError:
        return
    for name in names:
        match = _NAME.match(name)
        if match and int(match[1]) == _user() and not system.is_alive(int(match[2])):
            path = os.path.join(base, name)
            if not os.path.islink(path) and os.path.isdir(path):
                remove(path)
