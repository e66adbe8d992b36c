"""log - one line a thing that happens, on standard error."""

from __future__ import annotations

import sys
import time


class _Level:
    """Is debug written?"""

    verbose = False


def set_verbose(verbose: bool) -> None:
    """From now on each message is written, or not."""
    _Level.verbose = verbose


def error(text: str) -> None:
    """A person must act."""
    _write("error", text)


def warning(text: str) -> None:
    """We went on, but something is off."""
    _write("warning", text)


def info(text: str) -> None:
    """A state changed."""
    _write("info", text)


def debug(text: str) -> None:
    """A message, and what we think."""
    if _Level.verbose:
        _write("debug", text)


def _write(level: str, text: str) -> None:
    now = time.time()
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    line = text.replace("\n", " ")
    try:
        sys.stderr.write(f"{at}.{int(now * 1000) % 1000:03d}Z dblend-worker {level} {line}\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody reads it; a disk is full
