"""windows_job - on Windows what we started ends with us: a job object. Untested."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import Any

_EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
_KILL_ON_CLOSE = 0x2000
_SIZE = 144  # of JOBOBJECT_EXTENDED_LIMIT_INFORMATION, 64 bits
_FLAGS_AT = 16  # LimitFlags in it


class _Jobs:
    """The one job object of this process; Windows closes it with us."""

    handle: Any = None


def put(popen: subprocess.Popen[bytes]) -> None:
    """Have the child, and what it starts, end when this process does. OSError."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        if _Jobs.handle is None:
            _Jobs.handle = kernel.CreateJobObjectW(None, None)
            limits = bytearray(_SIZE)
            limits[_FLAGS_AT : _FLAGS_AT + 4] = _KILL_ON_CLOSE.to_bytes(4, "little")
            block = (ctypes.c_char * _SIZE).from_buffer(limits)
            kernel.SetInformationJobObject(_Jobs.handle, _EXTENDED_LIMITS, block, _SIZE)
        if not kernel.AssignProcessToJobObject(_Jobs.handle, int(popen._handle)):
            raise ctypes.WinError()
